"""The limits that judge an offer by itself, as windows of prices for each item, in all slots or in some.

An offer keeps a window where its price lies within it, or where the window does not hold in its slot. So everything
that may not run is known before any of it is valued, and takes no row of the programme.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Campaign, Slot
from flashlift.limits import (
    Blackout,
    Excluded,
    MarginFloor,
    Nominations,
    NotAboveCompetitor,
    Pinned,
    ReferencePrice,
    Rest,
)
from flashlift.planning.nominated import nominated_price
from flashlift.planning.prices import sale_prices
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import SaleFacts, SaleItems

__all__ = ["Window", "in_category", "known", "windows"]

BoolArray = npt.NDArray[np.bool_]
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Prices that a limit leaves to each item.

    Args:
        name: of the limit.
        low: least price, (n_items,).
        high: largest price, (n_items,).
        slots: where it holds, (n_slots,); None: everywhere.
    """

    name: str
    low: FloatArray
    high: FloatArray
    slots: BoolArray | None = None

    def keeps(self, item: IntArray, price: FloatArray) -> BoolArray:
        """Whether offers keep it in a slot where it holds; `item` and `price` of one shape, or that broadcast."""
        return np.asarray((price >= self.low[item]) & (price <= self.high[item]))

    def breaks(self, item: IntArray, slot: IntArray, price: FloatArray) -> BoolArray:
        """Whether offers break it, (n,)."""
        broken = ~self.keeps(item, price)
        return broken if self.slots is None else broken & self.slots[slot]


def windows(campaign: Campaign, items: pl.DataFrame) -> Iterator[Window]:
    """All windows of the campaign, in the order of its limits.

    Args:
        campaign: slots, ladder and limits.
        items: table SaleItems.
    """
    for limit in campaign.limits:
        match limit:
            case MarginFloor():
                yield _prices("margin floor", _cost_floor(limit, items), np.full(items.height, np.inf))
            case ReferencePrice():
                yield _reference(limit, items)
            case NotAboveCompetitor():
                yield _prices(
                    "competitor", np.zeros(items.height), known(items, SaleFacts.competitor_price.name, np.inf)
                )
            case Nominations():
                yield _nominated(limit, campaign, items)
            case Excluded():
                yield _closed("excluded", _listed(items, limit.item_ids), None)
            case Rest():
                yield from _rests(limit, campaign, items)
            case Blackout():
                yield _closed("blackout", _dark(limit, items), _overlap(limit, campaign.slots))
            case Pinned(discount_frac=float(step)):
                yield _at_step(limit, step, campaign, items)


def in_category(items: pl.DataFrame, category: str) -> BoolArray:
    """Which items are of the category or below it, (n_items,)."""
    path = pl.col(SaleItems.category.name)
    below = (path == category) | path.str.starts_with(f"{category}/")
    inside: BoolArray = items.select(below.fill_null(value=False)).to_series().to_numpy()
    return inside


def _prices(name: str, low: FloatArray, high: FloatArray) -> Window:
    return Window(name=name, low=low - ROUNDING, high=high + ROUNDING)


def _closed(name: str, shut: BoolArray, slots: BoolArray | None) -> Window:
    """No price at all for some items."""
    return Window(name=name, low=np.where(shut, np.inf, -np.inf), high=np.full(len(shut), np.inf), slots=slots)


def _cost_floor(limit: MarginFloor, items: pl.DataFrame) -> FloatArray:
    """Least price at which (price - cost) / price reaches the margin; a margin of 1 leaves only what costs nothing."""
    cost = items[SaleItems.unit_cost.name].to_numpy().astype(np.float64)
    if limit.margin_frac < 1.0:
        return np.asarray((cost - ROUNDING) / (1.0 - limit.margin_frac))
    return np.where((cost > 0.0) | (limit.margin_frac > 1.0), np.inf, 0.0)


def _reference(limit: ReferencePrice, items: pl.DataFrame) -> Window:
    """What is unknown is nan, which no price keeps."""
    reference = known(items, SaleFacts.reference_price.name, np.nan)
    low, high = reference * (1.0 - limit.maximum_frac), reference * (1.0 - limit.minimum_frac)
    if limit.unknown_may_run:
        low, high = np.nan_to_num(low, nan=0.0), np.nan_to_num(high, nan=np.inf)
    return _prices("reference price", low, high)


def known(items: pl.DataFrame, name: str, unknown: float) -> FloatArray:
    """A column of SaleFacts that the table may lack, (n_items,); `unknown` where it is absent or null."""
    if name not in items.columns:
        return np.full(items.height, unknown)
    return items[name].cast(pl.Float64).fill_null(unknown).to_numpy()


def _nominated(limit: Nominations, campaign: Campaign, items: pl.DataFrame) -> Window:
    """Nominated items at their price; the others at any, or none where only nominated ones may run."""
    price = nominated_price(campaign, items)
    low = np.nan_to_num(price, nan=np.inf if limit.only else 0.0)
    return _prices("nominated", low, np.nan_to_num(price, nan=np.inf))


def _listed(items: pl.DataFrame, item_ids: Sequence[str]) -> BoolArray:
    listed: BoolArray = items[SaleItems.item_id.name].is_in(list(item_ids)).to_numpy()
    return listed


def _dark(limit: Blackout, items: pl.DataFrame) -> BoolArray:
    if not limit.item_ids and limit.category is None:
        return np.ones(items.height, dtype=bool)
    dark = _listed(items, limit.item_ids)
    return dark if limit.category is None else dark | in_category(items, limit.category)


def _rests(limit: Rest, campaign: Campaign, items: pl.DataFrame) -> Iterator[Window]:
    """Each slot that comes too near to another sale of some items is closed to them."""
    last = _moment(items, SaleFacts.last_sale_end.name, -np.inf)
    following = _moment(items, SaleFacts.next_sale_start.name, np.inf)
    pause = 3600.0 * limit.hours
    for k, slot in enumerate(campaign.slots):
        early = slot.start.timestamp() < last + pause - ROUNDING * pause
        late = slot.end.timestamp() > following - pause + ROUNDING * pause
        if (early | late).any():
            yield _closed("rest", early | late, np.arange(len(campaign.slots)) == k)


def _moment(items: pl.DataFrame, name: str, unknown: float) -> FloatArray:
    """Seconds since 1970 of a column that the table may lack, (n_items,)."""
    if name not in items.columns:
        return np.full(items.height, unknown)
    return (items[name].dt.epoch("us").cast(pl.Float64) / 1e6).fill_null(unknown).to_numpy()


def _overlap(limit: Blackout, slots: Sequence[Slot]) -> BoolArray:
    return np.array([slot.start < limit.end and limit.start < slot.end for slot in slots], dtype=bool)


def _at_step(limit: Pinned, step: float, campaign: Campaign, items: pl.DataFrame) -> Window:
    """The pinned item at one price; every other at any."""
    ladder = sorted(set(campaign.ladder))
    mine = _listed(items, [limit.item_id])
    prices, _ = sale_prices(items[SaleItems.list_price.name].to_numpy(), ladder, campaign.endings)
    price = prices[:, int(np.abs(np.array(ladder) - step).argmin())]
    slots = None if limit.slot_id is None else np.array([slot.slot_id == limit.slot_id for slot in campaign.slots])
    return Window(
        name=f"pinned[{limit.item_id}] discount",
        low=np.where(mine, price - ROUNDING, -np.inf),
        high=np.where(mine, price + ROUNDING, np.inf),
        slots=slots,
    )
