"""Maximize a value over binary columns within named rows, with a bound that holds for all of them.

Four steps: the linear relaxation and its duals; a first plan filled greedily in the order the relaxation suggests; a
better one from the binary programme over the few columns that the relaxation likes best; and, where that leaves
a gap, the binary programme over all columns that can still be part of a better plan. A column is left out there
when the Lagrangian bound with it in the plan, L(y) + d_j, stays below the best plan (reduced-cost fixing; Wolsey,
Integer Programming, 2nd ed. 2020, sec. 7.5), so the bound remains true of the whole problem.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.errors import FlashliftError
from flashlift.planning.greedy import fill
from flashlift.planning.highs import Run, run
from flashlift.planning.limits import Rows
from flashlift.protocols import FloatArray, Progress, silent

__all__ = ["Optimum", "better", "close", "first_plan", "keeps", "maximize", "worth_of"]

log = logging.getLogger(__name__)

BoolArray = npt.NDArray[np.bool_]
CORE = 3_000  # columns of the first search
TOLERANCE = 1e-6  # of a row, relative to its bound


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimum:
    """The best choice found.

    Args:
        chosen: (n_columns,).
        bound: no choice within the rows has more value.
        duals: value of one more unit of each row's bound in the relaxation, (n_rows,).
        finished: the search ended by itself, neither by time nor by Ctrl-C.
    """

    chosen: BoolArray
    bound: float
    duals: FloatArray
    finished: bool


def maximize(
    value: FloatArray,
    rows: Rows,
    *,
    time_limit_s: float,
    gap_frac: float,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Optimum | None:
    """Choose columns of the largest total value; None where no choice keeps all rows.

    Raises:
        FlashliftError: the solver failed, or found nothing that keeps the rows in the time given.
    """
    started = time.monotonic()
    relaxed = run(value, rows, binary=False, time_limit_s=time_limit_s, threads=threads, seed=seed, progress=progress)
    if not relaxed.feasible:
        return None
    duals = _clipped(rows, relaxed.duals)
    reduced = value - rows.matrix.T @ duals
    bound = _lagrangian(rows, duals, reduced)
    best = first_plan(value, rows, relaxed.x, reduced)
    worth = worth_of(value, rows, best)
    if best is not None and close(worth, bound, gap_frac):
        return Optimum(chosen=best, bound=bound, duals=duals, finished=True)
    if best is not None and not relaxed.finished:
        return Optimum(chosen=best, bound=bound, duals=duals, finished=False)

    finished = True
    for size in (CORE, len(value)):
        open_ = _open(bound, reduced, best, worth)
        inside = open_ if open_.sum() <= size else _nearest(reduced, open_, best, size)
        log.info("searching %d of %d open columns, %d in all", inside.sum(), open_.sum(), len(value))
        exact = run(
            value[inside],
            rows.over(inside),
            binary=True,
            time_limit_s=time_limit_s - (time.monotonic() - started),
            gap_frac=gap_frac,
            threads=threads,
            seed=seed,
            start=None if best is None else best[inside],
            progress=progress,
        )
        best = better(value, rows, best, exact, inside)
        worth = worth_of(value, rows, best)
        if inside is open_:
            if best is None and not exact.feasible:
                return None
            # what is not open cannot beat the best plan
            bound = min(bound, max(exact.bound, worth))
        finished = exact.finished
        if inside is open_ or not finished or close(worth, bound, gap_frac):
            break
    if best is None:
        raise FlashliftError(
            f"No plan within the limits was found in {time_limit_s:g} s. Allow more time, or loosen a minimum."
        )
    return Optimum(chosen=best, bound=max(bound, worth), duals=duals, finished=finished)


def worth_of(value: FloatArray, rows: Rows, chosen: BoolArray | None) -> float:
    """What a choice is worth (`Rows.worth`); -inf for none."""
    return -np.inf if chosen is None else rows.worth(value, chosen)


def _open(bound: float, reduced: FloatArray, best: BoolArray | None, worth: float) -> BoolArray:
    """Columns of the best plan so far, and those with which a plan could still be better than it."""
    if best is None:
        return np.ones(len(reduced), dtype=bool)
    return best | (bound + np.minimum(reduced, 0.0) > worth - 1e-9 * max(abs(bound), 1.0))


def _nearest(reduced: FloatArray, open_: BoolArray, best: BoolArray | None, size: int) -> BoolArray:
    """The open columns that the relaxation likes best, and those of the best plan."""
    inside = np.zeros(len(reduced), dtype=bool)
    inside[np.argsort(np.where(open_, -reduced, np.inf), kind="stable")[:size]] = True
    return inside if best is None else inside | best


def better(value: FloatArray, rows: Rows, best: BoolArray | None, exact: Run, inside: BoolArray) -> BoolArray | None:
    """The better of the best plan so far and the one the solver found."""
    if exact.x is None:
        if best is not None and not exact.feasible:
            raise FlashliftError("The solver calls a plan infeasible that keeps every limit. Try another seed.")
        return best
    found = np.zeros(len(value), dtype=bool)
    found[inside] = exact.x > 0.5
    if not keeps(rows, found):
        log.warning("the solver's plan breaks a row beyond rounding and is not used")
        return best
    return found if best is None or rows.worth(value, found) > rows.worth(value, best) else best


def close(worth: float, bound: float, gap_frac: float) -> bool:
    """Whether a plan of this worth is within the gap of the bound; none is, at -inf."""
    return bound - worth <= gap_frac * max(abs(worth), 1.0) if np.isfinite(worth) else False


def _clipped(rows: Rows, duals: FloatArray | None) -> FloatArray:
    """Duals with the sign their row demands (rows have one bound), and no dearer than its penalty.

    Any such vector gives a valid bound.
    """
    if duals is None:
        return np.zeros(len(rows.names))
    upper = np.isfinite(rows.upper)
    return np.clip(duals, np.where(upper, 0.0, -rows.penalty), np.where(upper, rows.penalty, 0.0))


def _lagrangian(rows: Rows, duals: FloatArray, reduced: FloatArray) -> float:
    """Upper bound on the worth of every choice: duals @ bounds + the positive reduced values."""
    side = np.where(np.isfinite(rows.upper), rows.upper, rows.lower)
    return float(duals @ side + np.maximum(reduced, 0.0).sum())


def first_plan(value: FloatArray, rows: Rows, x: FloatArray | None, reduced: FloatArray) -> BoolArray | None:
    """The best of the greedy plans: by the relaxation's choice and by value alone, soft rows kept or left to break."""
    orders = [np.argsort(-value, kind="stable")]
    if x is not None:
        orders.append(np.lexsort((-reduced, -np.round(x, 6))))
    sets = [rows, rows.take(~rows.soft)] if rows.soft.any() else [rows]
    plans = [fill(some, order, optional=value > 0.0) for some in sets for order in orders]
    kept = [plan for plan in plans if plan is not None and keeps(rows, plan)]
    return max(kept, key=lambda plan: rows.worth(value, plan), default=None)


def keeps(rows: Rows, chosen: BoolArray) -> bool:
    """Whether a choice keeps every row that may not be broken, but for rounding."""
    side = np.where(np.isfinite(rows.upper), rows.upper, rows.lower)
    return bool((rows.soft | (rows.violation(chosen) <= TOLERANCE * np.maximum(np.abs(side), 1.0))).all())
