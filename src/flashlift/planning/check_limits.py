"""Which limits a list of offers breaks, where, and by how much: from the offers as written and the raw tables alone.

Every comparison is one that NaN fails, so a figure that is no number keeps no limit, and a limit that is no number is
kept by no plan.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import combinations
from typing import Any

from flashlift.domain import Campaign, Offer, Slot
from flashlift.limits import Appearances, Budget, CategoryCount, Excluded, MarginFloor
from flashlift.planning.check_facts import Facts, ItemFacts
from flashlift.planning.finding import Broken, excess, number, place

__all__ = ["budget_broken", "limits_broken"]

CENT = 0.01
ROUNDING = 1e-9


def limits_broken(offers: Sequence[Offer], campaign: Campaign, facts: Facts) -> list[Broken]:
    """Every limit that the offers break; a budget is judged on the units that the offers state.

    Offers of unknown items or slots still take positions and count as appearances.
    """
    broken = [
        *_strangers(offers, facts),
        *(b for offer in offers for b in _tag(offer, campaign, facts)),
        *_quotas(offers, facts),
        *_places(offers, facts),
        *_one_price(offers, facts),
    ]
    for limit in campaign.limits:
        broken += _limit(limit, offers, facts)
    return broken


def budget_broken(spent: float, limit: Budget, where: str, tolerance: float = 0.0) -> Iterator[Broken]:
    """The budget, where `spent` is above it by more than rounding and `tolerance`, in shop currency."""
    most = number(limit.amount)
    over = excess(spent, most, tolerance + 1e-6 * max(1.0, abs(most)))
    if over is not None:
        yield Broken(limit="budget", where=where, amount=over, unit="currency")


def _strangers(offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    for offer in offers:
        if _item(offer, facts) is None:
            yield Broken(limit="known item", where=place(offer), amount=1.0, unit="offers")
        if _slot(offer, facts) is None:
            yield Broken(limit="known slot", where=place(offer), amount=1.0, unit="offers")


def _item(offer: Offer, facts: Facts) -> ItemFacts | None:
    return facts.items.get(offer.item_id) if isinstance(offer.item_id, str) else None


def _slot(offer: Offer, facts: Facts) -> Slot | None:
    return facts.slots[offer.slot_id][1] if isinstance(offer.slot_id, str) and offer.slot_id in facts.slots else None


def _tag(offer: Offer, campaign: Campaign, facts: Facts) -> Iterator[Broken]:
    """The price is one: a step of the ladder, with the campaign's ending, below list price, with the discount said."""
    price, where = number(offer.price), place(offer)
    low = excess(CENT, price, ROUNDING) if math.isfinite(price) else math.inf
    if low is not None:
        yield Broken(limit="price", where=where, amount=low, unit="currency")
    if not math.isfinite(price):
        return
    off = _off_ending(price, campaign.price_ending)
    if not off <= ROUNDING * max(1.0, abs(price)):
        yield Broken(limit="price ending", where=where, amount=_size(off), unit="currency")
    item = _item(offer, facts)
    if item is None:
        return
    between = _off_ladder(price, item.list_price, campaign)
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
    """Distance to the nearest price with the ending, or to the nearest cent where there is none."""
    if ending is None:
        return abs(price - round(price, 2))
    tail = number(ending)
    return abs(price - tail - round(price - tail)) if math.isfinite(tail) else math.inf


def _off_ladder(price: float, list_price: float, campaign: Campaign) -> float | None:
    """Distance to the nearest step, where the rounding to cent and ending does not explain it.

    An ending may not round a price up beyond the smallest discount allowed.
    """
    steps = [list_price * (1.0 - step) for step in map(number, campaign.ladder) if 0.0 < step < 1.0]
    if not steps:
        return math.inf
    off = min(abs(step - price) for step in steps)
    reach = CENT / 2 if campaign.price_ending is None else 0.5 + CENT / 2  # first to the cent, then to the ending
    if off <= reach + ROUNDING and price <= max(steps) + CENT / 2 + ROUNDING:
        return None
    return off


def _quotas(offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    """Whole positive quotas, together within the stock; a negative quota makes no room for another."""
    total: dict[str, float] = defaultdict(float)
    for offer in offers:
        quota = number(offer.quota)
        if not math.isfinite(quota):
            yield Broken(limit="quota", where=place(offer), amount=math.inf, unit="units")
            continue
        wrong = 1.0 - quota if quota < 1.0 else abs(quota - round(quota))
        if wrong > 0.0:
            yield Broken(limit="quota", where=place(offer), amount=wrong, unit="units")
        if _item(offer, facts) is not None:
            total[offer.item_id] += max(quota, 0.0)
    for item_id, taken in total.items():
        over = excess(taken, facts.items[item_id].stock, ROUNDING)
        if over is not None:
            yield Broken(limit="stock", where=item_id, amount=over, unit="units")


def _places(offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    """Positions of every slot, and no offer listed twice."""
    taken = Counter(offer.slot_id for offer in offers if _slot(offer, facts) is not None)
    for slot_id, (_, slot) in facts.slots.items():
        over = excess(taken[slot_id], number(slot.positions))
        if over is not None:
            yield Broken(limit="positions", where=slot_id, amount=over, unit="offers")
    times = Counter(_identity(offer) for offer in offers)
    for offer in offers:
        again = times.pop(_identity(offer), 1) - 1
        if again:
            yield Broken(limit="listed twice", where=place(offer), amount=float(again), unit="offers")


def _identity(offer: Offer) -> str:
    return repr((offer.item_id, offer.slot_id, offer.price))


def _one_price(offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    for one, a, other, b in _pairs(offers, facts):
        if a.start < b.end and b.start < a.end and _identity(one) != _identity(other):
            yield Broken(limit="one price", where=_both(one, other), amount=1.0, unit="offers")


def _pairs(offers: Sequence[Offer], facts: Facts) -> Iterator[tuple[Offer, Slot, Offer, Slot]]:
    """Offers of the same item in known slots, two by two, the earlier first."""
    by_item: dict[str, list[tuple[Offer, Slot]]] = defaultdict(list)
    for offer in offers:
        slot = _slot(offer, facts)
        if slot is not None:
            by_item[str(offer.item_id)].append((offer, slot))
    for same in by_item.values():
        for (one, a), (other, b) in combinations(sorted(same, key=lambda pair: pair[1].start), 2):
            yield one, a, other, b


def _both(one: Offer, other: Offer) -> str:
    return f"{one.item_id} in {one.slot_id} and {other.slot_id}"


def _limit(limit: Any, offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    match limit:
        case CategoryCount() if limit.category:
            yield from _category(limit, offers, facts)
        case Budget():
            yield from budget_broken(_stated_cost(offers, facts), limit, "campaign, as stated")
        case MarginFloor():
            yield from _margin_floor(limit, offers, facts)
        case Appearances():
            yield from _appearances(limit, offers, facts)
        case Excluded():
            for offer in offers:
                if offer.item_id in limit.item_ids:
                    yield Broken(limit="excluded", where=place(offer), amount=1.0, unit="offers")
        case _:  # a kind that is new here, or a category without a name: not understood is not kept
            yield Broken(limit="known limit", where=str(limit), amount=1.0, unit="limits")


def _category(limit: CategoryCount, offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    path = limit.category.split("/")
    inside = [
        offer
        for offer in offers
        if (item := _item(offer, facts)) is not None and item.category.split("/")[: len(path)] == path
    ]
    places: list[tuple[str, list[Offer]]] = [("campaign", inside)]
    if limit.per_slot:
        places = [(name, [offer for offer in inside if offer.slot_id == name]) for name in facts.slots]
    for where, here in places:
        short = excess(number(limit.minimum), len(here))
        if short is not None:
            yield Broken(limit=f"category[{limit.category}] minimum", where=where, amount=short, unit="offers")
        over = None if limit.maximum is None else excess(len(here), number(limit.maximum))
        if over is not None:
            yield Broken(limit=f"category[{limit.category}] maximum", where=where, amount=over, unit="offers")


def _stated_cost(offers: Sequence[Offer], facts: Facts) -> float:
    """Discount given on the units stated; neither a price above list price nor negative units pay for the others."""
    spent = 0.0
    for offer in offers:
        item = _item(offer, facts)
        if item is not None:
            given, units = item.list_price - number(offer.price), number(offer.expected_units)
            spent += math.nan if math.isnan(given) or math.isnan(units) else max(given, 0.0) * max(units, 0.0)
    return spent


def _margin_floor(limit: MarginFloor, offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    for offer in offers:
        item, price = _item(offer, facts), number(offer.price)
        if item is None or not 0.0 < price < math.inf:
            continue  # named already, and no share of such a price means anything
        margin = (price - item.unit_cost) / price
        short = excess(number(limit.margin_frac), margin, 2.0 * ROUNDING * max(1.0, 1.0 / price))
        if short is not None:
            yield Broken(limit="margin floor", where=place(offer), amount=short, unit="fraction")


def _appearances(limit: Appearances, offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    for item_id, times in Counter(str(offer.item_id) for offer in offers).items():
        over = excess(times, number(limit.maximum))
        if over is not None:
            yield Broken(limit="appearances", where=item_id, amount=over, unit="offers")
    pause = number(limit.cool_down_hours)
    for one, a, other, b in _pairs(offers, facts):
        short = excess(pause, (b.start - a.end) / timedelta(hours=1), ROUNDING)
        if short is not None:
            yield Broken(limit="cool-down", where=_both(one, other), amount=short, unit="hours")
