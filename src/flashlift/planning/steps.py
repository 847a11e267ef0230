"""The prices that items may run at: the steps of the ladder, and for a nominated item its own."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import Nominations
from flashlift.planning.nominated import nominated_price
from flashlift.planning.prices import sale_prices
from flashlift.planning.windows import windows
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["steps"]

BoolArray = npt.NDArray[np.bool_]


def steps(
    campaign: Campaign, items: pl.DataFrame, saleable: FloatArray, *, forbidden: bool = False
) -> tuple[FloatArray, BoolArray]:
    """Price of every item at every step, and in which slots stock and limits allow it.

    Where items are nominated there is a last step beside the ladder, the nominated price.

    Args:
        campaign: ladder, endings and limits.
        items: table SaleItems.
        saleable: units of each item that a sale may sell, (n_items,).
        forbidden: allow what only a limit forbids.

    Returns:
        Prices (n_items, n_steps), and whether the item may run so, (n_items, n_steps, n_slots).
    """
    price, exists = _beside_the_ladder(campaign, items)
    exists &= saleable[:, None] > 0.0
    every = np.arange(items.height)[:, None]
    several = []
    for window in () if forbidden else windows(campaign, items):
        kept = window.keeps(every, price)
        if window.slots is None:
            exists &= kept
        else:
            several.append((kept, window.slots))
    allowed = np.broadcast_to(
        exists[:, :, None], (*exists.shape, len(campaign.slots))
    )  # of no size until it is changed
    if several:
        allowed = allowed.copy()
    for kept, slots in several:
        allowed[:, :, slots] &= kept[:, :, None]
    return price, allowed


def _beside_the_ladder(campaign: Campaign, items: pl.DataFrame) -> tuple[FloatArray, BoolArray]:
    """Prices and whether they are any; the nominated price takes the place of a step of the ladder that is the same."""
    list_price = items[SaleItems.list_price.name].to_numpy().astype(np.float64)
    price, exists = sale_prices(list_price, sorted(set(campaign.ladder)), campaign.endings)
    if not any(isinstance(limit, Nominations) for limit in campaign.limits):
        return price, exists
    own = nominated_price(campaign, items)
    exists &= price != own[:, None]
    price = np.column_stack([price, np.where(np.isnan(own), list_price, own)])
    return price, np.column_stack([exists, own < list_price])
