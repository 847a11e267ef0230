"""A switchback over the windows of the sale, as it is usually analyzed: a coin treats one window of each pair."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import DAYS, HOURS, Measured, Sale, returned
from flashlift.protocols import FloatArray

__all__ = ["assign", "kept", "paired", "wanted_in"]


def assign(rng: np.random.Generator) -> FloatArray:
    """1 where the window is treated, else 0, (n_slots,), days first: in each pair of days one of the two."""
    coin = rng.integers(2, size=(len(DAYS) // 2, len(HOURS)))
    return np.stack([coin, 1 - coin], axis=1).reshape(-1).astype(np.float64)


def wanted_in(sale: Sale, treated: FloatArray, future: int) -> FloatArray:
    """Units wanted in each window at its price, (n_deals, n_slots)."""
    low, high = (sale.block.wanted[cut][:, :, future] for cut in sale.arms)
    return np.where(treated > 0.0, high, low)


def kept(sale: Sale, units: FloatArray, treated: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Net revenue of units sold (n_deals, n_slots), those kept for good; `treated` broadcasts to the same shape."""
    on = np.broadcast_to(treated, units.shape) > 0.0
    low, high = (sale.block.price(cut)[:, None] for cut in sale.arms)
    back = np.where(on, returned(sale.treatment), returned(sale.control))
    return np.asarray(rng.binomial(units.astype(np.int64), 1.0 - back) * np.where(on, high, low))


def paired(revenue: FloatArray, treated: FloatArray) -> Measured:
    """Analyze pairs of windows; the effect is stated for all windows.

    Args:
        revenue: of each window, (n_slots, n_futures).
        treated: 1 where the window was treated, (n_slots, n_futures).
    """
    signed = (revenue * (2.0 * treated - 1.0)).reshape(len(DAYS) // 2, 2, len(HOURS), -1)
    difference = signed.sum(axis=1).reshape(-1, revenue.shape[1])
    return Measured.of_differences(difference, scale=float(len(revenue)))
