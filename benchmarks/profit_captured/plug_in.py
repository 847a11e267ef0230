"""Draws of demand from point predictions: what a shop plugs into its optimizer when its model has no uncertainty.

Units are Poisson around the predicted means; nothing else varies. Purchases that a sale only pulls forward and
purchases that other items lose are ignored, as those who plug in predictions ignore them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.panel import in_order
from flashlift.account import HORIZON_DAYS
from flashlift.demand.draws import poisson_quantile
from flashlift.protocols import FloatArray, IntArray, SparseEffects

__all__ = ["PlugInDraws", "horizon_days", "hour_shares", "log_linear", "plug_in", "slot_days", "usual_units"]

_ROUNDING = 0.005  # a price rounded to the cent is still the step of the ladder it came from
_DAY = timedelta(days=1)
_WINDOW_DAYS = 28  # what counts as recent


@dataclass(frozen=True, slots=True, kw_only=True)
class PlugInDraws:
    """Implements `DemandDraws` for n items, S slots and K discounts.

    Args:
        slot_units: expected units of each slot at list price, (n, S).
        horizon_units: expected units at list price from the first slot's start to 28 days after the last end, (n,).
        discounts: discounts of the table, ascending, in (0, 1), (K,).
        multiplier: factor on units at each of them, at least 1, never falling with the discount, (n, K).
        deepest: deepest discount in the log that the factors rest on, (n,).
        uniform_item: uniform numbers behind the counts, (n, n_draws).
        uniform_slot: the same for slots and, last, for the rest of the horizon, (S + 1, n_draws); the sum of both,
            modulo 1, is uniform and independent for any two cells.
    """

    slot_units: FloatArray
    horizon_units: FloatArray
    discounts: FloatArray
    multiplier: FloatArray
    deepest: FloatArray
    uniform_item: FloatArray
    uniform_slot: FloatArray

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.uniform_item.shape[1])

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        """Units demanded in the slot, (n, n_draws); those whom the sale does not reach buy as if there were none."""
        lift = self.factor(item, discount)
        if reach is not None:
            lift = 1.0 + (lift - 1.0) * reach
        return self._count(item, slot, self.slot_units[item, slot] * lift)

    def factor(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """Factor on units, (n,): log-linear in ln price between 1 at list price and the table; flat beyond its end."""
        knots = np.append(0.0, -np.log1p(-self.discounts))
        heights = np.log(np.column_stack([np.ones(len(self.multiplier)), self.multiplier]))
        x = np.minimum(-np.log1p(-np.maximum(discount, 0.0)), knots[-1])
        right = np.clip(np.searchsorted(knots, x, side="left"), 1, len(knots) - 1)
        part = (x - knots[right - 1]) / (knots[right] - knots[right - 1])
        low, high = heights[item, right - 1], heights[item, right]
        return np.asarray(np.exp(low + part * (high - low)))

    def without_sale(self, item: IntArray) -> FloatArray:
        """Units at list price over the horizon, (n, n_draws): those of the slots and the rest."""
        n_slots = self.slot_units.shape[1]
        rest = np.maximum(self.horizon_units - self.slot_units.sum(axis=1), 0.0)
        total = self._count(item, np.full(len(item), n_slots), rest[item])
        for slot in range(n_slots):
            total += self._count(item, np.full(len(item), slot), self.slot_units[item, slot])
        return total

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """None: pull-forward is not modeled."""
        return np.zeros_like(extra_units)

    def cross(self) -> SparseEffects:
        """None: items are predicted one by one."""
        nothing = np.array([], dtype=np.int64)
        return SparseEffects(source=nothing, target=nothing, effect=np.array([]))

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """0 up to the deepest discount seen, inf beyond it, (n,)."""
        return np.where(discount <= self.deepest[item] + _ROUNDING, 0.0, np.inf)

    def _count(self, item: IntArray, slot: IntArray, mean: FloatArray) -> FloatArray:
        uniform = (self.uniform_item[item] + self.uniform_slot[slot]) % 1.0
        return poisson_quantile(uniform, np.repeat(mean[:, None], self.n_draws, axis=1))


def plug_in(case: Case, *, daily_units: FloatArray, multiplier: FloatArray, deepest: FloatArray) -> PlugInDraws:
    """Draws for the items and slots of a case.

    Args:
        case: its ladder gives the discounts, its seed the noise.
        daily_units: expected units at list price on each of `horizon_days`, (n_items, n_days).
        multiplier: factor on units at each step of the ladder, (n_items, n_steps), in the ladder's order. A factor
            below that of a smaller discount, or below 1, is raised to it: the protocol wants demand to rise.
        deepest: deepest discount in the log that the factors rest on, (n_items,).
    """
    ladder = np.array(case.campaign.ladder)
    order = np.argsort(ladder)
    slots = [(slot.start, slot.end) for slot in case.campaign.slots]
    hours, days = hour_shares(case), horizon_days(case)
    rng = np.random.default_rng(case.seed)
    return PlugInDraws(
        slot_units=daily_units @ _window_shares(hours, slots, days).T,
        horizon_units=daily_units @ _window_shares(hours, [_horizon(case)], days)[0],
        discounts=ladder[order],
        multiplier=np.maximum.accumulate(np.maximum(multiplier[:, order], 1.0), axis=1),
        deepest=deepest,
        uniform_item=rng.random((len(daily_units), case.n_draws)),
        uniform_slot=rng.random((len(slots) + 1, case.n_draws)),
    )


def log_linear(case: Case, panel: pl.DataFrame, responses: pl.DataFrame) -> Estimated:
    """Units at list price are the item's recent mean; a regression's elasticity and lift tell the rest.

    Args:
        case: the shop.
        panel: as `build_panel` makes it.
        responses: item_id, elasticity, ci_lower, ci_upper, log_lift, deepest; items left out do not respond.
    """
    own = in_order(case, responses).fill_null(0.0)
    log_price = np.log1p(-np.array(case.campaign.ladder))
    log_factor = own["elasticity"].to_numpy()[:, None] * log_price + own["log_lift"].to_numpy()[:, None]
    return Estimated(
        draws=plug_in(
            case,
            daily_units=usual_units(case, panel, window_days=_WINDOW_DAYS),
            multiplier=np.exp(log_factor),
            deepest=own["deepest"].to_numpy(),
        ),
        elasticities=responses.select("item_id", "elasticity", "ci_lower", "ci_upper"),
    )


def horizon_days(case: Case) -> list[datetime]:
    """Midnights of the days that the account touches, from the first slot's start to 28 days after the last end."""
    start, end = _horizon(case)
    first = start.replace(hour=0, minute=0, second=0, microsecond=0)
    return [first + k * _DAY for k in range(-((first - end) // _DAY))]


def slot_days(case: Case) -> IntArray:
    """Indices into `horizon_days` of the days that hold a slot, ascending."""
    slots = [(slot.start, slot.end) for slot in case.campaign.slots]
    shares = _window_shares(np.full((2, 24), 1 / 24), slots, horizon_days(case))
    return np.flatnonzero(shares.sum(axis=0))


def usual_units(case: Case, panel: pl.DataFrame, *, window_days: int) -> FloatArray:
    """Expected units at list price on each of `horizon_days`, (n_items, n_days): recent mean x weekday of the shop.

    The mean is over the normal days (no promotion, in stock) of the last `window_days`; of an item without any, over
    all its normal days, and 0 without these. The weekday's factor is the shop's: single items sell too little for one.
    """
    normal = panel.filter(~pl.col("in_promotion") & ~pl.col("sold_out"))
    recent = normal.filter(pl.col("day") >= pl.lit(case.now.date()) - pl.duration(days=window_days))
    ever = normal.group_by("item_id").agg(pl.col("units").mean().alias("ever"))
    mean = ever.join(recent.group_by("item_id").agg(pl.col("units").mean()), on="item_id", how="left")
    level = in_order(case, mean).select(pl.coalesce("units", "ever").fill_null(0.0)).to_series().to_numpy()
    by_weekday = normal.group_by("weekday").agg(pl.col("units").mean()).sort("weekday")["units"].to_numpy()
    factor = by_weekday / by_weekday.mean()
    return np.asarray(np.outer(level, [factor[day.weekday()] for day in horizon_days(case)]))


def hour_shares(case: Case) -> FloatArray:
    """Share of each hour in the units of a day, (2: weekday and weekend, 24); rows sum to 1.

    From the purchases before `case.now`, with a unit lent to each hour, so that a rare hour is not impossible.
    """
    at = pl.col("at")
    bought = (
        case.tables.events.filter((pl.col("event") == "purchase") & (at < case.now))
        .group_by((at.dt.weekday() >= 6).cast(pl.Int64).alias("weekend"), at.dt.hour().cast(pl.Int64).alias("hour"))
        .agg(pl.col("quantity").sum())
        .collect()
    )
    units = np.ones((2, 24))
    units[bought["weekend"].to_numpy(), bought["hour"].to_numpy()] += bought["quantity"].to_numpy()
    return np.asarray(units / units.sum(axis=1, keepdims=True))


def _horizon(case: Case) -> tuple[datetime, datetime]:
    slots = case.campaign.slots
    return min(slot.start for slot in slots), max(slot.end for slot in slots) + HORIZON_DAYS * _DAY


def _window_shares(
    hours: FloatArray, windows: Sequence[tuple[datetime, datetime]], days: Sequence[datetime]
) -> FloatArray:
    """Share of each day's units that falls into each window, (n_windows, n_days)."""
    hour = np.arange(24.0)
    shares = np.zeros((len(windows), len(days)))
    for w, (start, end) in enumerate(windows):
        for d, day in enumerate(days):
            lower, upper = (start - day) / timedelta(hours=1), (end - day) / timedelta(hours=1)
            inside = np.clip(np.minimum(hour + 1.0, upper) - np.maximum(hour, lower), 0.0, 1.0)
            shares[w, d] = inside @ hours[int(day.weekday() >= 5)]
    return shares
