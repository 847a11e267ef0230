"""Mean, error and interval of one contribution per unit: the same for every estimator that is a mean."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from math import sqrt

import numpy as np
import numpy.typing as npt
from scipy.special import stdtrit

from flashlift.domain import Estimate
from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.stats.bootstrap import bootstrap
from flashlift.stats.empirical_bernstein import empirical_bernstein

__all__ = ["Interval", "MeanError", "mean_error", "mean_interval"]


class Interval(StrEnum):
    """How an interval is made, and when it may be believed.

    `NORMAL`: Student's t; needs enough rounds for the mean to be nearly normal, which skewed contributions delay.
    `BOOTSTRAP`: percentile; follows the skew of what was seen, knows nothing of large contributions that were not.
    `EMPIRICAL_BERNSTEIN`: holds at any size, for independent contributions within known bounds; wide.
    """

    NORMAL = "normal"
    BOOTSTRAP = "bootstrap"
    EMPIRICAL_BERNSTEIN = "empirical_bernstein"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanError:
    """A mean with its standard error, and the degrees of freedom of that error (units - 1)."""

    mean: float
    std_error: float
    degrees: int


def mean_error(values: FloatArray, units: npt.ArrayLike | None = None) -> MeanError:
    """Mean of `values` (n,) and its standard error; rows of one unit may depend on each other in any way.

    With units: sqrt(G / (G - 1) x sum over units of (sum of their deviations)^2) / n (Liang and Zeger 1986).

    Raises:
        InsufficientDataError: fewer than 2 units.
    """
    labels = None if units is None else np.unique(np.asarray(units), return_inverse=True)[1]
    mean = float(values.mean()) if values.size else 0.0
    deviation = values - mean
    sums = deviation if labels is None else np.bincount(labels, deviation)
    if sums.size < 2:
        raise InsufficientDataError(f"An error needs at least 2 units, and there are {sums.size}. Add rounds.")
    error = sqrt(sums.size / (sums.size - 1) * float(sums @ sums)) / values.size
    return MeanError(mean=mean, std_error=error, degrees=sums.size - 1)


def mean_interval(
    values: FloatArray,
    kind: Interval = Interval.NORMAL,
    *,
    units: npt.ArrayLike | None = None,
    bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    rng: np.random.Generator | None = None,
) -> Estimate:
    """Mean of `values` (n,) with a two-sided interval.

    Args:
        values: a contribution per row.
        kind: how the interval is made.
        units: label of the unit of each row; rows of a unit may depend on each other. Default: each row is a unit.
        bounds: smallest and largest value that a contribution can have, for the empirical Bernstein interval.
        level: probability that the interval claims.
        rng: source of the bootstrap's resamples.

    Raises:
        InputError: bounds or rng that the kind needs are missing, or bounds are given for rows that share units.
        InsufficientDataError: fewer than 2 units.
    """
    if kind is Interval.BOOTSTRAP:
        if rng is None:
            raise InputError("A bootstrap draws resamples. Give it a generator (rng).")
        return bootstrap(np.mean, values, units=units, level=level, rng=rng)
    if kind is Interval.EMPIRICAL_BERNSTEIN:
        if bounds is None or units is not None:
            raise InputError(
                "An empirical Bernstein interval needs independent rows and the bounds of what a row can contribute. "
                "Choose the normal or the bootstrap interval where rows share a unit or the bounds are unknown."
            )
        return empirical_bernstein(values, lower=bounds[0], upper=bounds[1], level=level)
    found = mean_error(values, units)
    half = float(stdtrit(found.degrees, 0.5 + level / 2.0)) * found.std_error
    return Estimate(value=found.mean, ci_lower=found.mean - half, ci_upper=found.mean + half, level=level)
