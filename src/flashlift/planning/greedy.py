"""Fill a plan one offer at a time, in a given order, within the limits."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flashlift.planning.limits import Rows
from flashlift.protocols import IntArray

__all__ = ["fill"]

BoolArray = npt.NDArray[np.bool_]


def fill(rows: Rows, order: IntArray, *, optional: BoolArray | None = None) -> BoolArray | None:
    """Choose columns greedily: first for the rows with a minimum, scarcest first, then whatever still fits.

    Args:
        rows: the limits. A column that needs another one beside it, as items that only run together do, is never
            tried with it, and so is left out.
        order: columns to try, the best first, (n,).
        optional: columns worth choosing when no minimum asks for them, (n_columns,); None: all.

    Returns:
        Chosen columns (n_columns,), or None where a minimum was not reached. That proves nothing: another order
        may reach it.
    """
    by_column = rows.matrix.tocsc()
    room = rows.upper + 1e-9 * np.maximum(1.0, np.where(np.isfinite(rows.upper), np.abs(rows.upper), 0.0))
    activity = np.zeros(len(rows.names))
    chosen = np.zeros(rows.matrix.shape[1], dtype=bool)

    def try_one(column: int) -> None:
        span = slice(by_column.indptr[column], by_column.indptr[column + 1])
        touched = by_column.indices[span]
        after = activity[touched] + by_column.data[span]
        if not chosen[column] and (after <= room[touched]).all():
            activity[touched] = after
            chosen[column] = True

    required = np.flatnonzero(rows.lower > 0.0)
    slack = np.diff(rows.matrix.indptr)[required] - rows.lower[required]
    for row in required[np.argsort(slack, kind="stable")]:
        members = np.zeros(len(chosen), dtype=bool)
        members[rows.matrix.indices[rows.matrix.indptr[row] : rows.matrix.indptr[row + 1]]] = True
        for column in order[members[order]].tolist():
            if activity[row] >= rows.lower[row]:
                break
            try_one(column)
        if activity[row] < rows.lower[row]:
            return None
    for column in (order if optional is None else order[optional[order]]).tolist():
        try_one(column)
    return chosen
