"""One solver on one campaign, as a process of its own: `python -m benchmarks.planner_scale.solvers NAME SIZE ...`.

`flashlift` values the offers and plans. `highs` and `cp_sat` get the same offers, valued, and the same rows, with one
binary variable for each offer: seconds are those of the search alone. CP-SAT takes whole numbers, so values and
rows in currency are rounded down to hundredths.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import sparse

from benchmarks.planner_scale.campaign import campaign

if TYPE_CHECKING:
    from flashlift.planning.limits import Rows


def main() -> None:
    """Write the figures of a run to the file given last."""
    name, n_items, n_slots, n_steps, n_draws, appearances, gap, limit, out = sys.argv[1:]
    made = campaign(int(n_items), int(n_slots), int(n_steps), int(n_draws), appearances=int(appearances), seed=0)
    found = {"flashlift": _flashlift, "highs": _highs, "export": _export, "cp_sat": _cp_sat}[name](
        made, float(gap), float(limit), Path(out)
    )
    Path(out).with_suffix(".json").write_text(json.dumps(found))


def _flashlift(made, gap: float, limit: float, out: Path) -> dict[str, float]:  # type: ignore[no-untyped-def]
    from flashlift.planning import solve_certified, verify

    plan_campaign, items, draws = made
    begin = time.perf_counter()
    valued = begin

    def progress(task: str, done: float, total: float, note: str = "") -> None:
        nonlocal valued
        if task == "Value offers":
            valued = time.perf_counter()

    plan, certificate = solve_certified(
        plan_campaign, items, draws, time_limit_s=limit, gap_frac=gap, threads=2, progress=progress
    )
    end = time.perf_counter()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # before the proof is checked
    proof = verify(plan, plan_campaign, items, certificate.prices, certificate.cells)
    return {
        "value": plan.objective,
        "bound": plan.bound,
        "value_s": valued - begin,
        "search_s": end - valued,
        "verify_s": time.perf_counter() - end,
        "proven_gap": proof.gap_frac,
        "broken": len(proof.broken),
        "plan_mb": peak,
        "offers": len(plan.offers),
    }


def _model(made) -> tuple[np.ndarray, Rows]:  # type: ignore[no-untyped-def, type-arg]
    from flashlift.planning.limits import compile_limits
    from flashlift.planning.problem import build_columns

    columns = build_columns(*made)
    return columns.value, compile_limits(made[0], made[1], columns)


def _highs(made, gap: float, limit: float, out: Path) -> dict[str, float]:  # type: ignore[no-untyped-def]
    from flashlift.planning.highs import run

    value, rows = _model(made)
    begin = time.perf_counter()
    done = run(value, rows, binary=True, time_limit_s=limit, gap_frac=gap, threads=2)
    best = float("nan") if done.x is None else float(value[done.x > 0.5].sum())
    return {"value": best, "bound": done.bound, "search_s": time.perf_counter() - begin}


def _export(made, gap: float, limit: float, out: Path) -> dict[str, float]:  # type: ignore[no-untyped-def]
    value, rows = _model(made)
    sparse.save_npz(out.with_suffix(".matrix.npz"), sparse.csr_matrix(rows.matrix))
    np.savez(out.with_suffix(".npz"), value=value, lower=rows.lower, upper=rows.upper)
    return {}


def _cp_sat(made, gap: float, limit: float, out: Path) -> dict[str, float]:  # type: ignore[no-untyped-def]
    """Reads what `export` wrote, because highspy and ortools cannot live in one process."""
    from ortools.sat.python import cp_model

    held, matrix = np.load(out.with_suffix(".npz")), sparse.load_npz(out.with_suffix(".matrix.npz"))
    value = held["value"]
    begin = time.perf_counter()
    model = cp_model.CpModel()
    x = [model.new_bool_var("") for _ in value]
    for row in range(matrix.shape[0]):
        part = slice(matrix.indptr[row], matrix.indptr[row + 1])
        exact = (matrix.data[part] == np.rint(matrix.data[part])).all()
        scale = 1 if exact else 100
        terms = [x[j] for j in matrix.indices[part]]
        total = cp_model.LinearExpr.weighted_sum(terms, np.ceil(matrix.data[part] * scale).astype(int).tolist())
        if np.isfinite(held["upper"][row]):
            model.add(total <= int(np.floor(held["upper"][row] * scale)))
        if np.isfinite(held["lower"][row]):
            model.add(total >= int(np.ceil(held["lower"][row] * scale)))
    model.maximize(cp_model.LinearExpr.weighted_sum(x, np.floor(value * 100.0).astype(int).tolist()))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit
    solver.parameters.relative_gap_limit = gap
    solver.parameters.num_workers = 2
    status = solver.solve(model)
    found = status in (cp_model.OPTIMAL, cp_model.FEASIBLE)
    return {
        "value": float(value[[bool(solver.value(one)) for one in x]].sum()) if found else float("nan"),
        "bound": solver.best_objective_bound / 100.0,
        "search_s": time.perf_counter() - begin,
    }


if __name__ == "__main__":
    main()
