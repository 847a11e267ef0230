"""How well a score ranks units by what a treatment adds to them: Qini curve, its area, uplift among the first.

Units of a randomized test are ranked by the score, best first. Each has the weight 1 / (probability of its own arm), so
that both arms stand for all units; with one propensity for everybody the weights cancel. Among the first u of them,
N_T, N_C are the sums of weights of treated and control, R_T, R_C those of weight x outcome, and

    gain(u) = (R_T(u) - R_C(u) N_T(u) / N_C(u)) / N_T(1)          (Radcliffe 2007; R_C / N_C is 0 where N_C is)

is what treating the first u alone adds per unit of all, and gain(1) the average effect. Equal scores are one step, so
the order of rows does not matter. The metrics, one definition each:

    AUUC             = area under gain over u in [0, 1]
    Qini             = AUUC - gain(1) / 2                                  (0: no better than random targeting)
    normalized Qini  = Qini / gain(1)                                      (as a share of the average effect)
    uplift at k      = mean outcome of treated - mean outcome of control, among the first k
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["Arms", "QiniCurve", "qini_curve", "top_share", "uplift_at"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Arms:
    """Units of a randomized test; arrays are (n,).

    Args:
        treated: whether the unit was treated.
        outcome: what it did.
        propensity: probability with which it was treated, in (0, 1).

    Raises:
        InputError: lengths differ, an outcome is missing, or a propensity is outside (0, 1).
        InsufficientDataError: an arm is empty, or the outcome is constant.
    """

    treated: npt.NDArray[np.bool_]
    outcome: FloatArray
    propensity: FloatArray

    def __post_init__(self) -> None:
        sizes = {self.treated.shape, self.outcome.shape, self.propensity.shape}
        if len(sizes) != 1 or self.treated.ndim != 1:
            raise InputError(
                f"Treated, outcome and propensity differ in shape: {sorted(sizes)}. Give one of each per unit."
            )
        if not np.isfinite(self.outcome).all():
            raise InputError(f"{(~np.isfinite(self.outcome)).sum()} outcomes are missing. Say what they count as.")
        if not ((self.propensity > 0.0) & (self.propensity < 1.0)).all():
            raise InputError(
                f"Probabilities of treatment reach from {self.propensity.min():g} to {self.propensity.max():g}. They "
                "must lie between 0 and 1: leave out units that could only be in one arm."
            )
        n_treated = int(self.treated.sum())
        if not 0 < n_treated < self.treated.size:
            raise InsufficientDataError(
                f"{n_treated:,} of {self.treated.size:,} units are treated, so an arm is empty. Both are needed."
            )
        if np.ptp(self.outcome) == 0.0:
            raise InsufficientDataError(
                f"The outcome is {self.outcome[0]:g} for all {self.outcome.size:,} units, so no ranking is better than "
                "another. Measure longer, or another outcome."
            )

    @property
    def weight(self) -> FloatArray:
        """1 / probability of the unit's own arm, (n,)."""
        return np.asarray(1.0 / np.where(self.treated, self.propensity, 1.0 - self.propensity))

    def rows(self, index: npt.NDArray[np.int64]) -> Arms:
        """Some of the units."""
        return Arms(treated=self.treated[index], outcome=self.outcome[index], propensity=self.propensity[index])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class QiniCurve:
    """Points of a Qini curve, from (0, 0) to (1, average effect), straight between them.

    Args:
        targeted_frac: share of the units that is treated, rising from 0 to 1, (m,).
        gain: outcome added per unit of all, (m,).
    """

    targeted_frac: FloatArray
    gain: FloatArray

    @property
    def auuc(self) -> float:
        """Area under the curve."""
        return float(np.trapezoid(self.gain, self.targeted_frac))

    @property
    def qini(self) -> float:
        """Area between the curve and the straight line of random targeting."""
        return self.auuc - float(self.gain[-1]) / 2.0

    @property
    def normalized_qini(self) -> float | None:
        """Qini as a share of the average effect; None where that is not above 0 and shares have no meaning."""
        effect = float(self.gain[-1])
        return self.qini / effect if effect > 0.0 else None

    def at(self, targeted_frac: FloatArray) -> FloatArray:
        """Gain at these shares, same shape."""
        return np.interp(targeted_frac, self.targeted_frac, self.gain)


def qini_curve(score: FloatArray, arms: Arms) -> QiniCurve:
    """The curve of a score (n,), larger scores first.

    Raises:
        InputError: a score is missing.
    """
    _check(score, arms)
    order = np.argsort(-score, kind="stable")
    t, y, w = arms.treated[order], arms.outcome[order], arms.weight[order]
    last = np.flatnonzero(np.append(np.diff(score[order]) != 0.0, True))
    n_t, n_c = np.cumsum(w * t)[last], np.cumsum(w * ~t)[last]
    r_t, r_c = np.cumsum(w * t * y)[last], np.cumsum(w * ~t * y)[last]
    control = np.divide(r_c, n_c, out=np.zeros_like(r_c), where=n_c > 0.0)
    gain = (r_t - control * n_t) / n_t[-1]
    return QiniCurve(targeted_frac=np.append(0.0, (last + 1) / score.size), gain=np.append(0.0, gain))


def top_share(score: FloatArray, frac: float) -> FloatArray:
    """How much of each unit is among the first `frac` by score, (n,): 1, 0, or a share where scores tie at the border.

    Raises:
        InputError: the share is not in (0, 1].
    """
    if not 0.0 < frac <= 1.0:
        raise InputError(f"A share of units to target must lie in (0, 1], not {frac:g}.")
    wanted = frac * score.size
    border = np.partition(score, score.size - max(int(np.ceil(wanted)), 1))[score.size - max(int(np.ceil(wanted)), 1)]
    above, tied = score > border, score == border
    part = min((wanted - above.sum()) / tied.sum(), 1.0)
    return np.asarray(np.where(above, 1.0, np.where(tied, part, 0.0)))


def uplift_at(score: FloatArray, arms: Arms, frac: float) -> float:
    """Mean outcome of the treated less that of control, among the first `frac` by score.

    Raises:
        InputError: a score is missing, or the share is not in (0, 1].
        InsufficientDataError: an arm is empty among them.
    """
    _check(score, arms)
    weight = arms.weight * top_share(score, frac)
    treated, control = weight * arms.treated, weight * ~arms.treated
    if min(treated.sum(), control.sum()) <= 0.0:
        raise InsufficientDataError(f"Among the first {frac:.1%} of {score.size:,} units an arm is empty. Take more.")
    return float(treated @ arms.outcome / treated.sum() - control @ arms.outcome / control.sum())


def _check(score: FloatArray, arms: Arms) -> None:
    if score.shape != arms.outcome.shape or not np.isfinite(score).all():
        raise InputError(f"Scores {score.shape} must be one finite number per unit {arms.outcome.shape}.")
