"""The past, day by day: demand nobody sees, a merchant who discounts what sells badly, stock that runs out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law
from flashlift.market.rhythm import Calendar
from flashlift.protocols import FloatArray
from flashlift.schema import ItemHistory, Promotions

__all__ = ["Past", "item_history", "live_through", "promotions"]

_COOL_DOWN_DAYS = 21
_LATE_DELIVERY_FRAC = 0.15
_PAYBACK = 0.9 ** np.arange(HORIZON_DAYS)  # when pulled-forward purchases are missing: soon, and then less and less
_PAYBACK /= _PAYBACK.sum()
_MOST_WAITING = 0.6  # of a day's customers: the others want it now

Cells = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """What happened, one row per day of the log and one column per item.

    Args:
        state: hidden log demand state, mean 0.
        rate: expected units at list price with every shelf full, what other days took taken off; also hidden.
        discount: fraction off the list price; 0 outside promotions.
        sold: units sold.
        on_hand: units at midnight, (days + 1, n_items); the last row is the stock at the decision.
        promotion: start, length, item, position, randomized of each promotion, (n, 5), days as numbers.
        payback: units that purchases pulled forward in the log will be missing on each day after it,
            (HORIZON_DAYS, n_items).
        reference: price that customers are used to at the end of the log, as a fraction of the list price, (n_items,).
    """

    state: Cells
    rate: Cells
    discount: FloatArray
    sold: Counts
    on_hand: Counts
    promotion: npt.NDArray[np.int64]
    payback: FloatArray
    reference: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Chances:
    """One stream of random numbers per mechanism, so that changing one does not shift the others'."""

    state: np.random.Generator
    merchant: np.random.Generator
    lots: np.random.Generator
    demand: np.random.Generator
    supply: np.random.Generator


def live_through(
    config: MarketConfig, items: ItemBase, calendar: Calendar, law: Law, *, rng: np.random.Generator
) -> Past:
    """Play the days of the log in order; each day is one step over all items."""
    chances = Chances(**dict(zip(Chances.__slots__, rng.spawn(5), strict=True)))
    days, n = config.days, len(items)
    every, none = np.arange(n), np.zeros(n)
    state = chances.state.normal(0.0, config.state_sd, n)
    shock_sd = config.state_sd * np.sqrt(1.0 - config.state_rho**2)
    merchant = _Merchant(config, items, law.notice_days)
    warehouse = _Warehouse(config, items, law.cover, chances.supply)
    states, rates = np.empty((days, n), np.float32), np.empty((days, n), np.float32)
    sold = np.empty((days, n), np.int32)
    payback, waiting = np.zeros((days + HORIZON_DAYS, n)), np.zeros((days, n))
    reference = np.ones(n)
    for day in range(days):
        state = config.state_rho * state + shock_sd * chances.state.standard_normal(n)
        traffic = np.exp(chances.state.normal(0.0, config.traffic_sd) - config.traffic_sd**2 / 2)
        season = calendar.day_factor(config.start + timedelta(days=day))[items.category]
        normal = items.rate * season * traffic * np.exp(state - config.state_sd**2 / 2) * (day >= items.arrival)
        used_to = law.price.factor(every, none, reference)
        for start, length, item in merchant.decide(day, state, chances):
            usual = law.appeal(*(np.array([v]) for v in (item, merchant.discount[start, item], reference[item])))
            share = law.wait[item] * (usual[0] - 1.0) * length / max(start - day, 1)
            waiting[day:start, item] = min(share, _MOST_WAITING)
        rate = np.maximum(normal * used_to * (1.0 - waiting[day]) - payback[day], 0.0)

        deals = np.flatnonzero(merchant.discount[day])
        appeal = np.ones(n)
        depth = merchant.discount[day, deals]
        seen = law.attention.share(depth, merchant.position[day, deals])
        appeal[deals] = law.appeal(deals, depth, reference[deals], seen)
        appeal *= law.choice.factor(items.group, rate, appeal * (warehouse.on_hand[day] > 0))
        at_list = chances.demand.poisson(rate)
        gained = chances.demand.poisson(rate * np.maximum(appeal - 1.0, 0.0))
        wanted = chances.demand.binomial(at_list, np.minimum(appeal, 1.0)) + gained
        sold[day] = warehouse.sell(day, wanted, at_list)
        missing = law.pull[deals] * np.maximum(sold[day, deals] - at_list[deals].astype(float), 0.0)
        # The law holds for a sale as a whole: what it pulled forward is missing after its end, not within it.
        after = merchant.ends[deals] + np.arange(HORIZON_DAYS)[:, None]
        payback[after, deals] += _PAYBACK[:, None] * missing
        reference = law.price.memory * reference + (1.0 - law.price.memory) * (1.0 - merchant.discount[day])
        states[day], rates[day] = state, rate
    return Past(
        state=states,
        rate=rates,
        discount=merchant.discount,
        sold=sold,
        on_hand=warehouse.on_hand,
        promotion=np.array(merchant.promotion, dtype=np.int64).reshape(-1, 5),
        payback=payback[days:],
        reference=reference,
    )


class _Merchant:
    """Discounts what sells badly, and deeper the worse it sells. He knows the hidden state; the log does not."""

    def __init__(self, config: MarketConfig, items: ItemBase, notice_days: int) -> None:
        self._config, self._items, self._notice = config, items, notice_days
        self._free_from = items.arrival + 14
        self.ends = np.zeros(len(items), dtype=np.int64)  # end of the latest promotion, as a day
        self.discount = np.zeros((config.days, len(items)))
        self.position = np.ones((config.days, len(items)), dtype=np.int64)
        self.promotion: list[tuple[int, int, int, int, int]] = []

    def decide(self, day: int, state: FloatArray, chances: Chances) -> list[tuple[int, int, int]]:
        """Decide on `day` about promotions that start after the notice; start, length and item of each."""
        config, n = self._config, len(state)
        strength = state / config.state_sd if config.state_sd else state
        per_day = config.promotions_per_item / max(config.days - 14, 1)
        weak = np.exp(-config.endogeneity * strength - config.endogeneity**2 / 2)  # mean 1 over normal strengths
        chosen = chances.merchant.random(n) < np.minimum(per_day * (1.0 - config.randomized_frac) * weak, 0.5)
        depth = 0.2 - 0.02 * config.endogeneity * (strength + config.endogeneity) + chances.merchant.normal(0, 0.08, n)
        length = chances.merchant.integers(1, 5, n)
        by_lot = chances.lots.random(n) < per_day * config.randomized_frac
        depth = np.where(by_lot, chances.lots.uniform(0.05, 0.45, n), depth)
        depth = np.clip(np.round(depth * 20) / 20, 0.05, 0.5)
        position = chances.merchant.integers(1, 13, n)
        start = day + self._notice
        possible = (start >= self._free_from) & (start + length <= config.days)
        decided = []
        for item in np.flatnonzero((chosen | by_lot) & possible):
            end = start + int(length[item])
            self.discount[start:end, item], self.position[start:end, item] = depth[item], position[item]
            self.promotion.append((start, end - start, int(item), int(position[item]), int(by_lot[item])))
            self.ends[item] = end
            self._free_from[item] = end + _COOL_DOWN_DAYS
            decided.append((start, end - start, int(item)))
        return decided


class _Warehouse:
    """Reorders by a smoothed forecast of what was sold. Late deliveries and rising demand empty the shelf."""

    def __init__(self, config: MarketConfig, items: ItemBase, cover: float, rng: np.random.Generator) -> None:
        n = len(items)
        self._rng = rng
        self._cover = config.cover_days * cover * rng.lognormal(0.0, 0.7, n)  # some goods are always short
        self._forecast = items.rate * rng.lognormal(0.0, 0.2, n)
        self._arriving = np.zeros((config.days + 80, n), np.int32)
        self._coming = np.zeros(n, np.int32)
        self._arrival = items.arrival
        self.on_hand = np.zeros((config.days + 1, n), np.int32)
        self._first = np.ceil(self._forecast * self._cover * rng.uniform(0.5, 1.0, n)).astype(np.int32) + 1
        self.on_hand[0] = np.where(items.arrival == 0, self._first, 0)

    def sell(self, day: int, wanted: npt.NDArray[np.int64], at_list: npt.NDArray[np.int64]) -> Counts:
        """Units sold on `day`; sets the stock of the next midnight."""
        stock = self.on_hand[day]
        sold: Counts = np.minimum(wanted, stock).astype(np.int32)
        left = stock - sold
        seen = (left > 0) & (day >= self._arrival)  # an empty shelf teaches nothing about demand
        self._forecast = np.where(seen, 0.95 * self._forecast + 0.05 * np.minimum(at_list, stock), self._forecast)

        n = len(stock)
        lead = self._rng.integers(4, 13, n) + np.where(self._rng.random(n) < _LATE_DELIVERY_FRAC, 30, 0)
        low = (left + self._coming < self._forecast * (8 + self._cover / 3)) & (day >= self._arrival)
        order = np.where(
            low, np.maximum(np.ceil(self._forecast * self._cover).astype(np.int32) + 1 - self._coming, 0), 0
        )
        self._arriving[day + lead, np.arange(n)] += order
        self._coming += order

        # A shelf that became empty today stays empty tomorrow: the log shows each sell-out as a day of zero stock.
        emptied = (left == 0) & (stock > 0)
        self._arriving[day + 2] += np.where(emptied, self._arriving[day + 1], 0)
        delivered = np.where(emptied, 0, self._arriving[day + 1])
        self._coming -= delivered
        self.on_hand[day + 1] = left + delivered + np.where(self._arrival == day + 1, self._first, 0)
        return sold


def item_history(config: MarketConfig, items: ItemBase, past: Past) -> pl.DataFrame:
    """Schema ItemHistory: price and stock at every midnight where one of them changed."""
    price = items.price(np.vstack([past.discount, np.zeros(len(items))]))
    changed = np.ones(price.shape, bool)
    changed[1:] = (np.diff(past.on_hand, axis=0) != 0) | (np.diff(price, axis=0) != 0)
    changed &= np.arange(config.days + 1)[:, None] >= items.arrival
    changed[items.arrival, np.arange(len(items))] = True
    item, day = np.nonzero(changed.T)
    frame = pl.DataFrame(
        {
            ItemHistory.item_id.name: items.frame[ItemHistory.item_id.name].gather(item),
            ItemHistory.at.name: _at(config, day),
            ItemHistory.price.name: price[day, item],
            ItemHistory.unit_cost.name: items.unit_cost[item],
            ItemHistory.on_hand.name: past.on_hand[day, item].astype(np.int64),
        }
    )
    return ItemHistory.validate(frame)


def promotions(config: MarketConfig, items: ItemBase, past: Past) -> pl.DataFrame:
    """Schema Promotions, by start and item."""
    start, length, item, position, randomized = past.promotion.T
    frame = pl.DataFrame(
        {
            Promotions.item_id.name: items.frame[Promotions.item_id.name].gather(item),
            Promotions.start.name: _at(config, start),
            Promotions.end.name: _at(config, start + length),
            Promotions.price.name: items.price(past.discount[start, item], item),
            Promotions.position.name: position,
            Promotions.randomized.name: randomized.astype(bool),
        }
    )
    return Promotions.validate(frame)


def _at(config: MarketConfig, day: npt.NDArray[np.int64]) -> pl.Series:
    first = pl.Series([config.start], dtype=pl.Datetime("us", "UTC")).to_physical()[0]
    return pl.Series(day * 86_400_000_000 + first).cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
