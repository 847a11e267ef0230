"""What is wrong with an offer by itself: its price tag, and the limits that look at one offer at a time.

Every comparison is one that NaN fails, as in `flashlift.planning.check_limits`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import timedelta

from flashlift.domain import Campaign, Offer, Slot
from flashlift.limits import (
    Blackout,
    Excluded,
    MarginFloor,
    Nominations,
    NotAboveCompetitor,
    PerCustomer,
    ReferencePrice,
    Rest,
    SellThrough,
)
from flashlift.planning.check_facts import ItemFacts
from flashlift.planning.finding import Broken, excess, number, place

__all__ = ["offer_broken", "tag_broken", "tag_reach"]

CENT = 0.01
ROUNDING = 1e-9


def tag_broken(offer: Offer, item: ItemFacts | None, campaign: Campaign) -> Iterator[Broken]:
    """The price is one: nominated, or a step of the ladder with the campaign's ending; below list price, as said."""
    price, where = number(offer.price), place(offer)
    most = min([number(limit.maximum) for limit in campaign.limits if isinstance(limit, PerCustomer)], default=None)
    if offer.per_customer is not None or most is not None:
        off = number(offer.per_customer) - (math.inf if most is None else most)
        if off != 0.0:
            yield Broken(limit="per customer", where=where, amount=_size(off), unit="units")
    low = excess(CENT, price, ROUNDING) if math.isfinite(price) else math.inf
    if low is not None:
        yield Broken(limit="price", where=where, amount=low, unit="currency")
    if not math.isfinite(price):
        return
    own = () if item is None else item.nominations
    off = _off_ending(price, None if own else campaign.price_ending)
    if not off <= ROUNDING * max(1.0, abs(price)):
        yield Broken(limit="price ending", where=where, amount=_size(off), unit="currency")
    if item is None:
        return
    away = max((_size(abs(price - number(one.price))) for one in own), default=0.0)
    if away > ROUNDING:
        yield Broken(limit="nominated", where=where, amount=away, unit="currency")
    if not own and any(isinstance(limit, Nominations) and limit.only for limit in campaign.limits):
        yield Broken(limit="nominated", where=where, amount=1.0, unit="offers")
    between = None if own else _off_ladder(price, item.list_price, campaign)
    if between is not None:
        yield Broken(limit="ladder", where=where, amount=between, unit="currency")
    if not price < item.list_price:
        yield Broken(limit="below list price", where=where, amount=price - item.list_price, unit="currency")
    wrong = number(offer.discount_frac) - (1.0 - price / item.list_price)
    if not abs(wrong) <= ROUNDING:
        yield Broken(limit="discount", where=where, amount=_size(wrong), unit="fraction")


def _size(amount: float) -> float:
    return amount if math.isfinite(amount) else math.inf


def _off_ending(price: float, ending: object) -> float:
    """Distance to the nearest price with an ending, or to the nearest cent where there is none."""
    if ending is None:
        return abs(price - round(price, 2))
    tails = [number(tail) for tail in (ending if isinstance(ending, tuple) else (ending,))]
    return min((abs(price - tail - round(price - tail)) for tail in tails if math.isfinite(tail)), default=math.inf)


def _off_ladder(price: float, list_price: float, campaign: Campaign) -> float | None:
    """Distance to the nearest step, where the rounding to cent and ending does not explain it.

    An ending may not round a price up beyond the smallest discount allowed.
    """
    steps = [list_price * (1.0 - step) for step in map(number, campaign.ladder) if 0.0 < step < 1.0]
    if not steps:
        return math.inf
    off = min(abs(step - price) for step in steps)
    if off <= tag_reach(campaign) and price <= max(steps) + CENT / 2 + ROUNDING:
        return None
    return off


def tag_reach(campaign: Campaign) -> float:
    """How far the price of a step may lie from the step: it is rounded first to the cent, then to the ending."""
    return (CENT / 2 if campaign.price_ending is None else 0.5 + CENT / 2) + ROUNDING


def offer_broken(
    limit: SellThrough | MarginFloor | Excluded | ReferencePrice | NotAboveCompetitor | Rest | Blackout,
    offer: Offer,
    item: ItemFacts | None,
    slot: Slot | None,
) -> Iterator[Broken]:
    """Whether an offer breaks a limit that concerns no other; unknown items and slots are named elsewhere."""
    if isinstance(limit, Excluded):
        if offer.item_id in limit.item_ids:
            yield Broken(limit="excluded", where=place(offer), amount=1.0, unit="offers")
    elif item is None:
        return
    elif not isinstance(limit, Rest | Blackout):
        yield from _priced(limit, offer, item)
    elif slot is not None:
        yield from _rest(limit, offer, item, slot) if isinstance(limit, Rest) else _blackout(limit, offer, item, slot)


def _priced(
    limit: SellThrough | MarginFloor | ReferencePrice | NotAboveCompetitor, offer: Offer, item: ItemFacts
) -> Iterator[Broken]:
    """Limits on the price and on what it sells."""
    price = number(offer.price)
    match limit:
        case SellThrough() if 0.0 < number(offer.quota) < math.inf:
            sold = number(offer.expected_units) / number(offer.quota)
            short = excess(number(limit.minimum_frac), sold, 1e-6)
            if short is not None:
                yield Broken(limit="sell-through", where=place(offer), amount=short, unit="fraction")
        case MarginFloor() if 0.0 < price < math.inf:  # else named already, and no share of it means anything
            margin, slack = (price - item.unit_cost) / price, 2.0 * ROUNDING * max(1.0, 1.0 / price)
            short = excess(number(limit.margin_frac), margin, slack)
            if short is not None:
                yield Broken(limit="margin floor", where=place(offer), amount=short, unit="fraction")
        case ReferencePrice() if 0.0 < price < math.inf:
            yield from _reference(limit, offer, item, price)
        case NotAboveCompetitor() if not math.isnan(item.competitor_price):
            over = excess(price, item.competitor_price, 2.0 * ROUNDING)
            if over is not None:
                yield Broken(limit="competitor", where=place(offer), amount=over, unit="currency")


def _blackout(limit: Blackout, offer: Offer, item: ItemFacts, slot: Slot) -> Iterator[Broken]:
    hours = (min(slot.end, limit.end) - max(slot.start, limit.start)) / timedelta(hours=1)
    if hours > 0.0 and _concerns(limit, offer, item):
        yield Broken(limit="blackout", where=place(offer), amount=hours, unit="hours")


def _reference(limit: ReferencePrice, offer: Offer, item: ItemFacts, price: float) -> Iterator[Broken]:
    """The reduction that may be announced lies in its range; without a reference it is no number."""
    if math.isnan(item.reference_price) and limit.unknown_may_run:
        return
    reduction = 1.0 - price / item.reference_price
    slack = 2.0 * ROUNDING * max(1.0, 1.0 / item.reference_price)
    for wrong in (number(limit.minimum_frac) - reduction, reduction - number(limit.maximum_frac)):
        over = excess(wrong, 0.0, slack)
        if over is not None:
            yield Broken(limit="reference price", where=place(offer), amount=over, unit="fraction")


def _rest(limit: Rest, offer: Offer, item: ItemFacts, slot: Slot) -> Iterator[Broken]:
    """Hours missing to the nearer one of the sales before and after."""
    pauses = []
    if item.last_sale_end is not None:
        pauses.append(slot.start - item.last_sale_end)
    if item.next_sale_start is not None:
        pauses.append(item.next_sale_start - slot.end)
    if pauses:
        short = excess(number(limit.hours), min(pauses) / timedelta(hours=1), ROUNDING * max(1.0, number(limit.hours)))
        if short is not None:
            yield Broken(limit="rest", where=place(offer), amount=short, unit="hours")


def _concerns(limit: Blackout, offer: Offer, item: ItemFacts) -> bool:
    """Whether the window is closed to the item; to all where it names none."""
    if limit.category is None:
        return offer.item_id in limit.item_ids or not limit.item_ids
    path = limit.category.split("/")
    return offer.item_id in limit.item_ids or item.category.split("/")[: len(path)] == path
