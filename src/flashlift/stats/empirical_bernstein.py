"""Interval of a mean of bounded values that holds for any number of them and any distribution within the bounds."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import numpy.typing as npt

from flashlift.domain import Estimate
from flashlift.errors import InputError, InsufficientDataError

__all__ = ["empirical_bernstein"]


def empirical_bernstein(values: npt.ArrayLike, *, lower: float, upper: float, level: float = 0.95) -> Estimate:
    """Two-sided interval of the mean, within [lower, upper].

    With probability 1 - delta the mean of n independent values in an interval of length R lies below their average by
    less than sqrt(2 V ln(2 / delta) / n) + 7 R ln(2 / delta) / (3 (n - 1)), V the sample variance (Maurer and Pontil,
    COLT 2009, theorem 4); each side has delta = (1 - level) / 2. It is wider than a normal interval, and much wider
    where R is large: that is the price of assuming nothing else.

    Args:
        values: independent values, (n,).
        lower: no value can be smaller, whether it was drawn or not.
        upper: no value can be larger.
        level: probability that the interval claims, at least.

    Raises:
        InputError: a value is missing or outside the bounds, or the bounds are no interval.
        InsufficientDataError: fewer than 2 values.
    """
    z = np.asarray(values, dtype=np.float64)
    if not -np.inf < lower < upper < np.inf:
        raise InputError(f"The bounds {lower:g} and {upper:g} are no interval. Give the smallest and largest value.")
    if z.size < 2:
        raise InsufficientDataError(f"An interval needs at least 2 values, and there are {z.size}. Add rounds.")
    slack = 1e-9 * (upper - lower)
    if not (np.isfinite(z).all() and z.min() >= lower - slack and z.max() <= upper + slack):
        raise InputError(f"Values reach from {z.min():g} to {z.max():g}, outside the bounds {lower:g} and {upper:g}.")
    unlikely = log(4.0 / (1.0 - level))
    mean, var = float(z.mean()), float(z.var(ddof=1))
    half = sqrt(2.0 * var * unlikely / z.size) + 7.0 * (upper - lower) * unlikely / (3.0 * (z.size - 1))
    return Estimate(value=mean, ci_lower=max(mean - half, lower), ci_upper=min(mean + half, upper), level=level)
