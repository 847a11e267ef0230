"""A switchback over the windows of the sale: the same hour of two days is a pair, of which a coin treats one."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import DAYS, HOURS, Measured
from flashlift.protocols import FloatArray

__all__ = ["assign", "paired"]


def assign(rng: np.random.Generator) -> FloatArray:
    """1 where the window is treated, else 0, (n_slots,), days first: in each pair of days one of the two."""
    coin = rng.integers(2, size=(len(DAYS) // 2, len(HOURS)))
    return np.stack([coin, 1 - coin], axis=1).reshape(-1).astype(np.float64)


def paired(revenue: FloatArray, treated: FloatArray) -> Measured:
    """Analyze pairs of windows; the effect is stated for all windows.

    Args:
        revenue: of each window, (n_slots, n_futures).
        treated: as `assign` gave it.
    """
    signed = (revenue * (2.0 * treated - 1.0)[:, None]).reshape(len(DAYS) // 2, 2, len(HOURS), -1)
    difference = signed.sum(axis=1).reshape(-1, revenue.shape[1])
    return Measured.of_differences(difference, scale=float(len(revenue)))
