"""How much of a sale's extra units is missing in the weeks after it.

Event study of the days after past sales, pooled over the shop: units after = c * baseline after - share * extra
units of the sale. The factor c absorbs what promoted items have in common (their demand state); the extra units are
those that the response model expects, not those observed, because an item that happens to sell well in the sale and
after it would hide the effect.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from flashlift.account import HORIZON_DAYS
from flashlift.demand.baseline import CrossFit
from flashlift.protocols import FloatArray, IntArray

__all__ = ["PullForward", "measure_pull_forward"]

_PRIOR_MEAN, _PRIOR_SD = 0.2, 0.15
_UPPER = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class PullForward:
    """Share of the extra units of a sale that is missing in the 28 days after it: normal, cut to [0, 0.9]."""

    share: float
    share_sd: float

    def draw(self, n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Shares, (n_draws,), in [0, 0.9]."""
        low, high = ndtr((np.array([0.0, _UPPER]) - self.share) / self.share_sd)
        return np.asarray(self.share + self.share_sd * ndtri(low + (high - low) * rng.random(n_draws)))


def measure_pull_forward(
    cross: CrossFit, item: IntArray, origin: IntArray, last: IntArray, extra: FloatArray
) -> PullForward:
    """Share from past sales (rows paired): first day `origin`, last day `last` of the panel, expected `extra` units.

    Without sales that have days after them the prior is returned: 0.2 with a standard deviation of 0.15.
    """
    panel = cross.panel
    ahead = np.arange(1, HORIZON_DAYS + 1)
    row, step = (a.ravel() for a in np.meshgrid(np.arange(len(item)), ahead, indexing="ij"))
    day = last[row] + step
    row, day = row[day < panel.n_days], day[day < panel.n_days]
    usable = (panel.stock[item[row], day] > 0) & ~panel.touched[item[row], day]
    row, day = row[usable], day[usable]
    exposure = panel.stock[item[row], day].astype(np.float64)
    expected = np.bincount(row, exposure * cross.predict(item[row], origin[row], day), len(item)).astype(np.float64)
    actual = np.bincount(row, panel.units[item[row], day], len(item)).astype(np.float64)
    seen = np.bincount(row, minlength=len(item)) / HORIZON_DAYS
    return _regress(actual, expected, extra * seen, panel.lump[item], item)


def _regress(
    actual: FloatArray, expected: FloatArray, extra: FloatArray, lump: FloatArray, item: IntArray
) -> PullForward:
    keep = (expected > 0) & (extra > 0)
    prior = 1.0 / _PRIOR_SD**2
    if keep.sum() < 10:
        return PullForward(share=_PRIOR_MEAN, share_sd=_PRIOR_SD)
    actual, expected, extra, item = actual[keep], expected[keep], extra[keep], item[keep]
    weight = 1.0 / (lump[keep] * expected + 0.15 * expected**2)
    design = np.column_stack([expected, -extra])
    bread = np.linalg.inv((design * weight[:, None]).T @ design)
    solution = bread @ (design * weight[:, None]).T @ actual
    # Sales of one item share its errors: sandwich variance clustered by item (Liang and Zeger, 1986).
    score = design * (weight * (actual - design @ solution))[:, None]
    clusters = np.zeros((item.max() + 1, 2))
    np.add.at(clusters, item, score)
    variance = float((bread @ (clusters.T @ clusters) @ bread)[1, 1])
    precision = prior + 1.0 / max(variance, 1e-9)
    mean = (prior * _PRIOR_MEAN + solution[1] / max(variance, 1e-9)) / precision
    return PullForward(share=float(np.clip(mean, 0.0, _UPPER)), share_sd=float(precision**-0.5))
