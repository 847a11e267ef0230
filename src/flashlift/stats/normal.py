"""The normal distribution in intervals, and Student's t on its scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from flashlift.protocols import FloatArray

__all__ = ["NORMAL_90", "normal_score", "student_score"]

NORMAL_90 = 1.6448536269514722
"""Half the width of a 90 % interval, in standard errors: the normal quantile of 0.95."""

LEAST = 1e-300


def normal_score(t: npt.ArrayLike, degrees: npt.ArrayLike) -> FloatArray:
    """The z that is as far out in the normal distribution as t is in Student's; both broadcast, |z| at most 37.

    Sequential tests are made for normal statistics; on this scale they hold with few units, too (Jennison and
    Turnbull 2000, section 3.3, the significance level approach).
    """
    statistic = np.asarray(t, dtype=np.float64)
    beyond = np.where(np.isinf(degrees), ndtr(-np.abs(statistic)), stdtr(degrees, -np.abs(statistic)))
    return np.asarray(np.copysign(ndtri(np.maximum(beyond, LEAST)), statistic))


def student_score(z: npt.ArrayLike, degrees: npt.ArrayLike) -> FloatArray:
    """The t that is as far out as z >= 0, the inverse of `normal_score`; infinite where z is."""
    score = np.asarray(z, dtype=np.float64)
    beyond = np.maximum(ndtr(-score), LEAST)
    student = np.where(score > -ndtri(LEAST), np.inf, np.abs(stdtrit(degrees, beyond)))
    return np.where(np.isinf(degrees), score, student)
