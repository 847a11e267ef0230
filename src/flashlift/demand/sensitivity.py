"""How strong a hidden cause of good sales would have to be to turn a conclusion around.

Two figures. The *tipping factor* is about a plan: if demand on past sale days had been B times higher for reasons that
the log does not show, the true lift of every offer is the measured one divided by B (the bounding factor of Ding and
VanderWeele, "Sensitivity analysis without assumptions", Epidemiology 2016). B* is where the plan's value is zero:

    V(lift / B*) = 0,    B* >= 1,    told as B* - 1: "demand would have to be 30 % higher for other reasons"

The *robustness value* is about the price response (Cinelli and Hazlett, "Making sense of sensitivity", JRSS B 2020,
eq. 18): with f = q |t| / sqrt(df) for the coefficient of x = -log(1 - discount),

    RV_q = (sqrt(f^4 + 4 f^2) - f^2) / 2

is the share of what is left both of the discounts and of log units that one hidden cause must explain to take away the
share q of the response. Beside it stands what the demand state that the log does show explains of either.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from flashlift.demand.counts import fit_counts
from flashlift.demand.response import SaleRows
from flashlift.errors import InputError
from flashlift.protocols import DemandDraws, FloatArray, IntArray, SparseEffects

__all__ = [
    "HiddenShock",
    "Robustness",
    "depth_sentence",
    "robustness",
    "robustness_value",
    "tipping_factor",
    "tipping_sentence",
]

STRONGEST = 10.0
"""No hidden cause is looked for that moves demand more than tenfold."""

_STEPS = 12
_FEWEST = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class HiddenShock:
    """Draws of a world in which past sale days had `factor` times the demand for reasons that the log does not show.

    Implements `DemandDraws`: lifts are divided by the factor, but being in a sale still never lowers units.

    Args:
        draws: draws that take the measured lift for true.
        factor: at least 1.
    """

    draws: DemandDraws
    factor: float

    def __post_init__(self) -> None:
        if not 1.0 <= self.factor < np.inf:
            raise InputError(f"The hidden factor is {self.factor}. Give a number of at least 1, such as 1.2.")

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return self.draws.n_draws

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        """Units demanded in the slot, (n, n_draws)."""
        share = np.ones(len(item)) if reach is None else reach
        weaker = self.draws.units(item, slot, discount, np.where(discount > 0, share / self.factor, share))
        # With a part of the audience only, the units of that part at list price cannot be asked for.
        return weaker if reach is not None else np.maximum(weaker, self.draws.units(item, slot, np.zeros(len(item))))

    def without_sale(self, item: IntArray) -> FloatArray:
        """Units at list price, (n, n_draws)."""
        return self.draws.without_sale(item)

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """Change of units outside the slots, (n, n_draws)."""
        return self.draws.aftermath(item, extra_units)

    def cross(self) -> SparseEffects:
        """Effects on other items."""
        return self.draws.cross()

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """Distance from anything seen, (n,)."""
        return self.draws.support(item, discount)


def tipping_factor(draws: DemandDraws, value: Callable[[DemandDraws], float]) -> float:
    """B* to about a hundredth: 1 where the value is not positive to begin with, inf where even tenfold leaves a gain.

    Args:
        draws: what the value is told from.
        value: value of the plan on draws; it falls as lifts fall.
    """
    if value(draws) <= 0.0:
        return 1.0
    if value(HiddenShock(draws=draws, factor=STRONGEST)) > 0.0:
        return np.inf
    low, high = 0.0, np.log(STRONGEST)
    for _ in range(_STEPS):
        middle = 0.5 * (low + high)
        if value(HiddenShock(draws=draws, factor=float(np.exp(middle)))) > 0.0:
            low = middle
        else:
            high = middle
    return float(np.exp(0.5 * (low + high)))


def tipping_sentence(factor: float, room: float | None = None) -> str:
    """The tipping factor in words; beside it the `room` that placebo tests leave for such a cause."""
    if factor <= 1.0:
        return "The plan earns nothing on average, even if the log tells everything."
    if np.isinf(factor):
        return (
            f"No hidden cause turns the plan: it would still earn if demand on past sale days had been {STRONGEST:g} "
            "times higher for reasons that are not in the log."
        )
    said = (
        f"Demand on past sale days would have to have been {factor - 1.0:.0%} higher for reasons that are not in the "
        "log, and not because of the sale, for the plan to earn nothing."
    )
    if room is None:
        return f"{said} No placebo test could be made that would tell how likely that is."
    enough = "enough to turn it: test the plan before you trust it" if room >= factor - 1.0 else "less than that"
    return f"{said} The placebo tests on other days and other items leave room for up to {room:.0%}, {enough}."


def depth_sentence(factor: float) -> str:
    """In words, the factor from which on one step less discount would have been worth more."""
    if factor <= 1.0:
        return "For offers above the lowest step, one step less discount is worth as much already."
    if np.isinf(factor):
        return "No such cause would make one step less discount worth more."
    return f"From {factor - 1.0:.0%} on, one step less discount would have been worth more."


@dataclass(frozen=True, slots=True, kw_only=True)
class Robustness:
    """How robust the price response is; all shares in [0, 1].

    Args:
        value: robustness value for taking all of the response away (q = 1).
        half: for taking half of it (q = 0.5).
        state_of_discounts: what the known demand state explains of the discounts.
        state_of_units: what it explains of log units, beside the discounts.
        n: sales.
    """

    value: float
    half: float
    state_of_discounts: float
    state_of_units: float
    n: int

    @property
    def sentence(self) -> str:
        """The figures in words."""
        return (
            f"One hidden cause would have to explain {self.value:.0%} of what is left both of the discounts and of "
            f"units in past sales to make the price response vanish, and {self.half:.0%} to halve it. For comparison: "
            f"the demand state before the sale, which the log shows, explains {self.state_of_discounts:.1%} of the "
            f"discounts and {self.state_of_units:.1%} of units."
        )


def robustness_value(t: float, degrees: float, share: float = 1.0) -> float:
    """RV_q of a coefficient with t statistic `t` on so many degrees of freedom, for q = `share`.

    Example:
        >>> round(robustness_value(4.18, 783), 3)  # the example of Cinelli and Hazlett, table 1
        0.139
    """
    f2 = share**2 * t**2 / degrees
    return float(0.5 * (np.sqrt(f2**2 + 4.0 * f2) - f2))


def robustness(rows: SaleRows) -> Robustness | None:
    """From past sales pooled over the shop, known demand state and position held fixed; None for less than 30 sales.

    The regression is the last step of a quasi negative binomial fit: log units beside the baseline, weighted.
    """
    if len(rows.x) < _FEWEST or np.ptp(rows.x) < 1e-3 or rows.units.sum() <= 0:
        return None
    state, place = rows.controls[:, 0], rows.controls[:, 1]
    others = np.column_stack([np.ones_like(place), *([place] if np.ptp(place) > 0 else [])])
    known = [state] if np.ptp(state) > 1e-6 else []
    design = np.column_stack([others, *known, rows.x])
    y, offset = rows.units / rows.lump, np.log(rows.baseline / rows.lump)
    fit = fit_counts(y, offset, design)
    working, weight = design @ fit.coefficients + y / fit.mean - 1.0, fit.weight
    degrees = float(len(working) - design.shape[1])
    t = np.sqrt(_explained(working, rows.x, design[:, :-1], weight, odds=True) * degrees)
    return Robustness(
        value=robustness_value(t, degrees),
        half=robustness_value(t, degrees, 0.5),
        state_of_discounts=_explained(rows.x, state, others, weight) if known else 0.0,
        state_of_units=_explained(working, state, np.column_stack([others, rows.x]), weight) if known else 0.0,
        n=len(working),
    )


def _explained(
    outcome: FloatArray, cause: FloatArray, others: FloatArray, weight: FloatArray, *, odds: bool = False
) -> float:
    """Partial R2 of `cause`, given the others, in weighted least squares; as odds R2 / (1 - R2), which is t^2 / df."""
    root = np.sqrt(weight)
    left = [v - others @ np.linalg.lstsq(others * root[:, None], v * root, rcond=None)[0] for v in (outcome, cause)]
    a, b = (part * root for part in left)
    share = float((a @ b) ** 2 / max(float((a @ a) * (b @ b)), 1e-30))
    return share / max(1.0 - share, 1e-12) if odds else share
