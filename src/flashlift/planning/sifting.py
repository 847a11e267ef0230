"""The linear relaxation of a large campaign by column sifting: its prices, and a bound that holds for every plan.

Prices of the rows are first brought near: one price for all rows of a family by line search on a sample of the items,
then projected subgradient steps on the items that look best (Polyak, 1969).
Then, again and again: the restricted programme (`flashlift.planning.master`) is solved, all schedules of all items are
priced with its duals (`flashlift.planning.schedules`), and the best of those that would improve it are added
(Gilmore and Gomory, 1961; sifting: Bixby et al., Operations Research 40, 1992). While the programme is far from the
bound its duals say little, so they are pulled towards the best prices known (Wentges, International Transactions in
Operational Research 4, 1997). At any prices of the right sign

    bound = prices @ right-hand sides + sum over items of the best schedule's worth at these prices

is at least the value of every plan, whatever the solver did (Lagrangian duality).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from flashlift.planning.master import Master
from flashlift.planning.schedules import Pricer
from flashlift.protocols import FloatArray, IntArray, Progress, silent

__all__ = ["Relaxation", "relax"]

log = logging.getLogger(__name__)

SAMPLE = 4_000  # items by which prices of whole families are found
SPREAD = 20  # times that prices are put off before the first programme, for schedules beside the best ones,
OFF = 0.02  # by so much
STEPS = 150  # of the subgradient
ROUNDS = 60
PULL = 0.7  # share of the best prices known in those that schedules are priced with
FAR = 0.05  # share of the bound that the programme may be short of it before its own duals are trusted
MOST = 20_000  # schedules added in a round
TASK = "Relax"

Schedules = tuple[IntArray, IntArray, IntArray, IntArray]  # number of the schedule, item, slot and step of each offer


@dataclass(frozen=True, slots=True, kw_only=True)
class Relaxation:
    """What is known when sifting ends.

    Args:
        price: of one unit of each row, with the sign it demands, (n_rows,).
        bound: no plan has more value.
        worth: of the restricted programme; the relaxation lies between it and the bound.
        offers: item, slot and step of every offer that a schedule in the solution holds, (n, 3).
        share: of that offer in the solution, in (0, 1], (n,).
        missing: units below minimums that the solution could not reach.
        finished: the bound is as close to the worth as asked.
    """

    price: FloatArray
    bound: float
    worth: float
    offers: IntArray
    share: FloatArray
    missing: float
    finished: bool


def relax(
    pricer: Pricer,
    *,
    gap_frac: float,
    time_limit_s: float,
    start: FloatArray | None = None,
    progress: Progress = silent,
) -> Relaxation:
    """Solve the relaxation until bound and worth differ by `gap_frac` at most, or the time is up.

    Args:
        pricer: offers and rows.
        gap_frac: of the relaxation.
        time_limit_s: seconds.
        start: prices to begin with, those of a campaign that differs little, (n_rows,).
        progress: told worth and bound of every round.
    """
    started = time.monotonic()

    def left() -> float:
        return time_limit_s - (time.monotonic() - started)

    price = _near(pricer, time_limit_s / 3.0) if start is None else pricer.clipped(start)
    worth = pricer.best(price)
    bound = float(price @ pricer.bound + worth.sum())
    best_price = price
    master = Master(pricer)
    for some in _first(pricer, price, np.flatnonzero(worth > 0.0)):
        master.add(*some)
    x = np.zeros(0)
    finished = False
    stuck = False
    for turn in range(ROUNDS):
        found = master.solve(left())
        if found is None:
            break
        x = found
        pull = PULL if not stuck and bound - master.worth > FAR * abs(bound) else 0.0
        trial = pricer.clipped(pull * best_price + (1.0 - pull) * master.price)
        worth = pricer.best(trial)
        here = float(trial @ pricer.bound + worth.sum())
        if here < bound:
            bound, best_price = here, trial
        log.info("round %d: worth %.6g, bound %.6g, %d schedules, pull %.2g", turn, master.worth, bound, len(x), pull)
        progress(TASK, turn + 1, ROUNDS, f"worth {master.worth:,.0f}, bound {bound:,.0f}")
        finished = bound - master.worth <= gap_frac * max(abs(master.worth), 1.0)
        if finished or left() <= 0.0:
            break
        least = 1e-7 * max(abs(master.worth), 1.0) / len(worth)
        more = np.flatnonzero(worth > least)
        more = more[np.argsort(master.rent[more] - worth[more], kind="stable")[:MOST]]
        new = _improving(pricer, master, _schedules(pricer, trial, more), least)
        stuck = not len(new[0])
        if stuck and not pull:
            break
        master.add(*new)
    progress(TASK, ROUNDS, ROUNDS, f"worth {master.worth:,.0f}, bound {bound:,.0f}")
    offers, share = _solution(master, x)
    return Relaxation(
        price=best_price,
        bound=bound,
        worth=master.worth,
        offers=offers,
        share=share,
        missing=master.missing,
        finished=finished,
    )


def _first(pricer: Pricer, price: FloatArray, items: IntArray) -> Iterator[Schedules]:
    """The best schedules of some items, and those at prices a little off: where slots are alike all want the same."""
    yield _schedules(pricer, price, items)
    rng = np.random.default_rng(0)
    for _ in range(min(SPREAD, MOST // max(len(items), 1) - 1)):
        yield _schedules(pricer, pricer.clipped(price * (1.0 + OFF * rng.standard_normal(len(price)))), items)


def _schedules(pricer: Pricer, price: FloatArray, items: IntArray) -> Schedules:
    """The best schedules of some items."""
    place, slot, step = pricer.schedules(price, items)
    number = np.unique(place, return_inverse=True)[1]
    return number, items[place], slot, step


def _improving(pricer: Pricer, master: Master, schedules: Schedules, least: float) -> Schedules:
    """Those that are worth more at the programme's own prices than a schedule of their item is worth to it."""
    number, item, slot, step = schedules
    place, row, coefficient = pricer.rows(item, slot, step)
    worth = pricer.grid.value[item, slot, step] - np.bincount(place, coefficient * master.price[row], len(item))
    kept = np.bincount(number, worth)[number] - master.rent[item] > least
    return np.unique(number[kept], return_inverse=True)[1], item[kept], slot[kept], step[kept]


def _solution(master: Master, x: FloatArray) -> tuple[IntArray, FloatArray]:
    known = np.concatenate(master.offers)
    known = known[known[:, 0] < len(x)]
    share = x[known[:, 0]]
    inside = share > 1e-9
    offers, at = np.unique(known[inside, 1:], axis=0, return_inverse=True)
    return offers, np.bincount(at.ravel(), share[inside], len(offers)).astype(np.float64)


def _levels(pricer: Pricer) -> FloatArray:
    """One price for all rows of each family that most items share (the places, a budget), the best beside the others.

    Found family by family, twice over, by golden-section search on a sample of the items.
    """
    n_items = len(pricer.grid.stock)
    items = np.arange(0, n_items, -(-n_items // SAMPLE))
    share = len(items) / n_items
    price = np.zeros(len(pricer.bound))
    top = float(pricer.best(price, items).max(initial=0.0))
    ends = [*pricer.first[1:].tolist(), len(price)]
    shared = [
        (slice(first, end), top / 16.0 if weight == 0 else 1.0)
        for first, end, weight, group in zip(pricer.first.tolist(), ends, pricer.weight, pricer.group, strict=True)
        if pricer.upper[first] and not pricer.own[first] and (group >= 0).mean() > 0.5
    ]

    def bound(rows: slice, level: float) -> float:
        trial = price.copy()
        trial[rows] = level
        trial = pricer.clipped(trial)
        return share * float(trial @ pricer.bound) + float(pricer.best(trial, items).sum())

    for rows, start in shared * 2 if top > 0.0 else ():
        price[rows] = _lowest(lambda level, rows=rows: bound(rows, level), start)  # type: ignore[misc]
    return pricer.clipped(price)


def _lowest(convex: Callable[[float], float], start: float) -> float:
    """Where a convex function of numbers from 0 is lowest, to 1 in 500 of its bracket (Kiefer, 1953)."""
    high = start
    while convex(2.0 * high) < convex(high) and high < 1e12:
        high *= 2.0
    low, high, part = 0.0, 2.0 * high, (5.0**0.5 - 1.0) / 2.0
    left, right = high - part * (high - low), low + part * (high - low)
    at_left, at_right = convex(left), convex(right)
    for _ in range(12):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - part * (high - low)
            at_left = convex(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + part * (high - low)
            at_right = convex(right)
    return (low + high) / 2.0


def _near(pricer: Pricer, time_limit_s: float) -> FloatArray:
    """Prices near the best, from subgradient steps on the items worth most."""
    started = time.monotonic()
    zero = np.zeros(len(pricer.bound))
    alone = pricer.best(zero)
    places = pricer.bound[: len(pricer.order)].sum()
    active = np.argsort(-alone, kind="stable")[: max(2_000, int(4 * places))]
    active = active[alone[active] > 0.0]
    scale = np.maximum(np.abs(pricer.bound), 1.0)  # rows in offers and in currency are stepped in fractions of them
    price, best = _levels(pricer), np.inf
    best_price = price
    theta, since = 0.1, 0
    for _ in range(STEPS):
        place, slot, step = pricer.schedules(price, active)
        _, row, coefficient = pricer.rows(active[place], slot, step)
        slope = (pricer.bound - np.bincount(row, coefficient, len(pricer.bound))) / scale
        value = float(price @ pricer.bound + pricer.best(price, active).sum())
        since = 0 if value < best * (1.0 - 1e-4) else since + 1
        if value < best:
            best, best_price = value, price
        if since >= 6:
            theta, since = theta / 2.0, 0
        slope[(price == 0.0) & (slope * np.where(pricer.upper > 0, 1.0, -1.0) > 0.0)] = 0.0
        norm = float(slope @ slope)
        if norm < 1e-12 or theta < 1e-4 or time.monotonic() - started > time_limit_s:
            break
        price = pricer.clipped(price - theta * best / norm * slope / scale)
    return best_price
