"""What of an item's stock a sale may sell, and an offer of it."""

from __future__ import annotations

import numpy as np
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import StockReserve
from flashlift.planning.nominated import nominated_stock
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["quotas", "saleable"]


def saleable(campaign: Campaign, items: pl.DataFrame) -> FloatArray:
    """Units of each item that quotas may add up to, (n_items,): stock less every reserve, at most what is nominated."""
    stock = items[SaleItems.stock.name].to_numpy().astype(np.float64)
    kept = np.zeros(len(stock))
    for limit in campaign.limits:
        if isinstance(limit, StockReserve):
            kept = np.maximum(kept, np.maximum(limit.units, np.ceil(limit.share * stock - 1e-9)))
    return np.minimum(np.maximum(stock - kept, 0.0), nominated_stock(campaign, items))


def quotas(wanted: FloatArray, quantile: float, stock: FloatArray) -> IntArray:
    """Quota of each offer, (n,): a quantile of the units wanted, rounded up, within what may be sold.

    Args:
        wanted: units in each draw, (n, n_draws).
        quantile: the smallest draw with at least this share of draws at or below it.
        stock: units that may be sold, (n,).
    """
    if not len(wanted):
        return np.zeros(0, dtype=np.int64)
    rank = min(max(int(np.ceil(quantile * wanted.shape[1] - 1e-9)) - 1, 0), wanted.shape[1] - 1)
    units = np.partition(wanted, rank, axis=1)[:, rank]
    return np.minimum(np.ceil(units - 1e-9), stock).astype(np.int64)
