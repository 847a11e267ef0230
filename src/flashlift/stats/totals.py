"""Effect on a total, from units of very unequal size: ratios to the forecast size, and intervals that know the size."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

import numpy as np
from scipy.special import stdtr, stdtrit

from flashlift.domain import Estimate
from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["TotalEffect", "split_total", "within_total"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TotalEffect:
    """Total of all units under treatment less their total under control.

    Args:
        control: estimated total under control.
        effect: treatment - control, with a two-sided interval.
        std_error, degrees: standard error and its degrees of freedom.
        pvalue: two-sided, of no effect.
    """

    control: float
    effect: Estimate
    std_error: float
    degrees: float
    pvalue: float


def within_total(treatment: FloatArray, control: FloatArray, size: FloatArray, *, level: float = 0.95) -> TotalEffect:
    """Effect where every unit was seen in both arms, in an order drawn by lot.

    The effect is the sum of the differences. What a unit's difference says about chance is its residual from the
    overall effect in proportion to size, d - (sum d / sum size) size, as in the ratio estimator (Cochran 1977,
    eq. 6.13); residuals are inflated by their leverage (HC2, MacKinnon and White 1985). Effects that differ between
    units count as noise, so the interval also covers the mean over units like these, and is wide rather than
    narrow for the units at hand.

    Args:
        treatment: total of each unit in treatment, stated for the whole time of the test, (n,).
        control: the same in control, (n,).
        size: forecast of the unit's total, above 0, (n,).
        level: probability that the interval claims.

    Raises:
        InputError: arrays that differ in length, are not finite, or a size not above 0.
        InsufficientDataError: fewer than 3 units.
    """
    _check(size, treatment, control)
    if len(size) < 3:
        raise InsufficientDataError(f"{len(size)} units give no interval. Test at least 3.")
    difference = treatment - control
    residual, leverage = _residual(difference, size)
    return _conclude(
        effect=float(difference.sum()),
        control=float(control.sum()),
        squares=residual**2 / (1.0 - leverage),
        models=[_model_degrees(size)],
        level=level,
    )


def split_total(
    value: FloatArray, size: FloatArray, treated: FloatArray, *, weight: FloatArray | None = None, level: float = 0.95
) -> TotalEffect:
    """Effect where every unit was seen in one arm.

    Each arm's total is its ratio to the forecast, times the forecast of all units (the combined ratio estimator); the
    forecast plays the part of CUPED's covariate.

    Args:
        value: total of each unit, (n,).
        size: forecast of it, made before the test, above 0, (n,).
        treated: 1 where the unit was treated, else 0, (n,).
        weight: 1 / probability of the arm in which the unit was, up to a factor per arm, (n,); None: alike for all.
        level: probability that the interval claims.

    Raises:
        InputError: arrays that differ in length, are not finite, or a size not above 0.
        InsufficientDataError: fewer than 3 units in an arm.
    """
    weights = np.ones(len(size)) if weight is None else weight
    _check(size, value, treated, weights)
    whole, means, squares, models = float(size.sum()), [], [], []
    for arm in (0.0, 1.0):
        mine = treated == arm
        if mine.sum() < 3:
            raise InsufficientDataError(f"An arm holds {mine.sum()} units, which give no interval. Put 3 in each.")
        y, x = (weights * value)[mine], (weights * size)[mine]
        residual, leverage = _residual(y, x)
        means.append(float(y.sum() / x.sum()))
        squares.append((residual / x.sum() * whole) ** 2 / (1.0 - leverage))
        models.append(_model_degrees(x))
    return _conclude(
        effect=(means[1] - means[0]) * whole,
        control=means[0] * whole,
        squares=np.concatenate(squares),
        models=models,
        level=level,
    )


def _residual(value: FloatArray, size: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Residuals of the ratio to size, and their leverages."""
    share = size / size.sum()
    return value - value.sum() * share, share


def _conclude(*, effect: float, control: float, squares: FloatArray, models: list[float], level: float) -> TotalEffect:
    std_error = sqrt(float(squares.sum()))
    scale = max(abs(effect), abs(control), 1e-300)
    if std_error <= 1e-12 * scale:  # both arms sold all they had, of everything: chance has no part in it
        certain = Estimate(value=effect, ci_lower=effect, ci_upper=effect, level=level)
        pvalue = 1.0 if abs(effect) <= 1e-12 * scale else 0.0
        return TotalEffect(control=control, effect=certain, std_error=0.0, degrees=float("inf"), pvalue=pvalue)
    degrees = max(1.0, min(sum(models), _seen_degrees(squares)))
    half = float(stdtrit(degrees, 0.5 + level / 2.0)) * std_error
    return TotalEffect(
        control=control,
        effect=Estimate(value=effect, ci_lower=effect - half, ci_upper=effect + half, level=level),
        std_error=std_error,
        degrees=degrees,
        pvalue=float(2.0 * stdtr(degrees, -abs(effect) / std_error)),
    )


def _model_degrees(size: FloatArray) -> float:
    """Satterthwaite's degrees of freedom of the variance (Bell and McCaffrey 2002), if variance grows as size^1.5.

    The power lies between counts (1) and effects in proportion to size (2).
    """
    share = size / size.sum()
    maker = np.eye(len(size)) - share[:, None]
    form = (maker.T / (1.0 - share)) @ maker * (share**1.5)[None, :]
    return float(np.trace(form) ** 2 / np.trace(form @ form))


def _seen_degrees(squares: FloatArray) -> float:
    """Degrees of freedom that the spread of the squares themselves suggests; where few units vary, they are few.

    For normal residuals of equal variance E[e^4] = 3 E[e^2]^2, so 3 (sum e^2)^2 / sum e^4 is about n, less 2 for what
    is fitted.
    """
    return float(3.0 * squares.sum() ** 2 / (squares**2).sum() - 2.0)


def _check(size: FloatArray, *others: FloatArray) -> None:
    if any(other.shape != size.shape for other in others) or size.ndim != 1:
        raise InputError(f"Lengths differ: {[size.shape, *(o.shape for o in others)]}. Give one of each per unit.")
    if not all(np.isfinite(one).all() for one in (size, *others)):
        raise InputError("A total or a size is missing or infinite. Remove such units, or say what they count as.")
    if size.size and size.min() <= 0.0:
        raise InputError(f"{int((size <= 0.0).sum())} units have a size of 0 or less. Leave out what should sell none.")
