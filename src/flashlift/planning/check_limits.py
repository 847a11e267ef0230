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
from flashlift.limits import (
    AlwaysTogether,
    Appearances,
    Blackout,
    BrandCount,
    Budget,
    CategoryCount,
    Excluded,
    FunderBudget,
    MarginFloor,
    MaxChange,
    NeverTogether,
    Nominations,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    StockReserve,
)
from flashlift.planning.check_facts import Facts, ItemFacts, free_stock, paying_share
from flashlift.planning.check_offers import offer_broken, tag_broken, tag_reach
from flashlift.planning.finding import Broken, excess, number, place

__all__ = ["budget_broken", "funded_share", "limits_broken", "penalty_of", "soft_broken"]

ROUNDING = 1e-9


def limits_broken(offers: Sequence[Offer], campaign: Campaign, facts: Facts) -> list[Broken]:
    """Every limit that the offers break and may not; a budget is judged on the units that the offers state.

    Offers of unknown items or slots still take positions and count as appearances.
    """
    known = _known(offers, facts)
    hard = [limit for limit in campaign.limits if penalty_of(limit) is None]
    return [
        *_strangers(offers, facts),
        *(b for offer in offers for b in tag_broken(offer, _item(offer, facts), campaign)),
        *_quotas(offers, campaign, facts),
        *_places(offers, facts),
        *_one_price(offers, facts),
        *(b for limit in hard for b in _limit(limit, offers, known, campaign, facts)),
    ]


def soft_broken(offers: Sequence[Offer], campaign: Campaign, facts: Facts) -> Iterator[tuple[Broken, float]]:
    """Every soft limit that the offers break, and what that costs in shop currency."""
    known = _known(offers, facts)
    for limit in campaign.limits:
        penalty = penalty_of(limit)
        if penalty is not None:
            for broken in _limit(limit, offers, known, campaign, facts):
                yield broken, broken.amount * penalty


def penalty_of(limit: Any) -> float | None:
    """What a unit beyond a soft limit costs; None for a limit that must be kept, as one without a sound penalty is."""
    penalty = number(getattr(limit, "penalty", None))
    return penalty if 0.0 < penalty < math.inf else None


def _known(offers: Sequence[Offer], facts: Facts) -> list[tuple[Offer, ItemFacts]]:
    return [(offer, item) for offer in offers if (item := _item(offer, facts)) is not None]


def funded_share(limit: Budget | FunderBudget, offer: Offer, item: ItemFacts) -> float:
    """Share of the offer's discount that the budget pays; the shop's own pays what nobody else does."""
    return 1.0 - item.funded if isinstance(limit, Budget) else paying_share(limit, offer.item_id, item.brand)


def budget_broken(spent: float, limit: Budget | FunderBudget, where: str, tolerance: float = 0.0) -> Iterator[Broken]:
    """The budget, where `spent` is above it by more than rounding and `tolerance`, in shop currency."""
    name = "budget" if isinstance(limit, Budget) else f"budget[{limit.funder}]"
    most = number(limit.amount)
    over = excess(spent, most, tolerance + 1e-6 * max(1.0, abs(most)))
    if over is not None:
        yield Broken(limit=name, where=where, amount=over, unit="currency")


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


def _quotas(offers: Sequence[Offer], campaign: Campaign, facts: Facts) -> Iterator[Broken]:
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
        item = facts.items[item_id]
        over = excess(taken, free_stock(item.stock, item.nominations, campaign), ROUNDING)
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


def _limit(
    limit: Any,
    offers: Sequence[Offer],
    known: Sequence[tuple[Offer, ItemFacts]],
    campaign: Campaign,
    facts: Facts,
) -> Iterator[Broken]:
    """What breaks one limit; `known` are the offers whose items are."""
    match limit:
        case CategoryCount() if limit.category:
            path = limit.category.split("/")
            inside = [offer for offer, item in known if item.category.split("/")[: len(path)] == path]
            yield from _counted(f"category[{limit.category}]", limit, inside, facts)
        case BrandCount() if limit.brand:
            inside = [offer for offer, item in known if item.brand == limit.brand]
            yield from _counted(f"brand[{limit.brand}]", limit, inside, facts)
        case NeverTogether():
            yield from _never_together(limit, offers, facts)
        case AlwaysTogether():
            yield from _always_together(limit, offers, facts)
        case Pinned():
            yield from _pinned(limit, known, campaign)
        case Budget() | FunderBudget():
            yield from budget_broken(_stated_cost(limit, known), limit, "campaign, as stated")
        case Appearances():
            yield from _appearances(limit, offers, facts)
        case MaxChange():
            yield from _change(limit, offers)
        case StockReserve() | PerCustomer() | Nominations():
            pass  # judged with the quotas, and with the tag of each offer
        case SellThrough() | MarginFloor() | Excluded() | ReferencePrice() | NotAboveCompetitor() | Rest() | Blackout():
            for offer in offers:
                yield from offer_broken(limit, offer, _item(offer, facts), _slot(offer, facts))
        case _:  # a kind that is new here, or a name that is empty: not understood is not kept
            yield Broken(limit="known limit", where=str(limit), amount=1.0, unit="limits")


def _counted(name: str, limit: CategoryCount | BrandCount, inside: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    """Too few or too many of the offers that a limit counts."""
    places: list[tuple[str, Sequence[Offer]]] = [("campaign", inside)]
    if limit.per_slot:
        places = [(slot_id, [offer for offer in inside if offer.slot_id == slot_id]) for slot_id in facts.slots]
    for where, here in places:
        short = excess(number(limit.minimum), len(here))
        if short is not None:
            yield Broken(limit=f"{name} minimum", where=where, amount=short, unit="offers")
        over = None if limit.maximum is None else excess(len(here), number(limit.maximum))
        if over is not None:
            yield Broken(limit=f"{name} maximum", where=where, amount=over, unit="offers")


def _change(limit: MaxChange, offers: Sequence[Offer]) -> Iterator[Broken]:
    """Offers of items that the approved plan lacks, and of items that it has."""
    old = sum(offer.item_id in limit.item_ids for offer in offers)
    over = None if limit.new is None else excess(len(offers) - old, number(limit.new))
    if over is not None:
        yield Broken(limit="change[new]", where="campaign", amount=over, unit="offers")
    short = excess(number(limit.kept), old)
    if short is not None:
        yield Broken(limit="change[kept]", where="campaign", amount=short, unit="offers")


def _pinned(limit: Pinned, known: Sequence[tuple[Offer, ItemFacts]], campaign: Campaign) -> Iterator[Broken]:
    """The item is there, in its slot, and nowhere at another step than its own."""
    where = limit.item_id if limit.slot_id is None else f"{limit.item_id} in {limit.slot_id}"
    mine = [pair for pair in known if pair[0].item_id == limit.item_id and limit.slot_id in {None, pair[0].slot_id}]
    if not mine:
        yield Broken(limit="pinned", where=where, amount=1.0, unit="offers")
    if limit.discount_frac is None:
        return
    for offer, item in mine:
        off = abs(number(offer.price) - item.list_price * (1.0 - number(limit.discount_frac)))
        if not off <= tag_reach(campaign):
            yield Broken(
                limit="pinned", where=place(offer), amount=off if math.isfinite(off) else math.inf, unit="currency"
            )


def _never_together(limit: NeverTogether, offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    """Two different items of the set at one moment."""
    mine = [(offer, slot) for offer in offers if offer.item_id in limit.item_ids and (slot := _slot(offer, facts))]
    for (one, a), (other, b) in combinations(mine, 2):
        if one.item_id != other.item_id and a.start < b.end and b.start < a.end:
            where = f"{place(one)} and {place(other)}"
            yield Broken(limit="never together", where=where, amount=1.0, unit="offers")


def _always_together(limit: AlwaysTogether, offers: Sequence[Offer], facts: Facts) -> Iterator[Broken]:
    """Items of the set missing in a slot where others of it are."""
    for slot_id in facts.slots:
        here = {offer.item_id for offer in offers if offer.slot_id == slot_id and offer.item_id in limit.item_ids}
        missing = [item for item in dict.fromkeys(limit.item_ids) if item not in here] if here else []
        for item in missing:
            yield Broken(limit="always together", where=f"{item} in {slot_id}", amount=1.0, unit="offers")


def _stated_cost(limit: Budget | FunderBudget, known: Sequence[tuple[Offer, ItemFacts]]) -> float:
    """Discount given on the units stated; neither a price above list price nor negative units pay for the others."""
    spent = 0.0
    for offer, item in known:
        given, units = item.list_price - number(offer.price), number(offer.expected_units)
        cost = math.nan if math.isnan(given) or math.isnan(units) else max(given, 0.0) * max(units, 0.0)
        share = funded_share(limit, offer, item)
        spent += cost * share if share != 0.0 else 0.0  # what others pay may be no number
    return spent


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
