"""The checker's slow plain twin: one draw, one item, one offer at a time, and nothing but loops."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import combinations
from math import ceil

import numpy as np
from tests.planning.draws import World

from flashlift.domain import Offer, Slot
from flashlift.limits import (
    AlwaysTogether,
    Appearances,
    Blackout,
    BrandCount,
    Budget,
    CategoryCount,
    Excluded,
    FunderBudget,
    Limit,
    MarginFloor,
    MaxChange,
    NeverTogether,
    Nomination,
    Nominations,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    StockReserve,
)


def joint_value(offers: Sequence[Offer], world: World, draw: int) -> float:
    """V of all offers together in one draw, from the definition."""
    return joint_figures(offers, world, draw)[0]


def joint_figures(offers: Sequence[Offer], world: World, draw: int) -> tuple[float, float, float]:
    """V, incremental gross sales and stock cleared at cost of all offers together in one draw."""
    demand, slots = world.draws, [slot.slot_id for slot in world.campaign.slots]
    rows = {row["item_id"]: row | {"at": at} for at, row in enumerate(world.items.iter_rows(named=True))}
    units, revenue, funds, replaced = (defaultdict(float) for _ in range(4))
    for offer in offers:
        row = rows[offer.item_id]
        here = (np.array([row["at"]]), np.array([slots.index(offer.slot_id)]))
        usual = float(demand.units(*here, np.zeros(1))[0, draw])
        wanted = float(demand.units(*here, np.array([1 - offer.price / row["list_price"]]))[0, draw])
        sold = min(wanted, offer.quota)
        units[row["at"]] += sold
        revenue[row["at"]] += sold * offer.price
        funds[row["at"]] += sold * funding(offer.item_id, row, world) * (row["list_price"] - offer.price)
        replaced[row["at"]] += usual

    moved = defaultdict(float)
    for item in units:
        extra = units[item] - replaced[item]
        answer = demand.aftermath(np.array([item]), np.full((1, demand.n_draws), extra))
        moved[item] += float(answer[0, draw])
        cross = demand.cross()
        for source, target, effect in zip(cross.source, cross.target, cross.effect, strict=True):
            if source == item:
                moved[int(target)] += float(effect) * extra

    profit = sales = cleared = 0.0
    for row in rows.values():
        at = row["at"]
        before = float(demand.without_sale(np.array([at]))[0, draw])
        with_sale = _books(row, world, units[at], revenue[at], before - replaced[at] + moved[at])
        without = _books(row, world, 0.0, 0.0, before)
        profit += with_sale[0] - without[0] + funds[at] * (1 - world.campaign.costs.return_frac)
        sales += with_sale[1] - without[1]
        cleared += with_sale[2] - without[2]
    return profit, sales, cleared


def _nominated(world: World) -> dict[str, Nomination]:
    return {
        one.item_id: one for limit in world.campaign.limits if isinstance(limit, Nominations) for one in limit.offers
    }


def funding(item: str, row: dict, world: World) -> float:
    """Share of the item's discount that others pay."""
    share = _nominated(world)[item].funding_frac if item in _nominated(world) else 0.0
    for limit in world.campaign.limits:
        if isinstance(limit, FunderBudget) and (item in limit.item_ids or row["brand"] in {limit.brand} - {None}):
            share += limit.share
    return share


def _books(row: dict, world: World, sold: float, revenue: float, wanted: float) -> tuple[float, float, float]:
    """One item: what is kept earns its margin, what comes back or stays costs; what was paid; what left, at cost."""
    costs = world.campaign.costs
    left = max(row["stock"] - sold, 0.0)
    at_list = min(max(wanted, 0.0), left)
    earned = revenue + at_list * row["list_price"] - (sold + at_list) * row["unit_cost"]
    back = (sold + at_list) * costs.return_frac
    profit = earned * (1 - costs.return_frac) - back * costs.return_cost - (left - at_list) * costs.holding_cost
    gone = (sold + at_list - back) * row["unit_cost"]
    return profit, revenue + at_list * row["list_price"], gone


def amounts(offers: Sequence[Offer], world: World) -> dict[tuple[str, str], float]:
    """(limit, place) -> by how much, for every limit that counts or adds up; all items and slots are known."""
    rows = {row["item_id"]: row for row in world.items.iter_rows(named=True)}
    slots = {slot.slot_id: slot for slot in world.campaign.slots}
    over: dict[tuple[str, str], float] = {}
    for name, slot in slots.items():
        over["positions", name] = sum(offer.slot_id == name for offer in offers) - slot.positions
    for name, row in rows.items():
        kept = [limit for limit in world.campaign.limits if isinstance(limit, StockReserve)]
        reserve = max(
            [0, *(limit.units for limit in kept), *(ceil(limit.share * row["stock"] - 1e-9) for limit in kept)]
        )
        quotas = sum(offer.quota for offer in offers if offer.item_id == name)
        most = _nominated(world)[name].stock if name in _nominated(world) else np.inf
        over["stock", name] = quotas - min(max(row["stock"] - reserve, 0), most) if quotas else 0
    for limit in world.campaign.limits:
        over |= _of_limit(limit, offers, rows, slots, world)
    return {what: amount for what, amount in over.items() if amount > 1e-9}


def penalties(offers: Sequence[Offer], world: World) -> float:
    """What the soft limits that the offers break cost."""
    rows = {row["item_id"]: row for row in world.items.iter_rows(named=True)}
    slots = {slot.slot_id: slot for slot in world.campaign.slots}
    soft = [limit for limit in world.campaign.limits if getattr(limit, "penalty", None) is not None]
    return sum(
        limit.penalty * amount
        for limit in soft
        for amount in _of_limit(limit, offers, rows, slots, world).values()
        if amount > 1e-9
    )


def _of_limit(  # noqa: PLR0911, PLR0912
    limit: Limit, offers: Sequence[Offer], rows: dict, slots: dict[str, Slot], world: World
) -> dict[tuple[str, str], float]:
    match limit:
        case CategoryCount():
            mine = [o for o in offers if (rows[o.item_id]["category"] + "/").startswith(limit.category + "/")]
            return _counts(f"category[{limit.category}]", limit, mine, slots)
        case BrandCount():
            mine = [o for o in offers if rows[o.item_id]["brand"] == limit.brand]
            return _counts(f"brand[{limit.brand}]", limit, mine, slots)
        case FunderBudget():
            paid = [
                o for o in offers if o.item_id in limit.item_ids or rows[o.item_id]["brand"] in {limit.brand} - {None}
            ]
            given = sum((rows[o.item_id]["list_price"] - o.price) * o.expected_units for o in paid)
            return {(f"budget[{limit.funder}]", "campaign, as stated"): limit.share * given - limit.amount}
        case StockReserve():
            return {}
        case Nominations():
            asked = _nominated(world)
            off = {o: abs(o.price - asked[o.item_id].price) for o in offers if o.item_id in asked}
            uninvited = {o: float(limit.only) for o in offers if o.item_id not in asked}
            return {("nominated", _place(o)): amount for o, amount in (off | uninvited).items()}
        case SellThrough():
            return {("sell-through", _place(o)): limit.minimum_frac - o.expected_units / o.quota for o in offers}
        case PerCustomer():
            most = min(other.maximum for other in world.campaign.limits if isinstance(other, PerCustomer))
            return {("per customer", _place(o)): np.inf if o.per_customer != most else 0.0 for o in offers}
        case MaxChange():
            old = sum(o.item_id in limit.item_ids for o in offers)
            new = -np.inf if limit.new is None else len(offers) - old - limit.new
            return {("change[new]", "campaign"): new, ("change[kept]", "campaign"): limit.kept - old}
        case NeverTogether():
            return {
                ("never together", f"{_place(a)} and {_place(b)}"): 1.0
                for a, b in combinations([o for o in offers if o.item_id in limit.item_ids], 2)
                if a.item_id != b.item_id
                and max(slots[a.slot_id].start, slots[b.slot_id].start)
                < min(slots[a.slot_id].end, slots[b.slot_id].end)
            }
        case AlwaysTogether():
            live = {(o.item_id, o.slot_id) for o in offers if o.item_id in limit.item_ids}
            return {
                ("always together", f"{item} in {slot}"): float((item, slot) not in live)
                for slot in {slot for _, slot in live}
                for item in limit.item_ids
            }
        case Pinned():
            return _pinned(limit, offers, rows, 0.005 if world.campaign.price_ending is None else 0.505)
        case ReferencePrice():
            known = {o: rows[o.item_id].get("reference_price") for o in offers}
            cut = {o: 1 - o.price / price for o, price in known.items() if price is not None}
            missing = {o: np.inf for o, price in known.items() if price is None and not limit.unknown_may_run}
            off = {o: max(limit.minimum_frac - one, one - limit.maximum_frac) for o, one in cut.items()}
            return {("reference price", _place(o)): amount for o, amount in (off | missing).items()}
        case NotAboveCompetitor():
            theirs = {o: rows[o.item_id].get("competitor_price") for o in offers}
            return {("competitor", _place(o)): o.price - price for o, price in theirs.items() if price is not None}
        case Rest():
            found = {}
            for o in offers:
                slot, row = slots[o.slot_id], rows[o.item_id]
                if row.get("last_sale_end") is not None:
                    found["rest", _place(o)] = limit.hours - _hours(row["last_sale_end"], slot.start)
                if row.get("next_sale_start") is not None:
                    to_next = limit.hours - _hours(slot.end, row["next_sale_start"])
                    found["rest", _place(o)] = max(to_next, found.get(("rest", _place(o)), -np.inf))
            return found
        case Blackout():
            return {
                ("blackout", _place(o)): _hours(max(slot.start, limit.start), min(slot.end, limit.end))
                for o, slot in ((o, slots[o.slot_id]) for o in offers)
                if o.item_id in limit.item_ids
                or rows[o.item_id]["category"] == limit.category
                or (not limit.item_ids and limit.category is None)
            }
        case Budget():
            own = {o: 1.0 - funding(o.item_id, rows[o.item_id], world) for o in offers}
            given = sum(own[o] * (rows[o.item_id]["list_price"] - o.price) * o.expected_units for o in offers)
            return {("budget", "campaign, as stated"): given - limit.amount}
        case MarginFloor():
            margins = {_place(o): 1 - rows[o.item_id]["unit_cost"] / o.price for o in offers}
            return {("margin floor", where): limit.margin_frac - margin for where, margin in margins.items()}
        case Appearances():
            times = {name: sum(offer.item_id == name for offer in offers) for name in rows}
            return {("appearances", name): n - limit.maximum for name, n in times.items()} | _rests(
                limit, offers, slots
            )
        case Excluded():
            return {("excluded", _place(o)): float(o.item_id in limit.item_ids) for o in offers}


def _place(offer: Offer) -> str:
    return f"{offer.item_id} in {offer.slot_id}"


def _hours(start: datetime, end: datetime) -> float:
    return (end - start) / timedelta(hours=1)


def _counts(
    name: str, limit: CategoryCount | BrandCount, mine: Sequence[Offer], slots: dict[str, Slot]
) -> dict[tuple[str, str], float]:
    counted = dict.fromkeys(slots if limit.per_slot else ["campaign"], 0)
    for offer in mine:
        counted[offer.slot_id if limit.per_slot else "campaign"] += 1
    short = {(f"{name} minimum", where): limit.minimum - count for where, count in counted.items()}
    most = np.inf if limit.maximum is None else limit.maximum
    return short | {(f"{name} maximum", where): count - most for where, count in counted.items()}


def _pinned(limit: Pinned, offers: Sequence[Offer], rows: dict, near: float) -> dict[tuple[str, str], float]:
    mine = [o for o in offers if o.item_id == limit.item_id and limit.slot_id in {None, o.slot_id}]
    where = limit.item_id if limit.slot_id is None else f"{limit.item_id} in {limit.slot_id}"
    if not mine:
        return {("pinned", where): 1.0}
    if limit.discount_frac is None:
        return {}
    off = {_place(o): abs(o.price - rows[o.item_id]["list_price"] * (1 - limit.discount_frac)) for o in mine}
    return {("pinned", where): amount for where, amount in off.items() if amount > near}


def _rests(limit: Appearances, offers: Sequence[Offer], slots: dict[str, Slot]) -> dict[tuple[str, str], float]:
    """Slots of the test worlds are listed by start, and each is used once by an item here."""
    order, missing = list(slots), {}
    for one in offers:
        for other in offers:
            if one.item_id == other.item_id and order.index(one.slot_id) < order.index(other.slot_id):
                rest = (slots[other.slot_id].start - slots[one.slot_id].end) / timedelta(hours=1)
                where = f"{one.item_id} in {one.slot_id} and {other.slot_id}"
                missing["cool-down", where] = limit.cool_down_hours - rest
    return missing
