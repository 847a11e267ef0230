"""The days ahead, as far as they do not depend on the plan: shocks, demand at list price, and the noise of counting."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from flashlift.account import HORIZON_DAYS
from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law
from flashlift.market.noise import poisson_quantile
from flashlift.market.rhythm import Calendar
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Futures", "Present", "Rates", "Span"]

Span = tuple[datetime, datetime]
Rates = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Futures:
    """Futures of some items, one column each. Time in slots is cut at their borders into atoms.

    Units in a sale are the baseline units of the same column plus extra units (or less lost ones), so that
    what a sale displaces and what it adds are known apart.

    Args:
        items: all items of the shop.
        law: the law of demand.
        row: row number in the shop of each item here.
        slots: the slots of the sale.
        days: days of the horizon, by their midnights.
        horizon: from the first slot's start to the end of the account.
        atoms: windows between neighboring borders of slots that lie in some slot.
        in_slot: whether the atom is part of the slot, (n_slots, n_atoms).
        rate: expected units per day at list price given the column's shocks, (n_days, n_items, n_futures).
        atom_rate: the same within each atom, (n_atoms, n_items, n_futures).
        counts: units at list price in each atom, (n_atoms, n_items, n_futures).
        rest: units at list price in the horizon outside all atoms, (n_items, n_futures).
        reference: price that customers are used to in each atom, as a fraction of the list price, (n_atoms, n_items).
        tie_item: uniform numbers behind the extra units, (n_items, n_futures).
        tie_atom: the same for atoms; the sum of both, modulo 1, is independent for any two cells.
    """

    items: ItemBase
    law: Law
    row: IntArray
    slots: tuple[Slot, ...]
    days: list[datetime]
    horizon: Span
    atoms: list[Span]
    in_slot: npt.NDArray[np.bool_]
    rate: Rates
    atom_rate: Rates
    counts: Counts
    rest: Counts
    reference: FloatArray
    tie_item: FloatArray
    tie_atom: FloatArray

    @property
    def n_futures(self) -> int:
        """Number of futures."""
        return int(self.rest.shape[1])

    def appeal(self, atom: int, at: IntArray, discount: FloatArray, attention: FloatArray) -> FloatArray:
        """Own factor of offers of the items `at` on their demand in the atom, (n,)."""
        return self.law.appeal(self.row[at], discount, self.reference[atom, at], attention)

    def wanted(self, atom: int, at: IntArray, factor: FloatArray) -> FloatArray:
        """Units demanded in the atom at `factor` (n, n_futures) on the demand at list price, same shape.

        The same column is the same state of the world for every factor; a larger factor never gives fewer units.
        """
        count = self.counts[atom, at].astype(np.float64)
        tie = (self.tie_item[at] + self.tie_atom[atom]) % 1.0
        gained = poisson_quantile(tie, self.atom_rate[atom, at] * np.maximum(factor - 1.0, 0.0))
        lost = np.minimum(np.floor(count * np.maximum(1.0 - factor, 0.0) + tie), count)
        return np.asarray(count + gained - lost)

    def without_sale(self, at: IntArray) -> FloatArray:
        """Units at list price over the horizon, (n, n_futures)."""
        return np.asarray(self.counts[:, at].sum(axis=0) + self.rest[at], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """All that is so at the time of decision: the true parameters and the hidden state, but no future shock.

    Args:
        config: the shop; its `now` is the time of decision.
        items: what is sold.
        calendar: the shop's rhythm.
        law: the law of demand.
        state: hidden log demand state of each item, (n_items,).
        payback: units that sales of the past will be missing on each day from now on, (HORIZON_DAYS, n_items).
        reference: price that customers are used to, as a fraction of the list price, (n_items,).
    """

    config: MarketConfig
    items: ItemBase
    calendar: Calendar
    law: Law
    state: FloatArray
    payback: FloatArray
    reference: FloatArray

    def futures(self, row: IntArray, slots: Sequence[Slot], n_futures: int, *, rng: np.random.Generator) -> Futures:
        """Futures of the items `row`; memory is 8 bytes x items x futures x (horizon in days / 2 + atoms).

        Raises:
            InputError: no slot, a slot that begins before the present or is no window of its own, or no future.
        """
        if n_futures < 1:
            raise InputError(f"{n_futures} futures tell nothing. Ask for 1 or more.")
        now = self.config.now
        horizon = _horizon(slots, now)
        shocks, noise, ties = rng.spawn(3)
        first, last = (horizon[0] - now) // timedelta(days=1), -((now - horizon[1]) // timedelta(days=1))
        days = [now + timedelta(days=d) for d in range(first, last)]
        rate = self._rates(row, first, last, n_futures, shocks)
        atoms = _atoms(slots)
        shares = self.calendar.shares(atoms, days)
        atom_rate = np.stack([_within(share, rate) for share in shares])
        rest = _within(self.calendar.shares([horizon], days)[0] - shares.sum(axis=0), rate)
        opens = [(start - now) // timedelta(days=1) for start, _ in atoms]
        return Futures(
            items=self.items,
            law=self.law,
            row=row,
            slots=tuple(slots),
            days=days,
            horizon=horizon,
            atoms=atoms,
            in_slot=np.array([[slot.start <= a and b <= slot.end for a, b in atoms] for slot in slots]),
            rate=rate,
            atom_rate=atom_rate,
            counts=noise.poisson(atom_rate).astype(np.int32),
            rest=noise.poisson(rest).astype(np.int32),
            reference=np.stack([self._reference(row, day) for day in opens]),
            tie_item=ties.random((len(row), n_futures)),
            tie_atom=ties.random((len(atoms), n_futures)),
        )

    def _reference(self, row: IntArray, day: int) -> FloatArray:
        """What customers are used to `day` days from now, if nothing is on sale until then."""
        return np.asarray(1.0 - (1.0 - self.reference[row]) * self.law.price.memory**day)

    def _rates(self, row: IntArray, first: int, last: int, n: int, rng: np.random.Generator) -> Rates:
        """Units per day at list price on days `first` to `last` after now, (n_days, n_items, n_futures)."""
        config = self.config
        shock_sd = np.float32(config.state_sd * np.sqrt(1.0 - config.state_rho**2))
        rho = np.float32(config.state_rho)
        state = np.repeat(self.state[row].astype(np.float32)[:, None], n, axis=1)
        rate = np.empty((last - first, len(row), n), np.float32)
        for day in range(last):
            state = rho * state + shock_sd * rng.standard_normal((len(row), n), dtype=np.float32)
            traffic = rng.normal(-(config.traffic_sd**2) / 2, config.traffic_sd, n)
            if day < first:
                continue
            season = self.calendar.day_factor(config.now + timedelta(days=day))[self.items.category[row]]
            used_to = self.law.price.factor(row, np.zeros(len(row)), self._reference(row, day))
            normal = (self.items.rate[row] * season * used_to).astype(np.float32)[:, None]
            now = normal * np.exp(state + (traffic - config.state_sd**2 / 2).astype(np.float32))
            missing = self.payback[day, row] if day < len(self.payback) else np.zeros(len(row))
            rate[day - first] = np.maximum(now - missing.astype(np.float32)[:, None], 0.0)
        return rate


def _horizon(slots: Sequence[Slot], now: datetime) -> Span:
    if not slots:
        raise InputError("There is no slot to draw demand for. Give at least one.")
    names = [slot.slot_id for slot in slots]
    if len(set(names)) < len(names):
        raise InputError(f"Two slots share a name ({', '.join(names)}). Give each its own.")
    for slot in slots:
        if slot.start.utcoffset() is None or slot.end.utcoffset() is None:
            raise InputError(f"Slot {slot.slot_id} has times without a time zone. Give them in UTC.")
        if slot.end <= slot.start:
            raise InputError(f"Slot {slot.slot_id} ends at {slot.end.isoformat()}, not after its start. Swap them.")
    early = min(slots, key=lambda slot: slot.start)
    if early.start < now:
        raise InputError(
            f"Slot {early.slot_id} begins at {early.start.isoformat()}, before the shop's present {now.isoformat()}. "
            "Choose slots after it."
        )
    return early.start, max(slot.end for slot in slots) + timedelta(days=HORIZON_DAYS)


def _atoms(slots: Sequence[Slot]) -> list[Span]:
    borders = sorted({border for slot in slots for border in (slot.start, slot.end)})
    return [(a, b) for a, b in pairwise(borders) if any(slot.start <= a and b <= slot.end for slot in slots)]


def _within(share: FloatArray, rate: Rates) -> Rates:
    """Expected units in a window that holds `share` (n_days,) of each day, (n_items, n_futures)."""
    mean = np.zeros(rate.shape[1:], np.float32)
    for day in np.flatnonzero(share > 1e-12):
        mean += np.float32(share[day]) * rate[day]
    return mean
