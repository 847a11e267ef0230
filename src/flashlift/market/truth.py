"""The truth as a demand model: it knows every parameter and today's hidden state, but not tomorrow's shocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.market.config import MarketConfig
from flashlift.market.noise import poisson_quantile
from flashlift.market.population import ItemBase
from flashlift.market.response import LogLinear
from flashlift.market.rhythm import Calendar
from flashlift.protocols import FloatArray, IntArray, SparseEffects
from flashlift.schema import SaleItems

__all__ = ["Truth", "TruthDraws"]

Window = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Implements `DemandModel` with the true parameters.

    Args:
        config: the world; its `now` is the time of decision.
        items: what is sold.
        calendar: the shop's rhythm.
        response: the law of demand.
        state: hidden log demand state of each item at `now`.
        payback: units that sales of the past will be missing on each day from `now` on, (HORIZON_DAYS, n_items).
    """

    config: MarketConfig
    items: ItemBase
    calendar: Calendar
    response: LogLinear
    state: FloatArray
    payback: FloatArray

    def draw(self, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, *, rng: np.random.Generator) -> TruthDraws:
        """Draws over future shocks and Poisson noise; memory is 4 bytes x items x draws x (horizon in days + atoms).

        Raises:
            InputError: an item the shop does not have, no slot, or a slot that begins before `now`.
        """
        row = self._rows(items)
        horizon = _horizon(slots, self.config.now)
        shocks, noise, ties = rng.spawn(3)
        first = (horizon[0] - self.config.now) // timedelta(days=1)
        last = -((self.config.now - horizon[1]) // timedelta(days=1))
        days = [self.config.now + timedelta(days=d) for d in range(first, last)]
        rate = self._rates(row, first, last, n_draws, shocks)
        atoms = _atoms(slots)
        shares = self.calendar.shares(atoms, days)
        rest = self.calendar.shares([horizon], days)[0] - shares.sum(axis=0)
        return TruthDraws(
            response=self.response,
            row=row,
            days=days,
            horizon=horizon,
            atoms=atoms,
            rate=rate,
            in_slot=np.array([[slot.start <= a and b <= slot.end for a, b in atoms] for slot in slots]),
            shares=shares,
            counts=np.stack([_count(share, rate, noise) for share in shares]),
            rest=_count(rest, rate, noise),
            tie_item=ties.random((len(row), n_draws)),
            tie_slot=ties.random((len(slots), n_draws)),
        )

    def _rows(self, items: pl.DataFrame) -> IntArray:
        """Row number in the shop of each item asked for."""
        own = self.items.frame.select(SaleItems.item_id.name).with_row_index("row")
        row = items.select(SaleItems.item_id.name).join(
            own, on=SaleItems.item_id.name, how="left", maintain_order="left"
        )
        unknown = row.filter(pl.col("row").is_null())
        if len(unknown):
            raise InputError(
                f"The shop does not sell {unknown[SaleItems.item_id.name][0]!r}. Ask for its own items only."
            )
        return row["row"].to_numpy().astype(np.int64)

    def _rates(
        self, row: IntArray, first: int, last: int, n_draws: int, rng: np.random.Generator
    ) -> npt.NDArray[np.float32]:
        """Units per day at list price on days `first` to `last` after `now`, (n_days, n_items, n_draws)."""
        config, n = self.config, len(row)
        shock_sd = np.float32(config.state_sd * np.sqrt(1.0 - config.state_rho**2))
        rho = np.float32(config.state_rho)
        state = np.repeat(self.state[row].astype(np.float32)[:, None], n_draws, axis=1)
        rate = np.empty((last - first, n, n_draws), np.float32)
        for day in range(last):
            state = rho * state + shock_sd * rng.standard_normal((n, n_draws), dtype=np.float32)
            traffic = rng.normal(-(config.traffic_sd**2) / 2, config.traffic_sd, n_draws)
            if day < first:
                continue
            season = self.calendar.day_factor(config.now + timedelta(days=day))[self.items.category[row]]
            normal = (self.items.rate[row] * season).astype(np.float32)[:, None]
            now = normal * np.exp(state + (traffic - config.state_sd**2 / 2).astype(np.float32))
            missing = self.payback[day, row] if day < len(self.payback) else np.zeros(n)
            rate[day - first] = np.maximum(now - missing.astype(np.float32)[:, None], 0.0)
        return rate


@dataclass(frozen=True, slots=True, kw_only=True)
class TruthDraws:
    """Implements `DemandDraws`. Time in slots is cut at their borders into atoms, each with its own baseline units.

    Units in a sale are the baseline units of the same column plus extra units, so that what a sale displaces
    and what it adds are known apart.

    Args:
        response: the law of demand.
        row: row number in the shop of each item.
        days: days of the horizon, by their midnights.
        horizon: from the first slot's start to the end of the account.
        atoms: windows between neighboring borders of slots that lie in some slot.
        rate: units per day at list price, (n_days, n_items, n_draws).
        in_slot: whether the atom is part of the slot, (n_slots, n_atoms).
        shares: share of each day's demand in each atom, (n_atoms, n_days).
        counts: baseline units, (n_atoms, n_items, n_draws).
        rest: units at list price in the horizon outside all atoms, (n_items, n_draws).
        tie_item: uniform numbers behind the extra units, (n_items, n_draws).
        tie_slot: the same for slots; the sum of both, modulo 1, is independent for any two cells.
    """

    response: LogLinear
    row: IntArray
    days: list[datetime]
    horizon: Window
    atoms: list[Window]
    rate: npt.NDArray[np.float32]
    in_slot: npt.NDArray[np.bool_]
    shares: FloatArray
    counts: npt.NDArray[np.int32]
    rest: npt.NDArray[np.int32]
    tie_item: FloatArray
    tie_slot: FloatArray

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        return int(self.rate.shape[2])

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        """Units demanded in the slot; those whom the sale does not reach buy as if there were none."""
        units = np.empty((len(item), self.n_draws))
        factor = self.response.multiplier(self.row[item], discount) - 1.0
        if reach is not None:
            factor = factor * reach
        for s in np.unique(slot):
            cells = np.flatnonzero(slot == s)
            at = item[cells]
            units[cells] = self.counts[self.in_slot[s]][:, at].sum(axis=0)
            mean = factor[cells, None] * self.slot_rate(int(s), at)
            units[cells] += poisson_quantile((self.tie_item[at] + self.tie_slot[s]) % 1.0, mean)
        return units

    def slot_rate(self, slot: int, item: IntArray) -> FloatArray:
        """Expected units at list price in the slot given the column's shocks, (n, n_draws)."""
        share = self.shares[self.in_slot[slot]].sum(axis=0)
        on = np.flatnonzero(share)
        return np.asarray(np.einsum("d,dnk->nk", share[on], self.rate[on][:, item]))

    def without_sale(self, item: IntArray) -> FloatArray:
        """Units at list price over the horizon."""
        return np.asarray(self.counts[:, item].sum(axis=0) + self.rest[item], dtype=np.float64)

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """What was only pulled forward, as a negative number of units."""
        return np.asarray(0.0 - self.response.pulled(self.row[item], extra_units))

    def cross(self) -> SparseEffects:
        """None: in this world items do not compete."""
        nothing = np.array([], dtype=np.int64)
        return SparseEffects(source=nothing, target=nothing, effect=np.array([]))

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """0 everywhere: the truth need not see to know."""
        return np.zeros(len(item))


def _horizon(slots: Sequence[Slot], now: datetime) -> Window:
    if not slots:
        raise InputError("There is no slot to draw demand for. Give at least one.")
    early = min(slots, key=lambda slot: slot.start)
    if early.start < now:
        raise InputError(
            f"Slot {early.slot_id} begins at {early.start.isoformat()}, before the shop's present {now.isoformat()}. "
            "Choose slots after it."
        )
    return early.start, max(slot.end for slot in slots) + timedelta(days=HORIZON_DAYS)


def _atoms(slots: Sequence[Slot]) -> list[Window]:
    borders = sorted({border for slot in slots for border in (slot.start, slot.end)})
    return [(a, b) for a, b in pairwise(borders) if any(slot.start <= a and b <= slot.end for slot in slots)]


def _count(share: FloatArray, rate: npt.NDArray[np.float32], rng: np.random.Generator) -> npt.NDArray[np.int32]:
    """Poisson units in a window that holds `share` (n_days,) of each day, (n_items, n_draws)."""
    on = np.flatnonzero(share > 1e-12)
    mean = np.zeros(rate.shape[1:])
    for day in on:
        mean += share[day] * rate[day]
    return rng.poisson(mean).astype(np.int32)
