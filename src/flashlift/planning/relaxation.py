"""The cheapest way out of a conflict: by how much which limits must give so that some plan keeps them all."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from flashlift.planning.highs import run
from flashlift.planning.limits import Rows

__all__ = ["relaxation"]

HARD = ("one price", "stock")  # nobody can sell at two prices, or what is not there
PATIENCE_S = 20.0
TOLERANCE = 1e-6  # of the solver
MOST = 200_000  # offers; with more there is no answer in time


def relaxation(rows: Rows) -> dict[str, float]:
    """Row -> amount to move its bound, with the smallest sum of amounts as shares of their bounds.

    Every row may be broken by an amount that costs 1 / max(|bound|, 1) per unit (elastic programme; Brown and Graves,
    1975; Chinneck, Feasibility and Infeasibility in Optimization, 2008, ch. 6). Empty where none was found in time.

    Args:
        rows: limits that no choice of columns keeps.
    """
    n_columns = rows.matrix.shape[1]
    if n_columns > MOST:
        return {}
    may = np.array([limit not in HARD for limit in rows.limits], dtype=bool)
    size = np.maximum(np.abs(np.where(rows.lower > 0.0, rows.lower, rows.upper)), 1.0)
    elastic = replace(rows, penalty=np.where(may, 1.0 / size, np.inf))
    found = run(np.zeros(n_columns), elastic, binary=True, time_limit_s=PATIENCE_S, gap_frac=0.0)
    if found.x is None:
        return {}
    moves: dict[str, float] = {}
    for row, move in enumerate(rows.violation(found.x > 0.5).tolist()):
        if move > TOLERANCE:
            moves[rows.names[row]] = max(moves.get(rows.names[row], 0.0), _enough(rows, row, move))
    return moves


def _enough(rows: Rows, row: int, move: float) -> float:
    """The move free of the solver's rounding, and not less: whole where the row counts, else up to 0.00001."""
    weights = rows.matrix.data[rows.matrix.indptr[row] : rows.matrix.indptr[row + 1]]
    if (weights == np.rint(weights)).all():
        return float(round(move))
    return math.ceil((move + 2.0 * TOLERANCE) * 1e5) / 1e5
