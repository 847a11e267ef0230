"""Every offer of a large campaign, valued once and kept in a dozen bytes: what column sifting prices over and over.

50 million offers take 0.6 GB. Values are rounded up to single precision, so a bound that is computed from them holds
for the exact ones.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.planning.problem import TASK, Problem
from flashlift.protocols import FloatArray, Progress, silent

__all__ = ["Grid", "build_grid"]

Float32Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Offers by item, slot and step of the ladder, (n_items, n_slots, n_steps) where nothing else is said.

    Args:
        value: expected incremental profit of the offer alone, at most one unit of single precision too large; -inf
            where it may not run or has no demand.
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
    """Value every offer, `threads` blocks at a time.

    Raises:
        InputError: the draws hold values that are not finite.
    """
    shape = (len(problem.price), len(problem.campaign.slots), problem.price.shape[1])
    value = np.full(shape, -np.inf, dtype=np.float32)
    units, quota = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.int32)

    def fill(block: slice) -> int:
        at = problem.cells(block)
        columns = problem.value(*at)
        low = columns.value.astype(np.float32)
        up = np.where(low < columns.value, np.nextafter(low, np.float32(np.inf)), low)
        value[at] = np.where(problem.offered(columns), up, np.float32(-np.inf))
        units[at] = columns.units
        quota[at] = np.minimum(columns.quota, np.iinfo(np.int32).max)
        return len(columns)

    done, total = 0, problem.n_cells
    with ThreadPoolExecutor(threads) as pool:
        for n in pool.map(fill, problem.blocks()):
            done += n
            progress(TASK, done, total, f"{done:,} of {total:,}")
    return Grid(
        value=value,
        units=units,
        quota=quota,
        given=problem.shop.list_price[:, None] - problem.price,
        stock=problem.shop.stock,
    )
