"""Percentile bootstrap of any statistic over independent units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from flashlift.domain import Estimate
from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import IntArray, Progress, silent

__all__ = ["bootstrap"]

Array = npt.NDArray[Any]


def bootstrap(
    statistic: Callable[..., float],
    *samples: npt.ArrayLike,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    level: float = 0.9,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> Estimate:
    """Percentile interval of `statistic(*samples)` (Efron 1979).

    Rows of all samples are drawn together, so a statistic that compares two of them is bootstrapped in
    pairs: `bootstrap(lambda a, b: loss(a) - loss(b), a, b, rng=rng)`.

    Args:
        statistic: called with the resampled arrays in the order given; returns a finite number.
        samples: arrays of equal length, one row each.
        units: label of the unit that each row belongs to (n,); all rows of a unit are drawn together, because
            they depend on each other. Default: each row is a unit.
        n_resamples: number of resamples.
        level: probability that the interval claims.
        rng: source of the resamples.
        progress: told how many resamples are done.

    Raises:
        InputError: the arrays differ in length.
        InsufficientDataError: fewer than 2 units, or the statistic is undefined on the data or on a resample.
    """
    arrays = [np.asarray(sample) for sample in samples]
    labels = np.arange(len(arrays[0])) if units is None else np.asarray(units)
    if any(len(array) != len(labels) for array in arrays):
        raise InputError(f"Samples and units differ in length: {[len(a) for a in arrays]} and {len(labels)}.")
    rows, start, size = _rows_by_unit(labels)
    if len(start) < 2:
        raise InsufficientDataError(f"A bootstrap needs at least 2 units, and there are {len(start)}.")
    found = np.empty(n_resamples)
    for k in range(n_resamples):
        if k % 50 == 0:
            progress("bootstrap", k, n_resamples)
        drawn = rng.integers(len(start), size=len(start))
        index = drawn if units is None else rows[_expand(start[drawn], size[drawn])]
        found[k] = statistic(*(array[index] for array in arrays))
    progress("bootstrap", n_resamples, n_resamples)
    value = float(statistic(*arrays))
    if not (np.isfinite(found).all() and np.isfinite(value)):
        raise InsufficientDataError("The statistic is undefined on the data or on a resample of it. Add units.")
    lower, upper = np.quantile(found, [0.5 - level / 2.0, 0.5 + level / 2.0])
    return Estimate(value=value, ci_lower=float(lower), ci_upper=float(upper), level=level)


def _rows_by_unit(labels: Array) -> tuple[IntArray, IntArray, IntArray]:
    """Row numbers ordered by unit, and where each unit starts and how many rows it has."""
    _, inverse, size = np.unique(labels, return_inverse=True, return_counts=True)
    return np.argsort(inverse, kind="stable"), np.cumsum(size) - size, size


def _expand(start: IntArray, size: IntArray) -> IntArray:
    """All integers of the ranges [start, start + size), one range after the other."""
    begin = np.repeat(start - (np.cumsum(size) - size), size)
    return begin + np.arange(int(size.sum()))
