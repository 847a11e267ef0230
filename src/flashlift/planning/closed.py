"""Why an item could not run at all."""

from __future__ import annotations

import numpy as np
import polars as pl

from flashlift.domain import Campaign
from flashlift.planning.steps import steps
from flashlift.planning.stock import saleable
from flashlift.planning.windows import windows

__all__ = ["closed_by"]


def closed_by(campaign: Campaign, items: pl.DataFrame, row: int) -> str:
    """The limits that shut out every price of an item, alone or together; else no stock, no price, or no demand.

    Args:
        campaign: slots, ladder and limits.
        items: table SaleItems.
        row: of the item.
    """
    if not saleable(campaign, items)[row] > 0.0:
        return "there is no stock of it to sell"
    price, exists = (part[row] for part in steps(campaign, items, np.ones(items.height), forbidden=True))
    price = price[exists.any(axis=1)]
    if not price.size:
        return "no step of the ladder makes a price below its list price"
    left = np.ones((price.size, len(campaign.slots)), dtype=bool)
    names = []
    for window in windows(campaign, items):
        kept = window.keeps(np.full(price.size, row), price)[:, None]
        if window.slots is not None:
            kept = kept | ~window.slots
        if not kept.all():
            names.append(window.name)
        left &= kept
    if left.any():
        return "too little demand is expected for it at any price"
    return f"what forbids it: {', '.join(dict.fromkeys(names))}"
