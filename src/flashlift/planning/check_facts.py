"""The raw tables as the checker reads them: what is ambiguous or no number is not known, and nothing is trusted."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import polars as pl

from flashlift.domain import Campaign, Offer, Slot
from flashlift.limits import FunderBudget, Nomination, Nominations, StockReserve
from flashlift.planning.finding import number
from flashlift.schema import SaleFacts, SaleItems

__all__ = ["Facts", "ItemFacts", "can_run", "free_stock", "nominations_of", "paying_share", "read_facts"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemFacts:
    """The raw row of an item; `row` counts the items table from 0, and what the table lacks is nan or None.

    `nominations` are those of the item, and `funded` is the share of its discount that others pay.
    `units_per_purchase` is 1 where it is not known.
    """

    row: int
    category: str
    brand: str | None
    list_price: float
    unit_cost: float
    stock: float
    reference_price: float
    next_sale_units: float
    units_per_purchase: float
    competitor_price: float
    last_sale_end: datetime | None
    next_sale_start: datetime | None
    nominations: Sequence[Nomination]
    funded: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What is known beside the plan itself.

    Args:
        items: items named by the offers, by id. Left out: items that the table lacks or lists twice, or without a
            positive list price, a unit cost and a stock.
        slots: slots of the campaign and their index, by id. Left out: ids used twice, and windows that do not end
            after they start or have no time zone.
    """

    items: Mapping[str, ItemFacts]
    slots: Mapping[str, tuple[int, Slot]]


def read_facts(offers: Sequence[Offer], campaign: Campaign, items: pl.DataFrame) -> Facts:
    """Look up what the offers name.

    Args:
        offers: offers of the plan.
        campaign: for the slots, the nominations and who pays for discounts.
        items: table SaleItems.
    """
    return Facts(items=_items(offers, campaign, items), slots=_slots(campaign))


def can_run(offer: Offer, facts: Facts) -> bool:
    """Whether the offer is one at all: a known item and slot, a positive price below list price, a positive quota."""
    if not (_known(offer.item_id, facts.items) and _known(offer.slot_id, facts.slots)):
        return False
    price, quota = number(offer.price), number(offer.quota)
    return 0.0 < price < facts.items[offer.item_id].list_price and 0.0 < quota < math.inf


def free_stock(stock: float, nominations: Sequence[Nomination], campaign: Campaign) -> float:
    """Units that quotas of an item may add up to; nan where a reserve or a nominated stock is no number.

    They are its stock less the largest reserve, and at most what was nominated.
    """
    kept, most = [0.0], [number(one.stock) for one in nominations]
    for limit in campaign.limits:
        if isinstance(limit, StockReserve):
            kept += [number(limit.units), number(limit.share) * stock]
    if not all(math.isfinite(one) for one in [*kept, *most]):
        return math.nan
    return min([max(stock - math.ceil(max(kept) - 1e-9), 0.0), *most])


def nominations_of(campaign: Campaign) -> Mapping[str, Sequence[Nomination]]:
    """Nominations of each nominated item; a sound campaign has one of an item."""
    found: dict[str, list[Nomination]] = defaultdict(list)
    for limit in campaign.limits:
        for one in limit.offers if isinstance(limit, Nominations) else ():
            found[one.item_id].append(one)
    return found


def paying_share(limit: FunderBudget, item_id: str, brand: str | None) -> float:
    """Share of an item's discount that a funder pays."""
    mine = item_id in limit.item_ids or (limit.brand is not None and brand == limit.brand)
    return number(limit.share) if mine else 0.0


def _known(name: object, names: Mapping[str, Any]) -> bool:
    return isinstance(name, str) and name in names


def _items(offers: Sequence[Offer], campaign: Campaign, items: pl.DataFrame) -> dict[str, ItemFacts]:
    key = SaleItems.item_id.name
    wanted = sorted({offer.item_id for offer in offers if isinstance(offer.item_id, str)})
    rows = list(items.with_row_index("_row").filter(pl.col(key).is_in(wanted)).iter_rows(named=True))
    times = Counter(row[key] for row in rows)
    nominated = nominations_of(campaign)
    funders = [limit for limit in campaign.limits if isinstance(limit, FunderBudget)]
    known = {}
    for row in rows:
        mine, brand = nominated.get(row[key], ()), row[SaleItems.brand.name]
        shares = [*(number(one.funding_frac) for one in mine), *(paying_share(f, row[key], brand) for f in funders)]
        facts = ItemFacts(
            row=row["_row"],
            category=row[SaleItems.category.name] or "",
            brand=brand,
            list_price=number(row[SaleItems.list_price.name]),
            unit_cost=number(row[SaleItems.unit_cost.name]),
            stock=number(row[SaleItems.stock.name]),
            next_sale_units=number(row.get(SaleFacts.next_sale_units.name)),
            units_per_purchase=_size(row.get(SaleFacts.units_per_purchase.name)),
            reference_price=number(row.get(SaleFacts.reference_price.name)),
            competitor_price=number(row.get(SaleFacts.competitor_price.name)),
            last_sale_end=row.get(SaleFacts.last_sale_end.name),
            next_sale_start=row.get(SaleFacts.next_sale_start.name),
            nominations=mine,
            funded=sum(shares),
        )
        if times[row[key]] == 1 and _sound(facts):
            known[row[key]] = facts
    return known


def _size(value: object) -> float:
    size = number(value)
    return size if 1.0 <= size < math.inf else 1.0


def _sound(facts: ItemFacts) -> bool:
    return 0.0 < facts.list_price < math.inf and 0.0 <= facts.unit_cost < math.inf and 0.0 <= facts.stock < math.inf


def _slots(campaign: Campaign) -> dict[str, tuple[int, Slot]]:
    times = Counter(slot.slot_id for slot in campaign.slots)
    return {
        slot.slot_id: (i, slot)
        for i, slot in enumerate(campaign.slots)
        if times[slot.slot_id] == 1 and _zoned(slot.start) and _zoned(slot.end) and slot.start < slot.end
    }


def _zoned(at: datetime) -> bool:
    return at.tzinfo is not None
