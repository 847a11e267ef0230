"""Play a plan forward: the true incremental profit, and the events of one future."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import polars as pl

from flashlift.account import contribution
from flashlift.domain import Costs, Estimate, Offer, Slot
from flashlift.errors import InputError
from flashlift.market.events import BROWSES_PER_ORDER, UNITS_PER_ORDER, Window
from flashlift.market.truth import Truth, TruthDraws
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Forward", "Outcome", "play", "windows"]

_LEVEL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a plan really does.

    Args:
        value: true V(plan), the incremental profit of the account: mean over futures, with the Monte-Carlo interval.
        units: one row per offer: item_id, slot_id, quota, `mean_units` sold over all futures, and the
            `event_units` sold in the one future that `events` tells.
        gross_sales: mean revenue of the offers, in shop currency.
        sell_through: mean share of all quotas that is sold, in [0, 1]; None where the quotas sum to 0.
        events: schema Events from the first slot's start to the end of the account; empty where not asked for.
    """

    value: Estimate
    units: pl.DataFrame
    gross_sales: float
    sell_through: float | None
    events: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Futures of the shop under a plan, one column each.

    Args:
        draws: demand.
        item: row number of each offer's item.
        slot: index of each offer's slot.
        discount: fraction off the list price of each offer.
        price: price of each offer.
        sold: units sold in each offer, (n_offers, n_futures).
        extra: the same less what the slot would have sold at list price.
        value: incremental profit of each future, (n_futures,).
    """

    draws: TruthDraws
    item: IntArray
    slot: IntArray
    discount: FloatArray
    price: FloatArray
    sold: FloatArray
    extra: FloatArray
    value: FloatArray

    def estimate(self) -> Estimate:
        """Mean value with its Monte-Carlo interval."""
        mean = float(self.value.mean())
        if len(self.value) < 2:
            return Estimate(value=mean, ci_lower=float("-inf"), ci_upper=float("inf"), level=_LEVEL)
        half = NormalDist().inv_cdf((1 + _LEVEL) / 2) * float(self.value.std(ddof=1)) / len(self.value) ** 0.5
        return Estimate(value=mean, ci_lower=mean - half, ci_upper=mean + half, level=_LEVEL)


def play(
    truth: Truth, stock: IntArray, offers: Sequence[Offer], slots: Sequence[Slot], costs: Costs, draws: TruthDraws
) -> Forward:
    """Sell the offers in `draws` of all items of the shop, slot after slot, within quota and stock.

    Shoppers answer to the price they pay, so the discount is that of `Offer.price`.

    Raises:
        InputError: an offer of an unknown item or slot, with an impossible price or quota, or twice at one moment.
    """
    item, slot = _places(truth, offers, slots)
    price = np.array([offer.price for offer in offers], dtype=np.float64)
    quota = np.array([offer.quota for offer in offers], dtype=np.float64)
    discount = np.maximum(1.0 - price / truth.items.list_price[item], 0.0)
    _check(truth, offers, slots, item)
    wanted = draws.units(item, slot, discount)
    at_list = draws.units(item, slot, np.zeros(len(item)))
    left = np.repeat(stock.astype(np.float64)[:, None], draws.n_draws, axis=1)
    sold = np.zeros_like(wanted)
    for s in sorted(set(slot.tolist()), key=lambda k: slots[k].start):
        here = np.flatnonzero(slot == s)  # no item twice in a slot
        sold[here] = np.minimum(np.minimum(wanted[here], quota[here, None]), left[item[here]])
        left[item[here]] -= sold[here]

    rows, offered = np.unique(item, return_inverse=True)
    total, revenue, displaced, after = (np.zeros((len(rows), draws.n_draws)) for _ in range(4))
    np.add.at(total, offered, sold)
    np.add.at(revenue, offered, sold * price[:, None])
    np.add.at(displaced, offered, at_list)
    np.add.at(after, offered, draws.aftermath(item, sold - at_list))
    without = draws.without_sale(rows)
    facts = {
        "list_price": truth.items.list_price[rows, None],
        "unit_cost": truth.items.unit_cost[rows, None],
        "stock": stock[rows, None].astype(np.float64),
    }
    none = np.zeros_like(without)
    with_sale = contribution(total, revenue, without - displaced + after, costs=costs, **facts)
    value = (with_sale - contribution(none, none, without, costs=costs, **facts)).sum(axis=0)
    return Forward(
        draws=draws,
        item=item,
        slot=slot,
        discount=discount,
        price=price,
        sold=sold,
        extra=sold - at_list,
        value=value,
    )


def _places(truth: Truth, offers: Sequence[Offer], slots: Sequence[Slot]) -> tuple[IntArray, IntArray]:
    """Row number of the item and index of the slot of each offer."""
    rows = {item_id: k for k, item_id in enumerate(truth.items.frame["item_id"])}
    numbers = {slot.slot_id: k for k, slot in enumerate(slots)}
    for offer in offers:
        if offer.item_id not in rows:
            raise InputError(f"The shop does not sell {offer.item_id!r}. Plan with its own items only.")
        if offer.slot_id not in numbers:
            raise InputError(f"Offer of {offer.item_id} names slot {offer.slot_id!r}, which is not among the slots.")
    return (
        np.array([rows[offer.item_id] for offer in offers], dtype=np.int64),
        np.array([numbers[offer.slot_id] for offer in offers], dtype=np.int64),
    )


def _check(truth: Truth, offers: Sequence[Offer], slots: Sequence[Slot], item: IntArray) -> None:
    windows: dict[str, list[tuple[datetime, datetime]]] = {}
    by_id = {slot.slot_id: slot for slot in slots}
    for offer, list_price in zip(offers, truth.items.list_price[item], strict=True):
        if not 0.0 < offer.price < list_price:
            raise InputError(
                f"Offer of {offer.item_id} costs {offer.price}. Set a price above 0 below its list price {list_price}."
            )
        if offer.quota < 0:
            raise InputError(f"Offer of {offer.item_id} has a quota of {offer.quota}. Set it to 0 or more.")
        slot = by_id[offer.slot_id]
        if any(slot.start < end and start < slot.end for start, end in windows.get(offer.item_id, [])):
            raise InputError(
                f"Item {offer.item_id} is offered twice at one moment, again in slot {offer.slot_id}. "
                "An item has one price at a time: keep one of the offers."
            )
        windows.setdefault(offer.item_id, []).append((slot.start, slot.end))


def windows(truth: Truth, stock: IntArray, forward: Forward, *, rng: np.random.Generator) -> Iterator[Window]:
    """The first future as windows for the funnel: what is bought and looked at, by stretches within one day."""
    draws, n = forward.draws, len(truth.items)
    pieces = _pieces(draws)
    share = truth.calendar.shares(pieces, draws.days)
    rate = share @ draws.rate[:, :, 0].astype(np.float64)  # (n_pieces, n_items)
    home = np.array([_home(piece, draws.atoms) for piece in pieces])
    at_list = np.zeros((len(pieces), n), dtype=np.int64)
    for atom in range(-1, len(draws.atoms)):
        inside = np.flatnonzero(home == atom)
        counts = draws.rest[:, 0] if atom < 0 else draws.counts[atom, :, 0]
        at_list[inside] = _split(counts.astype(np.int64), rate[inside], rng)

    sold, discount = np.zeros_like(at_list), np.zeros((len(pieces), n))
    price = np.repeat(truth.items.list_price[None], len(pieces), axis=0)
    for k, item in enumerate(forward.item):
        slot_atoms = np.flatnonzero(draws.in_slot[forward.slot[k]])
        inside = np.flatnonzero(np.isin(home, slot_atoms))
        units = np.array([forward.sold[k, 0]], dtype=np.int64)
        sold[inside, item] = _split(units, rate[inside, item][:, None], rng)[:, 0]
        at_list[inside, item] = 0
        discount[inside, item], price[inside, item] = forward.discount[k], forward.price[k]
        later = np.arange(inside.max() + 1, len(pieces))
        missing = truth.response.pulled(np.array([item]), forward.extra[k, :1])[0]
        missing = min(int(missing + rng.random()), int(at_list[later, item].sum()))
        at_list[later, item] -= rng.multivariate_hypergeometric(at_list[later, item], missing)

    room = np.maximum(stock - sold.sum(axis=0), 0)
    kept = np.minimum(at_list.cumsum(axis=0), room)
    sold += np.diff(kept, axis=0, prepend=0)
    shown = np.where(discount > 0.0, truth.response.lift, 1.0)
    for p, (start, end) in enumerate(pieces):
        looks = rate[p] * shown[p] * (BROWSES_PER_ORDER / UNITS_PER_ORDER)
        yield Window(start=start, end=end, sold=sold[p], looks=looks, discount=discount[p], price=price[p])


def _pieces(draws: TruthDraws) -> list[tuple[datetime, datetime]]:
    """The horizon, cut at every midnight and at every border of a slot."""
    start, end = draws.horizon
    borders = {start, end, *draws.days, *(border for atom in draws.atoms for border in atom)}
    within = sorted(border for border in borders if start <= border <= end)
    return list(pairwise(within))


def _home(piece: tuple[datetime, datetime], atoms: Sequence[tuple[datetime, datetime]]) -> int:
    """Index of the atom that holds the piece, -1 outside all."""
    return next((k for k, (start, end) in enumerate(atoms) if start <= piece[0] and piece[1] <= end), -1)


def _split(counts: IntArray, weight: FloatArray, rng: np.random.Generator) -> IntArray:
    """Counts (n,) spread over pieces in proportion to `weight` (n_pieces, n), (n_pieces, n)."""
    total = weight.sum(axis=0)
    even = np.full_like(weight, 1.0 / max(len(weight), 1))
    chance = np.divide(weight, total, out=even, where=total > 0.0)
    return np.asarray(rng.multinomial(counts, chance.T).T)
