"""What of an item's stock a sale may sell."""

from __future__ import annotations

import numpy as np
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import StockReserve
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["saleable"]


def saleable(campaign: Campaign, items: pl.DataFrame) -> FloatArray:
    """Units of each item that quotas may add up to, (n_items,): stock less every reserve."""
    stock = items[SaleItems.stock.name].to_numpy().astype(np.float64)
    kept = np.zeros(len(stock))
    for limit in campaign.limits:
        if isinstance(limit, StockReserve):
            kept = np.maximum(kept, np.maximum(limit.units, np.ceil(limit.share * stock - 1e-9)))
    return np.maximum(stock - kept, 0.0)
