"""The price-ladder integer program, solved for each sum of prices.

Ferreira, Lee and Simchi-Levi (M&SOM 18(1), 2016) price a group of competing items by one observation: demand depends
on an item's own price and, through the relative price, on the sum k of all prices of the group. Once k is fixed, demand
is a table, and an integer program, IP_k, picks one price per item such that the prices sum to k. Its linear relaxation
LP_k bounds it; the k are visited in falling order of LP_k, and those whose LP_k is below the best plan found need not
be solved (their LP bound algorithm).

A flash sale adds what the paper's sales do not have. An item may stay out of the sale, at list price, and many groups
compete for the positions of several slots in which an item may appear only so often. So there is a k for each group
and slot, and the limits tie them together:

    maximize    sum of gain[c] x[c] + sum of rest[b] y[b]
    such that   sum of y[b] over the levels b of one group and slot = 1
                sum of x[c] over the prices c of an item at level b <= y[b]
                lower[b] y[b] <= sum of cut[c] x[c] over level b <= upper[b] y[b]
                the limits of the campaign hold for x;  x, y binary

A level b is one k or a narrow range of them. It is kept as the sum of price cuts, which is the sum of list prices less
k. `rest` is what a level is worth with every item at list price, `gain` what a sale price adds to it.

Pruning: with multipliers u on the limits, gain[c] - u'A[c] parts the program into one problem for each group, slot and
k, the paper's IP_k. With LP_k in its place, u'limit + the sum over groups and slots of max_k LP_k bounds every plan,
and exchanging the maximum for one LP_k bounds the plans with that k. Where this is below a known plan, k is dropped.
LP_k has one joint row, so it is solved through its dual, a convex function of one number, for all k at once.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse
from scipy.optimize import Bounds, LinearConstraint, linprog, milp

from flashlift.errors import FlashliftError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Cells", "Levels", "Limits", "promising", "solve"]

BoolArray = npt.NDArray[np.bool_]

_GOLDEN = (5.0**0.5 - 1.0) / 2.0
_ROUNDS = 60  # of golden section: the bracket shrinks to 3e-13 of itself
_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Levels:
    """Ranges of the sum of price cuts, for every group and slot. All (n_levels,).

    Those of one pair share no sum, and no sum that prices can make lies on a border, 0 excepted.

    Args:
        pair: number of the group and slot, from 0 without gaps.
        lower: least sum of cuts.
        upper: largest sum of cuts.
        rest: value of the group's items in the slot, all at list price, if demand is that of this level.
    """

    pair: IntArray
    lower: FloatArray
    upper: FloatArray
    rest: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Cells:
    """Sale prices that an item could have at a level, sorted by level and then by item. All (n_cells,).

    Args:
        level: row of the levels.
        item: row of the items.
        offer: number of the item, slot and price, whatever the level.
        cut: list price - sale price, above 0.
        gain: value of the sale price less that of the list price, at this level.
    """

    level: IntArray
    item: IntArray
    offer: IntArray
    cut: FloatArray
    gain: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """lower <= matrix @ chosen <= upper, where `chosen` marks cells."""

    matrix: sparse.csr_array
    lower: FloatArray
    upper: FloatArray


def solve(
    levels: Levels, cells: Cells, limits: Limits, *, time_limit_s: float = 60.0, gap_frac: float = 1e-4
) -> BoolArray:
    """Cells of the best plan, (n_cells,).

    First the best plan if every offer were its group's only one: its relaxation gives the multipliers, and the plan,
    valued at its true sums of prices, is the one to beat. Then the program over the levels that can still beat it.

    Args:
        levels: every pair needs one that holds the sum 0.
        cells: what could be chosen.
        limits: over the cells.
        time_limit_s: seconds for each of the two integer programs; the best plan found in that time is returned.
        gap_frac: relative gap at which they may stop.

    Raises:
        FlashliftError: no plan keeps the limits, none was found in time, or offers are asked for and none can run.
    """
    if not len(cells.level):
        if (limits.lower > 0.0).any():
            raise FlashliftError("The campaign asks for offers, but none can run. Relax a limit.")
        return np.zeros(0, dtype=bool)
    seed, duals = _alone(levels, cells, limits, time_limit_s, gap_frac)
    to_beat = -np.inf if seed is None else float(_worth(levels, cells, seed))
    live_level, live_cell = promising(levels, cells, limits, duals, to_beat)
    found = _program(levels, cells, limits, live_level, live_cell, time_limit_s, gap_frac)
    plans = [plan for plan in (seed, found) if plan is not None]
    if not plans:
        raise FlashliftError(
            f"The ladder program found no plan within the limits in {time_limit_s:g} s. Relax a limit, or allow more "
            "time."
        )
    return max(plans, key=lambda plan: float(_worth(levels, cells, plan)))


def promising(
    levels: Levels, cells: Cells, limits: Limits, duals: FloatArray, to_beat: float
) -> tuple[BoolArray, BoolArray]:
    """Levels (n_levels,) and cells (n_cells,) that a plan worth more than `to_beat` may use.

    Args:
        levels: the levels.
        cells: the cells.
        limits: the limits; a side without an end is infinite.
        duals: multipliers of the rows of `limits`, any numbers; above 0 they charge for the upper side, below 0 for the
            lower. The nearer they are to optimal, the more is pruned.
        to_beat: value of a known plan, or -inf.
    """
    duals = np.where(np.isinf(np.where(duals > 0.0, limits.upper, limits.lower)), 0.0, duals)
    side = np.where(duals > 0.0, limits.upper, limits.lower)
    reduced = cells.gain - limits.matrix.T @ duals
    bound, slack = _relaxed(levels, cells, reduced)
    best = np.full(int(levels.pair.max()) + 1, -np.inf)
    np.maximum.at(best, levels.pair, bound)
    total = float(duals @ np.where(duals == 0.0, 0.0, side)) + best.sum()
    with_level = total - best[levels.pair] + bound
    margin = _TOLERANCE * max(1.0, abs(total))
    live_level = with_level > to_beat - margin
    live_cell = with_level[cells.level] - slack > to_beat - margin
    return live_level, live_cell & live_level[cells.level]


def _relaxed(levels: Levels, cells: Cells, gain: FloatArray) -> tuple[FloatArray, FloatArray]:
    """LP_k of every level, and how much less it is when a cell has to be in, (n_levels,) and (n_cells,).

    The dual of LP_k is, with t on the sum of cuts: minimize rest + max(t upper, t lower) + the sum over items of
    max(0, max over prices of gain - t cut). Every t is a bound; -inf where no choice reaches the level.
    """
    starts = np.flatnonzero(np.diff(cells.level, prepend=-1) | np.diff(cells.item, prepend=-1))
    level, n = cells.level[starts], len(levels.pair)
    menu = np.repeat(np.arange(len(starts)), np.diff(starts, append=len(gain)))

    def best(t: FloatArray) -> tuple[FloatArray, FloatArray]:
        charged = gain - t[cells.level] * cells.cut
        top = np.maximum(np.maximum.reduceat(charged, starts), 0.0)
        joint = np.maximum(t * levels.upper, t * levels.lower)
        return levels.rest + joint + np.bincount(level, top, n), top[menu] - charged

    deepest = np.bincount(level, np.maximum.reduceat(cells.cut, starts), n)
    # Beyond the steepest step between two prices of an item nothing changes any more but the joint row.
    steepest = np.zeros(n)
    np.maximum.at(steepest, cells.level, np.abs(gain) / cells.cut)
    same = np.flatnonzero(np.diff(menu) == 0)
    rise, run = np.abs(np.diff(gain))[same], np.abs(np.diff(cells.cut))[same]
    np.maximum.at(steepest, cells.level[same], rise / np.maximum(run, _TOLERANCE))
    low, high = -steepest - 1.0, steepest + 1.0
    for _ in range(_ROUNDS):
        left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
        falls = best(left)[0] > best(right)[0]
        low, high = np.where(falls, left, low), np.where(falls, high, right)
    zero = np.zeros(n)
    middle, at_zero = best((low + high) / 2.0), best(zero)
    better = at_zero[0] <= middle[0]
    bound = np.where(better, at_zero[0], middle[0])
    slack = np.where(better[cells.level], at_zero[1], middle[1])
    return np.where(deepest < levels.lower - _TOLERANCE, -np.inf, bound), slack


def _alone(
    levels: Levels, cells: Cells, limits: Limits, time_limit_s: float, gap_frac: float
) -> tuple[BoolArray | None, FloatArray]:
    """The best plan if no group had two offers in a slot, as cells at its true levels, and the multipliers.

    None instead of a plan where the limits allow none at these levels.
    """
    alone = np.flatnonzero((cells.cut >= levels.lower[cells.level]) & (cells.cut <= levels.upper[cells.level]))
    pair = levels.pair[cells.level[alone]]
    value = cells.gain[alone] + levels.rest[cells.level[alone]] - levels.rest[_without_cuts(levels)][pair]
    matrix = limits.matrix[:, alone]
    duals = _duals(value, replace(limits, matrix=matrix))
    chosen = _integer(value, matrix, limits.lower, limits.upper, time_limit_s, gap_frac)
    plan = None if chosen is None else _at_true_levels(levels, cells, cells.offer[alone][chosen])
    if plan is not None:
        activity = limits.matrix @ plan
        if (activity < limits.lower - _TOLERANCE).any() or (activity > limits.upper + _TOLERANCE).any():
            plan = None
    return plan, duals


def _duals(value: FloatArray, limits: Limits) -> FloatArray:
    """Multipliers of the limits in the linear relaxation, as `promising` takes them; 0 where it has no solution."""
    above, below = np.isfinite(limits.upper), np.isfinite(limits.lower)
    relaxed = linprog(
        -value,
        A_ub=sparse.vstack([limits.matrix[above], -limits.matrix[below]]),
        b_ub=np.concatenate([limits.upper[above], -limits.lower[below]]),
        bounds=(0.0, 1.0),
        method="highs",
    )
    duals = np.zeros(len(limits.upper))
    if relaxed.status == 0:
        marginals = -np.asarray(relaxed.ineqlin.marginals)
        duals[above] += marginals[: above.sum()]
        duals[below] -= marginals[above.sum() :]
    return duals


def _without_cuts(levels: Levels) -> IntArray:
    """Level of each pair with all items at list price, (n_pairs,)."""
    at = np.flatnonzero((levels.lower <= 0.0) & (levels.upper >= 0.0))
    return at[np.argsort(levels.pair[at], kind="stable")]


def _at_true_levels(levels: Levels, cells: Cells, offers: IntArray) -> BoolArray | None:
    """Cells of the offers at the levels that their cuts make together; None where a level was not foreseen."""
    wanted = np.isin(cells.offer, offers)
    first = np.unique(cells.offer, return_index=True)
    one = first[1][np.isin(first[0], offers)]
    total = np.bincount(levels.pair[cells.level[one]], cells.cut[one], int(levels.pair.max()) + 1)[levels.pair]
    level = (levels.lower <= total) & (total <= levels.upper)
    plan = wanted & level[cells.level]
    return plan if plan.sum() == len(offers) else None


def _worth(levels: Levels, cells: Cells, plan: BoolArray) -> float:
    """Value of a plan, given as cells at its true levels."""
    level = _without_cuts(levels)
    level[levels.pair[cells.level[plan]]] = cells.level[plan]
    return float(levels.rest[level].sum() + cells.gain[plan].sum())


def _program(
    levels: Levels,
    cells: Cells,
    limits: Limits,
    live_level: BoolArray,
    live_cell: BoolArray,
    time_limit_s: float,
    gap_frac: float,
) -> BoolArray | None:
    """The program of the module over the live levels and cells; None where they hold no plan."""
    x, y = np.flatnonzero(live_cell), np.flatnonzero(live_level)
    pairs, pair = np.unique(levels.pair[y], return_inverse=True)
    if len(pairs) <= levels.pair.max():
        return None  # a pair without a level: the plan to beat is the best
    at = np.searchsorted(y, cells.level[x])
    _, menu = np.unique(np.column_stack([cells.level[x], cells.item[x]]), axis=0, return_inverse=True)
    of_menu = np.zeros(int(menu.max(initial=-1)) + 1, dtype=np.int64)
    of_menu[menu] = at
    n_x, n_y, n_menus = len(x), len(y), len(of_menu)
    ones, every_y = np.ones(n_y), np.arange(n_y)
    blocks = [
        (sparse.csr_array((len(pairs), n_x)), sparse.csr_array((ones, (pair, every_y)))),
        (
            _entries(menu, n_menus, n_x),
            -sparse.csr_array((np.ones(n_menus), (np.arange(n_menus), of_menu)), shape=(n_menus, n_y)),
        ),
        (_entries(at, n_y, n_x, cells.cut[x]), -sparse.diags_array(levels.lower[y])),
        (_entries(at, n_y, n_x, cells.cut[x]), -sparse.diags_array(levels.upper[y])),
        (limits.matrix[:, x], sparse.csr_array((len(limits.lower), n_y))),
    ]
    matrix = sparse.vstack([sparse.hstack(block) for block in blocks], format="csr")
    free, none = np.full(n_y, np.inf), np.zeros(n_y)
    lower = np.concatenate([np.ones(len(pairs)), np.full(n_menus, -np.inf), none, -free, limits.lower])
    upper = np.concatenate([np.ones(len(pairs)), np.zeros(n_menus), free, none, limits.upper])
    value = np.concatenate([cells.gain[x], levels.rest[y]])
    chosen = _integer(value, matrix, lower, upper, time_limit_s, gap_frac)
    if chosen is None:
        return None
    plan = np.zeros(len(cells.level), dtype=bool)
    plan[x] = chosen[:n_x]
    return plan


def _entries(row: IntArray, n_rows: int, n_columns: int, value: FloatArray | None = None) -> sparse.csr_array:
    """One entry in each column."""
    ones = np.ones(n_columns) if value is None else value
    return sparse.csr_array((ones, (row, np.arange(n_columns))), shape=(n_rows, n_columns))


def _integer(
    value: FloatArray, matrix: sparse.csr_array, lower: FloatArray, upper: FloatArray, time_limit_s: float, gap: float
) -> BoolArray | None:
    """Maximize over binary choices; None where nothing was found."""
    result = milp(
        -value,
        integrality=np.ones(len(value)),
        bounds=Bounds(0.0, 1.0),
        constraints=LinearConstraint(matrix, lower, upper),
        options={"time_limit": time_limit_s, "mip_rel_gap": gap},
    )
    return None if result.x is None else np.asarray(result.x > 0.5)
