"""The best plan of a large campaign: bound by column sifting, plan by a binary programme over what can matter.

An offer that costs the Lagrangian bound more than the distance between bound and plan is in no better plan
(`flashlift.planning.schedules.Pricer.slack`; reduced-cost fixing, Wolsey, Integer Programming, 2nd ed. 2020, sec. 7.5).
The first search is over the offers that cost it least, with the plan that the relaxation suggests as its start; where
that leaves a gap, and all the offers that could close it are few enough for the solver, the second is over them, and
then its bound holds for the whole campaign.
"""

from __future__ import annotations

import logging
import time

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.errors import FlashliftError
from flashlift.planning.certificate import cells_of_grid
from flashlift.planning.grid import Grid
from flashlift.planning.highs import run
from flashlift.planning.limits import Rows, compile_limits
from flashlift.planning.problem import Columns, Problem
from flashlift.planning.programme import better, close, first_plan, worth_of
from flashlift.planning.schedules import Pricer
from flashlift.planning.sifting import Relaxation, relax
from flashlift.planning.solution import Solution
from flashlift.protocols import FloatArray, IntArray, Progress, silent

__all__ = ["search_large"]

log = logging.getLogger(__name__)

CORE = 4_000  # offers of the first search beside those of the relaxation
MOST = 40_000  # offers of a search that the solver ends in a minute or so
PART = 4_096  # items looked at together


def search_large(
    problem: Problem,
    items: pl.DataFrame,
    pricer: Pricer,
    *,
    time_limit_s: float,
    gap_frac: float,
    threads: int = 1,
    seed: int = 0,
    start: FloatArray | None = None,
    progress: Progress = silent,
) -> Solution | None:
    """Choose offers of the largest total value; None where no plan keeps all limits.

    Args:
        problem: offers as they are valued exactly.
        items: table SaleItems.
        pricer: the offers' grid and the rows.
        time_limit_s: seconds.
        gap_frac: the search ends when the bound is at most this share above the plan.
        threads: of the solver.
        seed: of the solver.
        start: prices of the rows to begin with, (n_rows,).
        progress: told bounds.

    Raises:
        FlashliftError: the solver failed, or found no plan in the time given.
    """
    started = time.monotonic()
    relaxation = relax(pricer, gap_frac=gap_frac / 5.0, time_limit_s=0.6 * time_limit_s, start=start, progress=progress)
    if relaxation.missing > 1e-6:
        return None
    bound, best = relaxation.bound, np.zeros(0, dtype=np.int64)
    at = _core(pricer.grid, pricer, relaxation)
    last = False
    while True:
        columns = problem.value(*at)
        rows = compile_limits(problem.campaign, items, columns)
        keys = _keys(pricer.grid, at)
        plan = np.isin(keys, best) if len(best) else _suggested(pricer, relaxation, columns, rows, at)
        worth = worth_of(columns.value, rows, plan)
        finished = close(worth, bound, gap_frac)
        if not finished:
            exact = run(
                columns.value,
                rows,
                binary=True,
                time_limit_s=time_limit_s - (time.monotonic() - started),
                gap_frac=gap_frac / 2.0,
                threads=threads,
                seed=seed,
                start=plan,
                enough=bound - 0.99 * gap_frac * abs(bound),
                progress=progress,
            )
            plan = better(columns.value, rows, plan, exact, np.ones(len(columns), dtype=bool))
            worth = worth_of(columns.value, rows, plan)
            finished = exact.finished
            if last and plan is None and not exact.feasible:
                return None
            if last:  # what is not here cannot beat the plan
                bound = min(bound, max(exact.bound, worth))
        log.info("plan %.6g of at most %.6g, among %d offers", worth, bound, len(columns))
        if last or not finished or close(worth, bound, gap_frac):
            break
        best = best if plan is None else keys[plan]
        wider = _within(pricer, relaxation, relaxation.bound - worth, best)
        if wider is None:
            break
        at, last = wider, True
    if plan is None:
        raise FlashliftError(
            f"No plan within the limits was found in {time_limit_s:g} s. Allow more time, or loosen a minimum."
        )
    return Solution(
        columns=columns,
        chosen=plan,
        worth=worth,
        bound=max(bound, worth),
        rows=pricer.names,
        limits=pricer.limits,
        price=relaxation.price,
        finished=finished,
        cells=lambda: cells_of_grid(pricer.grid, problem.price),
    )


def _suggested(
    pricer: Pricer, relaxation: Relaxation, columns: Columns, rows: Rows, at: tuple[IntArray, IntArray, IntArray]
) -> npt.NDArray[np.bool_] | None:
    """The greedy plan that the relaxation suggests."""
    slack = _slacks(pricer, relaxation, columns, at[2])
    return first_plan(columns.value, rows, _shares(relaxation, at), -slack)


def _keys(grid: Grid, at: tuple[IntArray, IntArray, IntArray]) -> IntArray:
    return np.asarray(np.ravel_multi_index(at, grid.value.shape), dtype=np.int64)


def _unravel(grid: Grid, keys: IntArray) -> tuple[IntArray, IntArray, IntArray]:
    item, slot, step = np.unravel_index(np.sort(keys), grid.value.shape)
    return item, slot, step


def _core(grid: Grid, pricer: Pricer, relaxation: Relaxation) -> tuple[IntArray, IntArray, IntArray]:
    """The offers of the relaxation, and others that cost its bound least."""
    keys, slack = [np.zeros(0, dtype=np.int64)], [np.zeros(0)]
    reach = 1e-3 * max(abs(relaxation.bound), 1.0)
    for part in _parts(pricer):
        near = pricer.slack(relaxation.price, part)
        inside = np.flatnonzero(near.ravel() <= reach)
        inside = inside[np.argsort(near.ravel()[inside], kind="stable")[:CORE]]
        keys.append(inside + part[0] * near[0].size)
        slack.append(near.ravel()[inside])
    order = np.argsort(np.concatenate(slack), kind="stable")[: CORE + len(relaxation.share)]
    support = _keys(grid, tuple(relaxation.offers.T))
    return _unravel(grid, np.union1d(np.concatenate(keys)[order], support))


def _within(
    pricer: Pricer, relaxation: Relaxation, reach: float, best: IntArray
) -> tuple[IntArray, IntArray, IntArray] | None:
    """Every offer that a better plan could hold, and those of the best one; None if they are too many."""
    keys, total = [best], 0
    for part in _parts(pricer):
        near = pricer.slack(relaxation.price, part)
        near[near > reach + 1e-9 * max(abs(relaxation.bound), 1.0)] = np.inf
        inside = np.flatnonzero(np.isfinite(near.ravel()))
        keys.append(inside + part[0] * near[0].size)
        total += len(inside)
        if total > MOST:
            log.info("more than %d offers could be part of a better plan", MOST)
            return None
    return _unravel(pricer.grid, np.unique(np.concatenate(keys)))


def _parts(pricer: Pricer) -> list[IntArray]:
    n_items = len(pricer.grid.stock)
    return [np.arange(first, min(first + PART, n_items)) for first in range(0, n_items, PART)]


def _slacks(pricer: Pricer, relaxation: Relaxation, columns: Columns, step: IntArray) -> FloatArray:
    items, row = np.unique(columns.item, return_inverse=True)
    out = np.zeros(len(columns))
    for first in range(0, len(items), PART):
        slack = pricer.slack(relaxation.price, items[first : first + PART])
        here = (row >= first) & (row < first + PART)
        out[here] = slack[row[here] - first, columns.slot[here], step[here]]
    return out


def _shares(relaxation: Relaxation, at: tuple[IntArray, IntArray, IntArray]) -> FloatArray:
    """Share of each offer in the relaxation, 0 where it has none."""
    top = max(int(part.max(initial=0)) for part in (*at, *relaxation.offers.T)) + 1
    wanted = np.ravel_multi_index(at, (top, top, top))
    held = np.ravel_multi_index(tuple(relaxation.offers.T), (top, top, top))
    if not len(held):
        return np.zeros(len(wanted))
    place = np.minimum(np.searchsorted(held, wanted), len(held) - 1)
    return np.where(held[place] == wanted, relaxation.share[place], 0.0)
