"""The best schedule of every item at given prices of the limits: the pricing problem of column sifting.

At a price of one unit of each row of the families (`flashlift.planning.families`) an offer is worth its value less what
it takes of the rows. A schedule of an item is a set of slots, at most `maximum` of them and each at least a pause after
the one before; the best one is found by dynamic programming over the slots in the order of their ends (weighted
interval scheduling; Kleinberg and Tardos, Algorithm Design, 2005, sec. 6.1), once for each number of appearances.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

from flashlift.domain import Campaign
from flashlift.limits import Appearances
from flashlift.planning.family import Family
from flashlift.planning.grid import Grid
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Pricer"]

WEIGHTS = {"offers": 0, "units": 1, "discount_cost": 2, "quota": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Pricer:
    """Prices schedules over the whole grid; nothing is held per offer beside the grid itself.

    Args:
        grid: the offers.
        names: name of every row.
        limits: its limit.
        bound: right-hand side of every row, families after each other, (n_rows,).
        upper: whether it is an upper bound, (n_rows,).
        penalty: of a unit beyond it, (n_rows,); inf where it may not be broken.
        own: whether it is the row of a single item, (n_rows,).
        group: group of each item in each family, (n_families, n_items).
        first: first row of each family, (n_families,).
        step: rows from one group to the next, (n_families,).
        window: which of a group's rows a slot belongs to, -1 for none, (n_families, n_slots).
        weight: number of what the family counts, (n_families,).
        factor: of each item's weight, (n_families, n_items).
        order: slots by end, (n_slots,).
        before: how many slots of that order end early enough for each slot in it, (n_slots,).
        maximum: appearances of an item.
        threads: items are priced in so many parts at once.
    """

    grid: Grid
    names: tuple[str, ...]
    limits: tuple[str, ...]
    bound: FloatArray
    upper: IntArray
    penalty: FloatArray
    own: IntArray
    group: IntArray
    first: IntArray
    step: IntArray
    window: IntArray
    weight: IntArray
    factor: FloatArray
    order: IntArray
    before: IntArray
    maximum: int
    threads: int = 1

    @classmethod
    def of(cls, campaign: Campaign, grid: Grid, rows: Sequence[Family], *, threads: int = 1) -> Pricer:
        """Lay out the campaign's rows and the order of its slots."""
        n_slots = len(campaign.slots)
        sizes = [len(family.bound) for family in rows]
        limits = [limit for limit in campaign.limits if isinstance(limit, Appearances)]
        pause = max([0.0, *(limit.cool_down_hours for limit in limits)])
        start = np.array([slot.start.timestamp() for slot in campaign.slots])
        end = np.array([slot.end.timestamp() for slot in campaign.slots])
        order = np.argsort(end, kind="stable")
        window = np.stack([family.windows(n_slots) for family in rows])
        return cls(
            grid=grid,
            names=tuple(name for family in rows for name in family.names),
            limits=tuple(family.limit or name for family in rows for name in family.names),
            bound=np.concatenate([family.bound for family in rows]),
            upper=np.repeat([int(family.upper) for family in rows], sizes),
            penalty=np.repeat([family.penalty for family in rows], sizes),
            own=np.repeat([int(family.own) for family in rows], sizes),
            group=np.stack([family.group for family in rows]).astype(np.int64),
            first=np.cumsum([0, *sizes[:-1]]),
            step=window.max(axis=1, initial=0) + 1,
            window=window,
            weight=np.array([WEIGHTS[family.weight] for family in rows]),
            factor=np.stack([family.factors() for family in rows]),
            order=order,
            before=np.searchsorted(end[order] + 3600.0 * pause, start[order] + 1e-6, side="right"),
            maximum=min([n_slots, *(limit.maximum for limit in limits)]),
            threads=threads,
        )

    def best(self, price: FloatArray, items: IntArray | None = None) -> FloatArray:
        """Worth of the best schedule of each item, 0 where none is worth anything.

        Args:
            price: of one unit of each row's bound, (n_rows,).
            items: only these, (n,); None: all.
        """
        items = np.arange(len(self.grid.stock)) if items is None else items
        out = np.zeros(len(items))
        self._run(_best, price, items, out)
        return out

    def schedules(self, price: FloatArray, items: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """The offers of the best schedule of some items: place in `items`, slot and step, sorted by place and slot."""
        slots = np.full((len(items), self.maximum), -1, dtype=np.int64)
        steps = np.full((len(items), self.maximum), -1, dtype=np.int64)
        self._run(_schedules, price, items, slots, steps)
        at, k = np.nonzero(slots >= 0)
        order = np.lexsort((slots[at, k], at))
        return at[order], slots[at, k][order], steps[at, k][order]

    def slack(self, price: FloatArray, items: IntArray) -> FloatArray:
        """What the bound at these prices falls by if an offer has to be in the plan, (n, n_slots, n_steps)."""
        out = np.full((len(items), *self.grid.value.shape[1:]), np.inf)
        self._run(_slack, price, items, out)
        return out

    def rows(self, item: IntArray, slot: IntArray, step: IntArray) -> tuple[IntArray, IntArray, FloatArray]:
        """Entries of offers in the rows: place of the offer, row and coefficient."""
        place, row, coefficient = [], [], []
        units = self.grid.units[item, slot, step].astype(np.float64)
        quota = self.grid.quota[item, slot, step].astype(np.float64)
        amounts = (np.ones(len(item)), units, units * self.grid.given[item, step], quota)
        for k, group in enumerate(self.group):
            at = np.flatnonzero((group[item] >= 0) & (self.window[k, slot] >= 0))
            place.append(at)
            row.append(self.first[k] + group[item[at]] * self.step[k] + self.window[k, slot[at]])
            coefficient.append(amounts[self.weight[k]][at] * self.factor[k, item[at]])
        return np.concatenate(place), np.concatenate(row), np.concatenate(coefficient)

    def bound_at(self, price: FloatArray) -> float:
        """No plan is worth more: Lagrangian bound at prices of the right sign."""
        return float(price @ self.bound + self.best(price).sum())

    def clipped(self, price: FloatArray) -> FloatArray:
        """Prices with the sign that their rows demand, and no dearer than their penalties."""
        upper = self.upper > 0
        return np.clip(price, np.where(upper, 0.0, -self.penalty), np.where(upper, self.penalty, 0.0))

    def _run(self, kernel: Callable[..., None], price: FloatArray, items: IntArray, *out: npt.NDArray[Any]) -> None:
        """Run a kernel over items, a part of them in each thread."""
        g = self.grid
        fixed = (
            self.group,
            self.first,
            self.step,
            self.window,
            self.weight,
            self.factor,
            self.order,
            self.before,
            self.maximum,
        )
        cuts = np.linspace(0, len(items), self.threads + 1).astype(int).tolist()

        def part(first: int, end: int) -> None:
            kernel(
                g.value,
                g.units,
                g.quota,
                g.given,
                price,
                *fixed,
                items[first:end],
                *(array[first:end] for array in out),
            )

        with ThreadPoolExecutor(self.threads) as pool:
            list(pool.map(part, cuts[:-1], cuts[1:]))


@numba.njit(cache=True)
def _toll(price, group, first, step, window, weight, factor, i, s):  # type: ignore[no-untyped-def]
    """What the rows take from an offer of item i in slot s: at all, and per unit, currency of discount and quota."""
    flat, per_unit, per_cost, per_quota = 0.0, 0.0, 0.0, 0.0
    for k in range(len(first)):
        g = group[k, i]
        if g >= 0 and window[k, s] >= 0:
            y = price[first[k] + g * step[k] + window[k, s]] * factor[k, i]
            if weight[k] == 0:
                flat += y
            elif weight[k] == 1:
                per_unit += y
            elif weight[k] == 2:
                per_cost += y
            else:
                per_quota += y
    return flat, per_unit, per_cost, per_quota


@numba.njit(cache=True)
def _worth(value, units, quota, given, price, group, first, step, window, weight, factor, i, worth, choice):  # type: ignore[no-untyped-def]
    """Best step of item i in every slot and its worth, -inf where there is none."""
    for s in range(value.shape[1]):
        flat, per_unit, per_cost, per_quota = _toll(price, group, first, step, window, weight, factor, i, s)
        top, at = -np.inf, -1
        for d in range(value.shape[2]):
            here = value[i, s, d] - units[i, s, d] * (per_unit + per_cost * given[i, d]) - quota[i, s, d] * per_quota
            if here > top:
                top, at = here, d
        worth[s] = top - flat
        choice[s] = at


@numba.njit(cache=True)
def _table(worth, order, before, maximum, table):  # type: ignore[no-untyped-def]
    """table[m, k]: worth of the best schedule of at most m of the first k slots."""
    n = len(order)
    for m in range(1, maximum + 1):
        for k in range(n):
            take = worth[order[k]] + table[m - 1, before[k]]
            table[m, k + 1] = max(table[m, k], take)


@numba.njit(cache=True, nogil=True)
def _best(  # type: ignore[no-untyped-def]
    value, units, quota, given, price, group, first, step, window, weight, factor, order, before, maximum, items, out
):
    n_slots = value.shape[1]
    for j in range(len(items)):
        worth, choice = np.empty(n_slots), np.empty(n_slots, np.int64)
        _worth(value, units, quota, given, price, group, first, step, window, weight, factor, items[j], worth, choice)
        if maximum == 1:
            out[j] = max(0.0, worth.max())
        else:
            table = np.zeros((maximum + 1, n_slots + 1))
            _table(worth, order, before, maximum, table)
            out[j] = table[maximum, n_slots]


@numba.njit(cache=True, nogil=True)
def _schedules(  # type: ignore[no-untyped-def]
    value,
    units,
    quota,
    given,
    price,
    group,
    first,
    step,
    window,
    weight,
    factor,
    order,
    before,
    maximum,
    items,
    slots,
    steps,
):
    n_slots = value.shape[1]
    for j in range(len(items)):
        worth, choice = np.empty(n_slots), np.empty(n_slots, np.int64)
        _worth(value, units, quota, given, price, group, first, step, window, weight, factor, items[j], worth, choice)
        table = np.zeros((maximum + 1, n_slots + 1))
        _table(worth, order, before, maximum, table)
        m, k, n = maximum, n_slots, 0
        while k > 0 and m > 0:
            if table[m, k] > table[m, k - 1]:
                s = order[k - 1]
                slots[j, n], steps[j, n] = s, choice[s]
                n += 1
                k = before[k - 1]
                m -= 1
            else:
                k -= 1


@numba.njit(cache=True, nogil=True)
def _slack(  # type: ignore[no-untyped-def]
    value, units, quota, given, price, group, first, step, window, weight, factor, order, before, maximum, items, out
):
    n_slots, n_steps = value.shape[1], value.shape[2]
    for j in range(len(items)):
        i = items[j]
        worth, choice = np.empty(n_slots), np.empty(n_slots, np.int64)
        _worth(value, units, quota, given, price, group, first, step, window, weight, factor, i, worth, choice)
        ahead = np.zeros((maximum + 1, n_slots + 1))
        _table(worth, order, before, maximum, ahead)
        # after[m, k]: best schedule of at most m of the slots k, k + 1 ... in the order of ends
        after = np.zeros((maximum + 1, n_slots + 1))
        for m in range(1, maximum + 1):
            for k in range(n_slots - 1, -1, -1):
                follow = n_slots
                for later in range(k + 1, n_slots):
                    if before[later] > k:
                        follow = later
                        break
                after[m, k] = max(after[m, k + 1], worth[order[k]] + after[m - 1, follow])
        total = ahead[maximum, n_slots]
        for k in range(n_slots):
            s = order[k]
            if choice[s] < 0:
                continue
            follow = n_slots
            for later in range(k + 1, n_slots):
                if before[later] > k:
                    follow = later
                    break
            rest = 0.0
            for m in range(maximum):
                rest = max(rest, ahead[m, before[k]] + after[maximum - 1 - m, follow])
            flat, per_unit, per_cost, per_quota = _toll(price, group, first, step, window, weight, factor, i, s)
            for d in range(n_steps):
                here = (
                    value[i, s, d] - units[i, s, d] * (per_unit + per_cost * given[i, d]) - quota[i, s, d] * per_quota
                )
                here -= flat
                out[j, s, d] = total - (here + rest)
