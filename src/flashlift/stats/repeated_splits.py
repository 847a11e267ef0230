"""A mean over repeated random splits into training and test, with an interval that knows the splits overlap."""

from __future__ import annotations

from math import sqrt

from scipy.special import stdtrit

from flashlift.domain import Estimate
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["corrected_interval"]


def corrected_interval(values: FloatArray, *, test_frac: float, level: float = 0.95) -> Estimate:
    """Mean of a figure (or of a paired difference) over J splits, with the corrected resampled t interval.

    Splits of one data set share most of their training rows, so their figures are correlated and var / J is far too
    small. Nadeau and Bengio (Machine Learning 52, 2003, eq. 9) take (1 / J + n_test / n_train) var instead, with J - 1
    degrees of freedom.

    Args:
        values: one per split, (J,).
        test_frac: share of the rows that was held out in each, in (0, 1).
        level: probability that the interval claims.

    Raises:
        InsufficientDataError: fewer than 2 splits.
    """
    if values.size < 2:
        raise InsufficientDataError(f"An interval needs at least 2 splits, and there are {values.size}.")
    mean = float(values.mean())
    error = sqrt((1.0 / values.size + test_frac / (1.0 - test_frac)) * float(values.var(ddof=1)))
    half = float(stdtrit(values.size - 1, 0.5 + level / 2.0)) * error
    return Estimate(value=mean, ci_lower=mean - half, ci_upper=mean + half, level=level)
