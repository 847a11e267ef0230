"""Play plans in common futures: what all offers together really earn, also when customers see different arms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from statistics import NormalDist

import numpy as np

from flashlift.account import contribution
from flashlift.domain import Costs, Estimate, Offer, Slot
from flashlift.errors import InputError
from flashlift.market.futures import Futures
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Arm", "Forward", "Stage", "Stock", "check_arms"]

_LEVEL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """What one share of the customers is offered.

    Args:
        name: of the arm.
        share: of the customers, in (0, 1]; the shares of all arms sum to 1.
        offers: what these customers see; the others buy at list price, or what their own arm offers.
    """

    name: str
    share: float
    offers: tuple[Offer, ...]


class Stock(StrEnum):
    """How arms use stock and quotas: all from one heap, or each its own share of both, rounded down."""

    SHARED = "shared"
    SPLIT = "split"


@dataclass(frozen=True, slots=True, kw_only=True)
class Forward:
    """Futures of the shop under a plan, one column each; offers in the order of arms, then as given.

    Args:
        arm: index of each offer's arm, (n_offers,).
        item: row number of each offer's item, (n_offers,).
        slot: index of each offer's slot, (n_offers,).
        price: price of each offer, (n_offers,).
        sold: units sold in each offer, (n_offers, n_futures).
        displaced: units that the offer's customers would have bought in its slot without a sale, same shape.
        rivals: row numbers of other items whose sales change in slots, (n_rivals,).
        lost: units that each rival loses in each atom, negative where it gains, (n_atoms, n_rivals, n_futures).
        allotted: units that the quotas of all offers allow together.
        value: incremental profit of each future, (n_futures,).
    """

    arm: IntArray
    item: IntArray
    slot: IntArray
    price: FloatArray
    sold: FloatArray
    displaced: FloatArray
    rivals: IntArray
    lost: FloatArray
    allotted: float
    value: FloatArray

    def estimate(self) -> Estimate:
        """Mean value with its Monte-Carlo interval."""
        mean = float(self.value.mean())
        if len(self.value) < 2:
            return Estimate(value=mean, ci_lower=float("-inf"), ci_upper=float("inf"), level=_LEVEL)
        half = NormalDist().inv_cdf((1 + _LEVEL) / 2) * float(self.value.std(ddof=1)) / len(self.value) ** 0.5
        return Estimate(value=mean, ci_lower=mean - half, ci_upper=mean + half, level=_LEVEL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The same futures for every plan played on it, so that differences between plans are sharp.

    Args:
        futures: futures of all items of the shop, in its order.
        stock: units on hand when the sale begins, (n_items,).
        seed: of the chance that arms bring: which customers are in them, and who comes first.
    """

    futures: Futures
    stock: IntArray
    seed: int = 0

    def play(self, offers: Sequence[Offer], costs: Costs) -> Forward:
        """All customers see the same offers. Raises as `play_arms`."""
        return self.play_arms([Arm(name="all", share=1.0, offers=tuple(offers))], costs)

    def play_arms(
        self,
        arms: Sequence[Arm],
        costs: Costs,
        *,
        stock: Stock = Stock.SHARED,
        demand_share: FloatArray | None = None,
    ) -> Forward:
        """Sell the offers of all arms, one stretch of time after the other, within quotas and stock.

        Shoppers answer to the price they pay, so the discount is that of `Offer.price`. Where arms share stock, the
        largest quota of an item in a slot holds for all arms together.

        Args:
            arms: who sees what.
            costs: of the account.
            stock: whether arms share stock and quotas, or have their shares of both.
            demand_share: share of each item's demand that comes from each arm's customers, sums to 1 over arms,
                (n_arms, n_items, 1 or n_futures); None: the arms' shares of the customers.

        Raises:
            InputError: arms of one name or whose shares do not sum to 1; an offer of an unknown item or slot, with an
                impossible price or quota, or twice at one moment in an arm; a stock or quota too small to be split;
                costs that are none.
        """
        check_arms(arms)
        for arm in arms:
            _check(self.futures, arm.offers)
        fractions = (costs.return_frac, costs.return_cost, costs.holding_cost)
        if not (0.0 <= costs.return_frac < 1.0 and all(0.0 <= one < float("inf") for one in fractions)):
            raise InputError(f"{costs} are no costs. Set them to 0 or more, and return_frac below 1.")
        share = np.array([arm.share for arm in arms])[:, None, None]
        demand = np.broadcast_to(share, (len(arms), len(self.stock), 1)) if demand_share is None else demand_share
        return _Play(self, arms, stock, demand).run(costs)


class _Play:
    """One run over the atoms of the sale."""

    def __init__(self, stage: Stage, arms: Sequence[Arm], stock: Stock, demand_share: FloatArray) -> None:
        self._stage, self._futures, self._arms, self._demand_share = stage, stage.futures, arms, demand_share
        self._rng = np.random.default_rng(stage.seed)
        offers = [offer for arm in arms for offer in arm.offers]
        self.arm = np.repeat(np.arange(len(arms)), [len(arm.offers) for arm in arms])
        self.item, self.slot = _places(self._futures, offers)
        self.price = np.array([offer.price for offer in offers], dtype=np.float64)
        list_price = self._futures.items.list_price[self.item]
        self.discount = np.maximum(1.0 - self.price / list_price, 0.0)
        self.sold, self.displaced = np.zeros((2, len(offers), self._futures.n_futures))
        quota = np.array([offer.quota for offer in offers], dtype=np.float64)
        self._heaps(quota, split=stock is Stock.SPLIT)
        self.rivals, self.lost = self._rivals()

    def _heaps(self, quota: FloatArray, *, split: bool) -> None:
        """Heaps of stock and of quota, and which of them each offer draws from."""
        n = self._futures.n_futures
        share = np.array([arm.share for arm in self._arms])[self.arm]
        arm = self.arm if split else np.zeros_like(self.arm)
        key = np.stack([arm, self.item, self.slot])
        self._of_stock, self._of_quota = _numbers(key[:2]), _numbers(key)
        own = share if split else np.ones(len(share))
        heap = np.zeros(self._of_stock.max(initial=-1) + 1)
        heap[self._of_stock] = np.floor(self._stage.stock[self.item] * own + 1e-9)
        pool = np.zeros(self._of_quota.max(initial=-1) + 1)
        np.maximum.at(pool, self._of_quota, np.floor(quota * own + 1e-9))
        small = np.flatnonzero((pool[self._of_quota] == 0.0) & (quota > 0.0))
        if len(small):
            raise InputError(
                f"A quota of {quota[small[0]]:.0f} leaves nothing for the arm {self._arms[self.arm[small[0]]].name!r} "
                f"with its share of {share[small[0]]:g}. Raise the quota, or let the arms share stock."
            )
        self.allotted = float(pool.sum())
        self._stock_left, self._quota_left = (np.repeat(left[:, None], n, axis=1) for left in (heap, pool))

    def _rivals(self) -> tuple[IntArray, FloatArray]:
        """Items without an offer of some arm that offers of their group touch."""
        futures = self._futures
        shape = (len(futures.atoms), 0, futures.n_futures)
        if futures.law.choice.outside >= 1.0 or not len(self.item):
            return np.array([], dtype=np.int64), np.zeros(shape)
        touched = np.flatnonzero(np.isin(futures.items.group, futures.items.group[self.item]))
        return touched, np.zeros((len(futures.atoms), len(touched), futures.n_futures))

    def run(self, costs: Costs) -> Forward:
        for atom in range(len(self._futures.atoms)):
            self._sell(atom)
        return Forward(
            arm=self.arm,
            item=self.item,
            slot=self.slot,
            price=self.price,
            sold=self.sold,
            displaced=self.displaced,
            rivals=self.rivals,
            lost=self.lost,
            allotted=self.allotted,
            value=self._value(costs),
        )

    def _sell(self, atom: int) -> None:
        """One atom: what each arm wants, and what the shelves give."""
        live = np.flatnonzero(self._futures.in_slot[self.slot, atom])
        if not len(live):
            return
        at = np.unique(self.item[live])
        if len(self.rivals):
            group = self._futures.items.group
            at = self.rivals[np.isin(group[self.rivals], group[at])]
        wanted = np.zeros((len(live), self._futures.n_futures))
        left, room = self._futures.counts[atom, at].astype(np.int64), 1.0
        for k in range(len(self._arms)):
            mine, share = live[self.arm[live] == k], self._demand_share[k, at]
            last = k == len(self._arms) - 1
            own = left if last else self._rng.binomial(left, np.clip(share / room, 0.0, 1.0))
            left, room = left - own, np.maximum(room - share, 1e-12)
            if not len(mine):
                continue
            factor = self._factor(atom, at, mine)
            here = np.searchsorted(at, self.item[mine])
            if len(self._arms) == 1:
                units = self._futures.wanted(atom, at, factor)
            else:
                units = self._units(atom, at, factor, own, share)
            wanted[self.arm[live] == k] = units[here]
            self.displaced[mine] += own[here]
            if len(self.rivals):
                change = own - units
                change[here] = 0.0
                self.lost[atom, np.searchsorted(self.rivals, at)] += change
        self._serve(live, wanted)

    def _units(self, atom: int, at: IntArray, factor: FloatArray, own: IntArray, share: FloatArray) -> FloatArray:
        """Units of one arm at `factor` on the units `own` that it would buy at list price."""
        mean = self._futures.atom_rate[atom, at] * share * np.maximum(factor - 1.0, 0.0)
        return np.asarray(self._rng.poisson(mean) + self._rng.binomial(own, np.minimum(factor, 1.0)), dtype=np.float64)

    def _factor(self, atom: int, at: IntArray, mine: IntArray) -> FloatArray:
        """Factor on the demand of the items `at` when the offers `mine` are live, (n, n_futures)."""
        futures = self._futures
        here = np.searchsorted(at, self.item[mine])
        attention = futures.law.attention.share(self.discount[mine], None)
        appeal = np.ones((len(at), futures.n_futures))
        appeal[here] = futures.appeal(atom, self.item[mine], self.discount[mine], attention)[:, None]
        if not len(self.rivals):
            return appeal
        base = futures.atom_rate[atom, at].astype(np.float64)
        return np.asarray(appeal * futures.law.choice.factor(futures.items.group[at], base, appeal))

    def _serve(self, live: IntArray, wanted: FloatArray) -> None:
        """Give each offer what its heaps hold; where offers meet at one heap, customers come in random order."""
        for heap in np.unique(self._of_stock[live]):
            here = np.flatnonzero(self._of_stock[live] == heap)
            pools = np.unique(self._of_quota[live[here]])
            members = [here[self._of_quota[live[here]] == pool] for pool in pools]
            asked = np.stack([wanted[mine].sum(axis=0) for mine in members])
            given = self._portion(np.minimum(asked, self._quota_left[pools]), self._stock_left[heap])
            self._quota_left[pools] -= given
            self._stock_left[heap] -= given.sum(axis=0)
            for mine, whole in zip(members, given, strict=True):
                self.sold[live[mine]] += self._portion(wanted[mine], whole)

    def _portion(self, asked: FloatArray, heap: FloatArray) -> FloatArray:
        """What those who ask (n, n_futures) get of a heap (n_futures,), first come, first served."""
        given, left, others = np.empty_like(asked), np.minimum(asked.sum(axis=0), heap), asked.sum(axis=0)
        for k in range(len(asked) - 1):
            others = others - asked[k]
            given[k] = self._rng.hypergeometric(*(part.astype(np.int64) for part in (asked[k], others, left)))
            left = left - given[k]
        given[-1] = left
        return given

    def _value(self, costs: Costs) -> FloatArray:
        """Contribution of all items touched with the sale, less without."""
        futures, items = self._futures, self._futures.items
        rows = np.union1d(self.item, self.rivals)
        offered = np.searchsorted(rows, self.item)
        total, revenue, changed = (np.zeros((len(rows), futures.n_futures)) for _ in range(3))
        np.add.at(total, offered, self.sold)
        np.add.at(revenue, offered, self.sold * self.price[:, None])
        np.add.at(changed, offered, -self.displaced - futures.law.missing(self.item, self.sold - self.displaced))
        changed[np.searchsorted(rows, self.rivals)] -= self.lost.sum(axis=0)
        without = futures.without_sale(rows)
        facts = {
            "list_price": items.list_price[rows, None],
            "unit_cost": items.unit_cost[rows, None],
            "stock": self._stage.stock[rows, None].astype(np.float64),
        }
        none = np.zeros_like(without)
        with_sale = contribution(total, revenue, without + changed, costs=costs, **facts)
        return np.asarray((with_sale - contribution(none, none, without, costs=costs, **facts)).sum(axis=0))


def check_arms(arms: Sequence[Arm]) -> None:
    """Refuse arms that are no split of the customers.

    Raises:
        InputError: shares that do not sum to 1, or two arms of one name.
    """
    shares = [arm.share for arm in arms]
    if not (all(share > 0.0 for share in shares) and abs(sum(shares) - 1.0) <= 1e-9):
        raise InputError(f"The arms hold {shares} of the customers. Let shares be above 0 and sum to 1.")
    if len({arm.name for arm in arms}) < len(arms):
        raise InputError(f"Two arms share a name ({', '.join(arm.name for arm in arms)}). Give each its own.")


def _numbers(key: IntArray) -> IntArray:
    """Number the distinct columns of `key`, (n,)."""
    rank = np.lexsort(key)
    steps = (np.diff(key[:, rank], axis=1) != 0).any(axis=0) if key.shape[1] else np.array([], dtype=bool)
    number = np.zeros(key.shape[1], dtype=np.int64)
    number[rank[1:]] = np.cumsum(steps)
    return number


def _places(futures: Futures, offers: Sequence[Offer]) -> tuple[IntArray, IntArray]:
    """Row number of the item and index of the slot of each offer."""
    rows = {item_id: k for k, item_id in enumerate(futures.items.frame["item_id"])}
    numbers = {slot.slot_id: k for k, slot in enumerate(futures.slots)}
    for offer in offers:
        if offer.item_id not in rows:
            raise InputError(f"The shop does not sell {offer.item_id!r}. Plan with its own items only.")
        if offer.slot_id not in numbers:
            raise InputError(f"Offer of {offer.item_id} names slot {offer.slot_id!r}, which is not among the slots.")
    return (
        np.array([rows[offer.item_id] for offer in offers], dtype=np.int64),
        np.array([numbers[offer.slot_id] for offer in offers], dtype=np.int64),
    )


def _check(futures: Futures, offers: Sequence[Offer]) -> None:
    item, _ = _places(futures, offers)
    busy: dict[str, list[tuple[datetime, datetime]]] = {}
    by_id: dict[str, Slot] = {slot.slot_id: slot for slot in futures.slots}
    for offer, list_price in zip(offers, futures.items.list_price[item], strict=True):
        if not 0.0 < offer.price < list_price:
            raise InputError(
                f"Offer of {offer.item_id} costs {offer.price}. Set a price above 0 below its list price {list_price}."
            )
        if not offer.quota >= 0:
            raise InputError(f"Offer of {offer.item_id} has a quota of {offer.quota}. Set it to 0 or more.")
        slot = by_id[offer.slot_id]
        if any(slot.start < end and start < slot.end for start, end in busy.get(offer.item_id, [])):
            raise InputError(
                f"Item {offer.item_id} is offered twice at one moment, again in slot {offer.slot_id}. "
                "An item has one price at a time: keep one of the offers."
            )
        busy.setdefault(offer.item_id, []).append((slot.start, slot.end))
