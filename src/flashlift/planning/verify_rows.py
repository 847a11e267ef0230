"""The rows of a campaign's limits, read from the campaign and the items for a certificate's proof.

Written once more for `flashlift.planning.verify`, which may not trust the rows that the planner had.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import (
    AlwaysTogether,
    BrandCount,
    Budget,
    CategoryCount,
    FunderBudget,
    MaxChange,
    NeverTogether,
    Pinned,
)
from flashlift.planning.check_facts import free_stock, nominations_of
from flashlift.planning.check_limits import penalty_of
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["Row", "Weight", "rows", "stock_rows"]

Weight = Literal["offers", "discount", "quota"]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row: the sum over chosen offers of `takes` x weight is at most (`upper`), or at least, the bound.

    Args:
        name: as the planner calls it.
        bound: right-hand side.
        takes: coefficient of each item, (n_items,).
        slots: slots whose offers it counts, (n_slots,).
        upper: which side is bounded.
        weight: what it counts of an offer.
        penalty: what a unit beyond the bound costs; None: it may not be broken.
    """

    name: str
    bound: float
    takes: FloatArray
    slots: BoolArray
    upper: bool = True
    weight: Weight = "offers"
    penalty: float | None = None


def rows(campaign: Campaign, items: pl.DataFrame) -> Iterator[Row]:
    """All rows that tie items together; stock is asked for by name (`stock_rows`)."""
    every = np.ones(items.height)
    for slot, here in zip(campaign.slots, _each(campaign), strict=True):
        yield Row(name=f"positions[{slot.slot_id}]", bound=slot.positions, takes=every, slots=here)
    for limit in campaign.limits:
        match limit:
            case CategoryCount():
                path = limit.category.split("/")
                below = [str(name or "").split("/")[: len(path)] == path for name in items[SaleItems.category.name]]
                yield from _counted(f"category[{limit.category}", limit, campaign, np.array(below, dtype=np.float64))
            case BrandCount():
                mine = _among(items, SaleItems.brand.name, [limit.brand])
                yield from _counted(f"brand[{limit.brand}", limit, campaign, mine)
            case Pinned():
                place = "" if limit.slot_id is None else f", {limit.slot_id}"
                here = np.array([limit.slot_id in {None, slot.slot_id} for slot in campaign.slots], dtype=bool)
                takes = _among(items, SaleItems.item_id.name, [limit.item_id])
                name = f"pinned[{limit.item_id}{place}]"
                yield Row(name=name, bound=1.0, takes=takes, slots=here, upper=False)
            case NeverTogether():
                takes = _among(items, SaleItems.item_id.name, limit.item_ids)
                for slot in campaign.slots:
                    live = np.array([other.start <= slot.start < other.end for other in campaign.slots], dtype=bool)
                    name = f"never together[{', '.join(limit.item_ids)}; {slot.slot_id}]"
                    yield Row(name=name, bound=1.0, takes=takes, slots=live)
            case AlwaysTogether():
                yield from _always(limit, campaign, items)
            case MaxChange() | FunderBudget() | Budget():
                yield from _whole(limit, campaign, items)
            case _:
                pass  # how often an item appears is in the schedules, and what may run is in the table


def _whole(limit: MaxChange | FunderBudget | Budget, campaign: Campaign, items: pl.DataFrame) -> Iterator[Row]:
    """Rows over the whole campaign."""
    every, always, penalty = np.ones(items.height), np.ones(len(campaign.slots), dtype=bool), penalty_of(limit)
    match limit:
        case MaxChange():
            old = _among(items, SaleItems.item_id.name, limit.item_ids)
            yield Row(name="change[kept]", bound=limit.kept, takes=old, slots=always, upper=False, penalty=penalty)
            if limit.new is not None:
                yield Row(name="change[new]", bound=limit.new, takes=1.0 - old, slots=always, penalty=penalty)
        case FunderBudget():
            takes, name = _paid_by(limit, items), f"budget[{limit.funder}]"
            yield Row(name=name, bound=limit.amount, takes=takes, slots=always, weight="discount", penalty=penalty)
        case Budget():
            takes = every - _paid_by_others(campaign, items)
            yield Row(name="budget", bound=limit.amount, takes=takes, slots=always, weight="discount", penalty=penalty)


def _paid_by_others(campaign: Campaign, items: pl.DataFrame) -> FloatArray:
    """Share of each item's discount that sellers and funders pay, (n_items,)."""
    ids, nominated = items[SaleItems.item_id.name], nominations_of(campaign)
    share = np.array([sum(one.funding_frac for one in nominated.get(item, ())) for item in ids], dtype=np.float64)
    for limit in campaign.limits:
        if isinstance(limit, FunderBudget):
            share += _paid_by(limit, items)
    return share


def _paid_by(limit: FunderBudget, items: pl.DataFrame) -> FloatArray:
    """Share of each item's discount that a funder pays, (n_items,)."""
    mine = _among(items, SaleItems.item_id.name, limit.item_ids)
    if limit.brand is not None:
        mine = np.maximum(mine, _among(items, SaleItems.brand.name, [limit.brand]))
    return limit.share * mine


def stock_rows(campaign: Campaign, items: pl.DataFrame, names: Collection[str]) -> Iterator[Row]:
    """Quotas of one item within its stock less the reserve and what was nominated: those rows that are named."""
    always, nominated = np.ones(len(campaign.slots), dtype=bool), nominations_of(campaign)
    for k, item in enumerate(items[SaleItems.item_id.name]):
        if f"stock[{item}]" in names:
            stock = free_stock(float(items[SaleItems.stock.name][k]), nominated.get(item, ()), campaign)
            takes = np.zeros(items.height)
            takes[k] = 1.0
            yield Row(name=f"stock[{item}]", bound=stock, takes=takes, slots=always, weight="quota")


def _each(campaign: Campaign) -> BoolArray:
    """Every slot by itself, (n_slots, n_slots)."""
    return np.eye(len(campaign.slots), dtype=bool)


def _among(items: pl.DataFrame, column: str, names: Collection[str]) -> FloatArray:
    inside: FloatArray = items[column].is_in(list(names)).fill_null(value=False).to_numpy().astype(np.float64)
    return inside


def _counted(name: str, limit: CategoryCount | BrandCount, campaign: Campaign, takes: FloatArray) -> Iterator[Row]:
    places: Sequence[tuple[str, BoolArray]] = [("", np.ones(len(campaign.slots), dtype=bool))]
    if limit.per_slot:
        places = [(f", {slot.slot_id}", here) for slot, here in zip(campaign.slots, _each(campaign), strict=True)]
    penalty = penalty_of(limit)
    for place, here in places:
        least, most = f"{name}{place}] minimum", f"{name}{place}] maximum"
        yield Row(name=least, bound=limit.minimum, takes=takes, slots=here, upper=False, penalty=penalty)
        if limit.maximum is not None:
            yield Row(name=most, bound=limit.maximum, takes=takes, slots=here, penalty=penalty)


def _always(limit: AlwaysTogether, campaign: Campaign, items: pl.DataFrame) -> Iterator[Row]:
    """Around the set: an item less the next one, in each slot."""
    ids = list(dict.fromkeys(limit.item_ids))
    for one, other in pairwise([*ids, ids[0]]):
        takes = _among(items, SaleItems.item_id.name, [one]) - _among(items, SaleItems.item_id.name, [other])
        for slot, here in zip(campaign.slots, _each(campaign), strict=True):
            yield Row(name=f"always together[{one} with {other}; {slot.slot_id}]", bound=0.0, takes=takes, slots=here)
