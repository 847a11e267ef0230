"""Sales are not drawn by lot: merchants discount what sells badly, and deeper the worse it sells.

The baseline knows a part m of an item's passing demand state z (its forecast for the coming days against that for
the distant ones); the merchant may know more. From the log we see how m moves the start of a sale (rate ~ exp(-tilt
m)) and its depth (x = a - slope m + noise). If he treats what the log does not show as he treats what it shows, then

    E[z - m | sale, x] = -tilt v - slope v / (noise + slope^2 v) * (x - E[x | m])

with v the variance of z around m and `noise` that of x given z: the first part biases the lift of being shown, the
second the elasticity, both toward a weaker sale. This is proportional selection on observed and unobserved (Altonji,
Elder and Taber, 2005; Oster, 2019) with normal errors. The correction enters the response as a control whose
coefficient is uncertain around 1.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.stats import pearsonr

from flashlift.demand.baseline import CrossFit
from flashlift.protocols import FloatArray, IntArray

__all__ = ["MerchantRule", "drawn_by_lot", "passing_state"]

log = logging.getLogger(__name__)

_NEAR = 4
_REFERENCES = 60
_MIN_SALES = 50
_FEWEST_LOTS = 10
_STEERED = 1e-3
_MOST_HIDDEN = 10.0  # times the variance that the log shows: what nobody could foresee is no state that was acted on


def passing_state(
    cross: CrossFit, item: IntArray, origin: IntArray, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Known part m of the demand state of `item` at the start of day `origin`, (n,), and a sample of it without sales.

    m is the log forecast for day 4 over that for the same weekday weeks later, less its mean over items on that day.
    """
    panel = cross.panel
    days = np.unique(origin)
    others = rng.integers(0, len(panel.item_ids), (len(days), _REFERENCES)).ravel()
    when = days.repeat(_REFERENCES)
    of_all = _near_over_far(cross, others, when)
    free = (panel.normal[others, np.minimum(when, panel.n_days - 1)] > 0).astype(np.float64)
    total = np.bincount(when, free * of_all, panel.n_days + 1)
    mean = total / np.maximum(np.bincount(when, free, panel.n_days + 1), 1.0)
    return _near_over_far(cross, item, origin) - mean[origin], (of_all - mean[when])[free > 0]


def _near_over_far(cross: CrossFit, item: IntArray, origin: IntArray) -> FloatArray:
    weeks = max((cross.horizon_days - _NEAR) // 7, 0)
    near = cross.forecast(item, origin, np.full(len(item), _NEAR))
    far = cross.forecast(item, origin, np.full(len(item), _NEAR + 7 * weeks))
    return np.asarray(np.log(near / far))


def drawn_by_lot(marked: npt.NDArray[np.bool_], state: FloatArray, x: FloatArray) -> npt.NDArray[np.bool_]:
    """Sales that are marked as randomized and look it: their depths do not follow the known demand state.

    Where the correlation of depth and state is too large for chance (1 in 1,000), the mark is believed of none of
    them: what was called a test was steered.

    Args:
        marked: sales that the log calls randomized.
        state: known demand state at each sale.
        x: -log(1 - depth) of each sale.
    """
    m, depth = state[marked], x[marked]
    if len(m) < _FEWEST_LOTS or np.ptp(m) == 0 or np.ptp(depth) == 0:
        return marked
    pvalue = float(pearsonr(m, depth).pvalue)
    if pvalue >= _STEERED:
        return marked
    log.warning(
        "%d sales are marked as randomized, but their discounts follow the state of demand (p = %.1g): they are read "
        "as chosen. Draw depth and time by lot, or drop the mark.",
        len(m),
        pvalue,
    )
    return np.zeros_like(marked)


@dataclass(frozen=True, slots=True, kw_only=True)
class MerchantRule:
    """How past sales followed the demand state.

    Args:
        tilt: log rate of sales per unit of log demand below normal, at least 0.
        slope: how much x = -log(1 - depth) rises per unit of log demand below normal, at least 0.
        noise: variance of x that the demand state does not explain.
        hidden: variance of the demand state that the log does not show.
    """

    tilt: float
    slope: float
    noise: float
    hidden: float

    @classmethod
    def learn(
        cls, state: FloatArray, x: FloatArray, chosen: npt.NDArray[np.bool_], others: FloatArray, hidden: float
    ) -> MerchantRule:
        """Learn the rule from the sales that were `chosen`, not drawn by lot; few of them tell nothing.

        Args:
            state: known demand state at each sale.
            x: -log(1 - depth) of each sale.
            chosen: sales that were not drawn by lot.
            others: known demand state of items without a sale.
            hidden: variance of the demand state that the log does not show; what exceeds ten times the variance that
                it shows is taken for chance that the merchant could not foresee either.
        """
        m, depth = state[chosen], x[chosen]
        if len(m) < _MIN_SALES or len(others) < _MIN_SALES or m.var() < 1e-6 or others.var() < 1e-6:
            return cls(tilt=0.0, slope=0.0, noise=1.0, hidden=hidden)
        hidden = min(hidden, _MOST_HIDDEN * float(others.var()))
        tilt = max(float((others.mean() - m.mean()) / others.var()), 0.0)
        slope = max(float(-np.cov(m, depth)[0, 1] / m.var(ddof=1)), 0.0)
        left = float(np.var(depth + slope * m))
        return cls(tilt=tilt, slope=slope, noise=max(left - slope**2 * hidden, 0.25 * left, 1e-6), hidden=hidden)

    def expected_gap(self, state: FloatArray, x: FloatArray, chosen: npt.NDArray[np.bool_]) -> FloatArray:
        """Log of what the items would have sold without the sale over the baseline, (n,); 0 if drawn by lot."""
        if not chosen.any():
            return np.zeros(len(x))
        surprise = x + self.slope * state
        surprise = surprise - surprise[chosen].mean()
        spread = self.noise + self.slope**2 * self.hidden
        left = self.hidden * self.noise / spread
        gap = -self.tilt * self.hidden - self.slope * self.hidden / spread * surprise + 0.5 * (left - self.hidden)
        return np.where(chosen, gap, 0.0)
