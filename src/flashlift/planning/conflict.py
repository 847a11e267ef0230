"""When no plan keeps all limits: which of them conflict, in words."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from flashlift.errors import InfeasibleError
from flashlift.planning.highs import run
from flashlift.planning.limits import Rows
from flashlift.planning.relaxation import relaxation

__all__ = ["conflict"]

PATIENCE_S = 20.0  # for one question; an unanswered one keeps its limit in the set


def conflict(rows: Rows) -> InfeasibleError:
    """A minimal set of conflicting limits: without any one of them the others can be kept.

    Deletion filter (Chinneck and Dravnieks, ORSA J. Computing 3, 1991) over limits, first on the linear relaxation
    where that is already infeasible, then on the binary problem.

    Args:
        rows: all limits over all offers, those that margin floor and exclusions forbid included; infeasible.
    """
    rows = rows.take(~rows.soft)  # what may be broken conflicts with nothing
    # offers that help no minimum and make room for no other can be left out of a question about feasibility
    eased = sparse.vstack([rows.matrix[rows.lower > 0.0] > 0.0, rows.matrix[np.isfinite(rows.upper)] < 0.0])
    helps = np.asarray(eased.sum(axis=0)).ravel() > 0
    rows = rows.over(helps)
    needed = list(dict.fromkeys(rows.limits))
    for binary in (False, True):
        if binary or not _possible(rows, needed, binary=False):
            needed = _filter(rows, needed, binary=binary)
    moves = relaxation(rows)
    return InfeasibleError(f"{_message(rows, needed)}{_way_out(rows, moves)}", tuple(needed), moves)


def _filter(rows: Rows, limits: list[str], *, binary: bool) -> list[str]:
    needed = list(limits)
    for limit in limits:
        rest = [other for other in needed if other != limit]
        if not _possible(rows, rest, binary=binary):
            needed = rest
    return needed


def _possible(rows: Rows, limits: list[str], *, binary: bool) -> bool:
    wanted = set(limits)
    part = rows.take(np.array([limit in wanted for limit in rows.limits], dtype=bool))
    if not (part.lower > 0.0).any():
        return True
    n_columns = part.matrix.shape[1]
    if (np.diff(part.matrix.indptr) < part.lower).any():
        return False
    return run(np.zeros(n_columns), part, binary=binary, time_limit_s=PATIENCE_S).feasible


def _way_out(rows: Rows, moves: dict[str, float]) -> str:
    """The cheapest relaxation in words."""
    words = []
    for name, move in moves.items():
        i = rows.names.index(name)
        if rows.lower[i] > 0.0:
            words.append(f"{name} from {rows.lower[i]:g} to {rows.lower[i] - move:g}")
        elif rows.upper[i] > 0.0:
            words.append(f"{name} from {rows.upper[i]:g} to {rows.upper[i] + move:g}")
        else:
            words.append(f"{name} not kept by {move:g} offers")
    return f" The least change that helps: {', '.join(words)}." if words else ""


def _message(rows: Rows, limits: list[str]) -> str:
    first = {limit: i for i, limit in reversed(list(enumerate(rows.limits)))}
    words = []
    for limit in limits:
        i = first[limit]
        if rows.lower[i] > 0.0:
            words.append(f"{limit} (at least {rows.lower[i]:g})")
        elif rows.names[i] == limit and rows.upper[i] > 0.0:
            words.append(f"{limit} (at most {rows.upper[i]:g})")
        else:
            words.append(limit)
    if len(words) > 1:
        return f"No plan keeps these limits together: {', '.join(words)}. At least one of them must give way."
    offers = int((rows.matrix[[first[limits[0]]]] != 0).sum())
    return (
        f"No plan keeps the limit {words[0]}: only {offers} offers could ever count for it. "
        "Lower it, check its spelling, or give more items stock, demand and a price below list price."
    )
