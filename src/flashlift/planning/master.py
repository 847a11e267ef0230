"""The restricted linear programme of column sifting: some schedules of some items, within the rows they could break.

maximize the worth of schedules x in [0, 1], each item's at most 1 in sum, within the rows of the families. Schedules,
rows and items come in as they are needed, and every solution starts from the last basis.
"""

from __future__ import annotations

from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from flashlift.errors import FlashliftError
from flashlift.planning.schedules import Pricer
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Master"]

MISSING = 10.0  # a unit below a minimum costs so many times the dearest offer, until it is reached


class Master:
    """Grows with `add`, is solved by `solve`.

    Attributes:
        price: of one unit of each row, (n_rows,), after `solve`.
        rent: worth of one more schedule of each item, (n_items,), after `solve`.
        worth: of the solution.
        missing: units below minimums that must be kept, which the solution buys at a penalty.
    """

    def __init__(self, pricer: Pricer) -> None:
        self._pricer = pricer
        self._highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
        self._highs.setOptionValue("output_flag", False)
        self._highs.setOptionValue("threads", 1)
        n_rows, n_items = len(pricer.bound), len(pricer.grid.stock)
        self._row = np.full(n_rows, -1)  # place in the programme
        self._item = np.full(n_items, -1)
        self._used = np.zeros(n_rows)  # most that the schedules could use
        self._columns = 0
        self._slack = np.zeros(0, dtype=np.int64)  # row of each amount by which a row may be broken
        self.offers: list[npt.NDArray[np.int64]] = [np.zeros((0, 4), dtype=np.int64)]  # column, item, slot, step
        self._penalty = MISSING * _dearest(pricer)
        self.price, self.rent = np.zeros(n_rows), np.zeros(n_items)
        self.worth, self.missing = 0.0, 0.0
        self._may_break(np.flatnonzero(((pricer.upper == 0) & (pricer.bound > 0.0)) | np.isfinite(pricer.penalty)))

    def add(self, schedule: IntArray, item: IntArray, slot: IntArray, step: IntArray) -> None:
        """Add schedules; offers of one schedule share its number, 0, 1 ... in rising order."""
        if not len(item):
            return
        n = int(schedule[-1]) + 1
        place, row, entry = self._pricer.rows(item, slot, step)
        coefficient = np.maximum(entry, 0.0)
        shared = self._pricer.own[row] == 0
        self._used += np.bincount(row[shared], coefficient[shared], len(self._used))
        own = np.flatnonzero(self._pricer.own[row])  # an item takes one schedule, so only a whole one can break its row
        alone = np.zeros(n)
        np.add.at(alone, schedule[place[own]], coefficient[own])
        np.maximum.at(self._used, row[own], alone[schedule[place[own]]])
        over = (self._pricer.upper > 0) & (self._used > self._pricer.bound + 1e-9)
        self._open(np.flatnonzero(over & (self._row < 0)))
        owner = np.zeros(n, dtype=np.int64)
        owner[schedule] = item
        self._own(np.setdiff1d(owner, np.flatnonzero(self._item >= 0)))
        inside = self._row[row] >= 0
        matrix = sparse.csc_array(
            (
                np.concatenate([entry[inside], np.ones(n)]),
                (
                    np.concatenate([self._row[row[inside]], self._item[owner]]),
                    np.concatenate([schedule[place[inside]], np.arange(n)]),
                ),
            ),
            shape=(self._highs.getNumRow(), n),
        )
        worth = np.bincount(schedule, self._pricer.grid.value[item, slot, step], n).astype(np.float64)
        self._add_columns(-worth, np.full(n, 1.0), matrix)
        self.offers.append(np.column_stack([schedule + self._columns, item, slot, step]))
        self._columns += n

    def solve(self, time_limit_s: float) -> FloatArray | None:
        """Solution of every schedule in the order of `add`, or None where the time ran out."""
        self._highs.setOptionValue("time_limit", self._highs.getRunTime() + max(time_limit_s, 0.0))
        self._highs.run()
        status = self._highs.getModelStatus()
        if status == highspy.HighsModelStatus.kModelEmpty:
            return np.zeros(0)
        if status == highspy.HighsModelStatus.kTimeLimit:
            return None
        if status != highspy.HighsModelStatus.kOptimal:
            raise FlashliftError(
                f"The solver failed with status {self._highs.modelStatusToString(status)}. Try another seed."
            )
        solution = self._highs.getSolution()
        duals, x = -np.asarray(solution.row_dual), np.asarray(solution.col_value)
        self.price = np.where(self._row >= 0, duals[self._row], 0.0)
        self.rent = np.where(self._item >= 0, np.maximum(duals[self._item], 0.0), 0.0)
        self.worth = -float(self._highs.getInfo().objective_function_value)
        self.missing = float(x[: len(self._slack)][np.isinf(self._pricer.penalty[self._slack])].sum())
        found: FloatArray = x[len(self._slack) :]
        return found

    def _may_break(self, rows: IntArray) -> None:
        """Open rows that may be broken: soft ones at their penalty, and minimums at one that is given up last."""
        if not len(rows):
            return
        self._open(rows)
        self._slack = rows
        upper, penalty = self._pricer.upper[rows] > 0, self._pricer.penalty[rows]
        n = len(rows)
        give = sparse.csc_array((np.where(upper, -1.0, 1.0), (self._row[rows], np.arange(n))), shape=(n, n))
        cost = np.where(np.isfinite(penalty), penalty, self._penalty)
        self._add_columns(cost, np.full(n, highspy.kHighsInf), give)

    def _open(self, rows: IntArray) -> None:
        """Put rows in, with their coefficients on the schedules that are there."""
        if not len(rows):
            return
        self._row[rows] = self._highs.getNumRow() + np.arange(len(rows))
        known = np.concatenate(self.offers)
        place, row, coefficient = self._pricer.rows(*known[:, 1:].T)
        new = np.zeros(len(self._row), dtype=bool)
        new[rows] = True
        at = np.flatnonzero(new[row])
        local = self._row[row[at]] - self._highs.getNumRow()
        matrix = sparse.csr_array(
            (coefficient[at], (local, self._place(known[place[at], 0]))), shape=(len(rows), self._highs.getNumCol())
        )
        upper = self._pricer.upper[rows] > 0
        bound = self._pricer.bound[rows]
        self._highs.addRows(
            len(rows),
            np.where(upper, -highspy.kHighsInf, bound),
            np.where(upper, bound, highspy.kHighsInf),
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
        )

    def _place(self, column: IntArray) -> IntArray:
        """Place of schedules among the columns, of which the amounts that rows are broken by are the first."""
        return column + len(self._slack)

    def _own(self, items: IntArray) -> None:
        """A row for each item: at most one of its schedules."""
        if len(items):
            self._item[items] = self._highs.getNumRow() + np.arange(len(items))
            none = np.zeros(0)
            self._highs.addRows(
                len(items),
                np.full(len(items), -highspy.kHighsInf),
                np.ones(len(items)),
                0,
                np.zeros(len(items), dtype=np.int32),
                none.astype(np.int32),
                none,
            )

    def _add_columns(self, cost: FloatArray, upper: FloatArray, matrix: sparse.csc_array) -> None:
        self._highs.addCols(
            len(cost),
            cost,
            np.zeros(len(cost)),
            upper,
            matrix.nnz,
            matrix.indptr[:-1].astype(np.int32),
            matrix.indices.astype(np.int32),
            matrix.data,
        )


def _dearest(pricer: Pricer) -> float:
    """What an offer may be worth or cost at most, penalties of the soft limits that it may break included."""
    grid = pricer.grid
    worst = float(np.min(grid.value, where=np.isfinite(grid.value), initial=0.0))
    value = max(float(grid.value.max(initial=0.0)), -worst)
    units, quota = float(grid.units.max(initial=0.0)), float(grid.quota.max(initial=0))
    weight = np.array([1.0, units, units * float(grid.given.max(initial=0.0)), quota])[pricer.weight]
    soft = np.where(np.isfinite(pricer.penalty), pricer.penalty, 0.0)
    dear = np.array([part.max(initial=0.0) for part in np.split(soft, pricer.first[1:])])
    return max(value + float(dear @ (weight * pricer.factor.max(axis=1, initial=0.0))), 1.0)
