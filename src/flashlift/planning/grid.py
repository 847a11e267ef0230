"""Every offer of a large campaign, valued once and kept in a dozen bytes: what column sifting prices over and over.

50 million offers take 0.6 GB. Values are rounded up to single precision, so a bound that is computed from them holds
for the exact ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.domain import Goal
from flashlift.planning.goals import worth
from flashlift.planning.problem import TASK, Problem
from flashlift.protocols import FloatArray, Progress, silent

__all__ = ["Grid", "build_grid", "build_grids", "rounded_up"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Offers by item, slot and step of the ladder, (n_items, n_slots, n_steps) where nothing else is said.

    Args:
        value: expected worth of the offer alone for the campaign's goal, at most one unit of single precision too
            large; -inf where it may not run or has no demand.
        units: expected units sold within the quota.
        quota: units the offer may sell at most.
        given: list price less sale price, (n_items, n_steps).
        stock: of each item, (n_items,).
    """

    value: Float32Array
    units: Float32Array
    quota: npt.NDArray[np.int32]
    given: FloatArray
    stock: FloatArray


def build_grid(problem: Problem, *, threads: int = 1, progress: Progress = silent) -> Grid:
    """Value every offer for the campaign's goal, `threads` blocks at a time.

    Raises:
        InputError: the draws hold values that are not finite.
    """
    return build_grids(problem, [problem.campaign.goal], threads=threads, progress=progress)[0]


def build_grids(
    problem: Problem, goals: Sequence[Goal], *, threads: int = 1, progress: Progress = silent
) -> list[Grid]:
    """A grid for each of several goals, every offer valued once; they share all but the values.

    The goal of the problem's campaign must ask for all that they weigh. Raises as `build_grid`.
    """
    shape = (len(problem.price), len(problem.campaign.slots), problem.price.shape[1])
    values = [np.full(shape, -np.inf, dtype=np.float32) for _ in goals]
    units, quota = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int32)

    def fill(block: slice) -> int:
        at = problem.cells(block)
        columns = problem.value(*at)
        offered = problem.offered(columns)
        for goal, value in zip(goals, values, strict=True):
            value[at] = np.where(offered, rounded_up(worth(goal, columns.figures)), np.float32(-np.inf))
        units[at] = columns.units
        quota[at] = np.minimum(columns.quota, np.iinfo(np.int32).max)
        return len(columns)

    done, total = 0, problem.n_cells
    with ThreadPoolExecutor(threads) as pool:
        for n in pool.map(fill, problem.blocks()):
            done += n
            progress(TASK, done, total, f"{done:,} of {total:,}")
    given = problem.shop.list_price[:, None] - problem.price
    return [Grid(value=value, units=units, quota=quota, given=given, stock=problem.shop.stock) for value in values]


def rounded_up(exact: FloatArray) -> Float32Array:
    """In single precision, never below."""
    low = exact.astype(np.float32)
    return np.where(low < exact, np.nextafter(low, np.float32(np.inf)), low)
