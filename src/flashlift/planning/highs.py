"""One run of HiGHS: maximize value @ x within rows, x in [0, 1] or binary.

HiGHS: Huangfu and Hall, Parallelizing the dual revised simplex method, Math. Prog. Comp. 10 (2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import highspy
import numpy as np
import numpy.typing as npt
from scipy import sparse

from flashlift.errors import FlashliftError
from flashlift.planning.limits import Rows
from flashlift.protocols import FloatArray, Progress, silent

__all__ = ["Run", "run"]

STATUS = highspy.HighsModelStatus
STOPPED = (STATUS.kTimeLimit, STATUS.kInterrupt)
REACHED = (STATUS.kOptimal, STATUS.kObjectiveTarget)


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What HiGHS says.

    Args:
        x: values (n_columns,); None where it has no solution that keeps the rows.
        duals: change of the optimum per unit of each row's bound (n_rows,); None for a binary programme or an
            unfinished run.
        bound: no solution has more value; inf where nothing is proven.
        finished: the run was not stopped by its time limit or by Ctrl-C.
        feasible: False only where proven infeasible.
    """

    x: FloatArray | None
    duals: FloatArray | None
    bound: float
    finished: bool
    feasible: bool


def run(
    value: FloatArray,
    rows: Rows,
    *,
    binary: bool,
    time_limit_s: float,
    gap_frac: float = 1e-4,
    threads: int = 1,
    seed: int = 0,
    start: npt.NDArray[np.bool_] | None = None,
    enough: float = np.inf,
    progress: Progress = silent,
) -> Run:
    """Solve, with Ctrl-C ending the run as its time limit would. What soft rows are broken by costs their penalty.

    Args:
        value: of each column, (n_columns,).
        rows: the limits.
        binary: columns are 0 or 1; else anything between.
        time_limit_s: seconds.
        gap_frac: a binary programme is solved when its bound is at most this share above its solution.
        threads: of the solver.
        seed: of the solver.
        start: a choice that keeps the rows, to begin with.
        enough: a choice of this value ends the run, and counts as finished.
        progress: told the bound of a binary programme.

    Raises:
        FlashliftError: HiGHS failed.
    """
    highs: Any = highspy.Highs()  # type: ignore[no-untyped-call]
    options = {
        "output_flag": False,
        "time_limit": max(time_limit_s, 0.0),
        "mip_rel_gap": gap_frac,
        "threads": threads,
        "random_seed": seed,
    }
    if np.isfinite(enough):
        options["objective_target"] = -enough
    for name, setting in options.items():
        highs.setOptionValue(name, setting)
    highspy.Highs.resetGlobalScheduler(True)  # the thread count is fixed when the scheduler starts
    if highs.passModel(_model(value, rows, binary)) == highspy.HighsStatus.kError:
        raise FlashliftError("The solver refused the problem. Look for costs or budgets beyond 1e15 in the campaign.")
    if start is not None:
        solution = highspy.HighsSolution()
        solution.col_value = [*start.astype(np.float64).tolist(), *rows.violation(start)[rows.soft].tolist()]
        highs.setSolution(solution)
    _wait(highs, "Optimize" if binary else "Relax", max(time_limit_s, 0.01), progress)
    return _read(highs, binary, len(value))


def _model(value: FloatArray, rows: Rows, binary: bool) -> Any:
    """HiGHS minimizes, so the value enters as a negative cost; the last columns are what soft rows are broken by."""
    soft = np.flatnonzero(rows.soft)
    give = sparse.csr_array(
        (np.where(np.isfinite(rows.upper[soft]), -1.0, 1.0), (soft, np.arange(len(soft)))),
        shape=(len(rows.names), len(soft)),
    )
    matrix = sparse.hstack([rows.matrix, give], format="csr")
    n_rows, n_columns = matrix.shape
    model = highspy.HighsLp()
    model.num_col_, model.num_row_ = n_columns, n_rows
    model.col_cost_ = np.concatenate([-value, rows.penalty[soft]])
    model.col_lower_ = np.zeros(n_columns)
    model.col_upper_ = np.concatenate([np.ones(len(value)), np.full(len(soft), highspy.kHighsInf)])
    model.row_lower_, model.row_upper_ = rows.lower, rows.upper
    model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
    model.a_matrix_.num_col_, model.a_matrix_.num_row_ = n_columns, n_rows
    model.a_matrix_.start_ = matrix.indptr.astype(np.int32)
    model.a_matrix_.index_ = matrix.indices.astype(np.int32)
    model.a_matrix_.value_ = matrix.data.astype(np.float64)
    if binary:
        kinds = highspy.HighsVarType
        model.integrality_ = [kinds.kInteger] * len(value) + [kinds.kContinuous] * len(soft)
    return model


def _wait(highs: Any, task: str, time_limit_s: float, progress: Progress) -> None:
    """Run in a thread, so that Ctrl-C and the progress bar live in this one."""
    note = ""

    def heard(event: Any) -> None:
        nonlocal note
        out = event.data_out
        if abs(out.mip_primal_bound) < 1e15 and abs(out.mip_dual_bound) < 1e15:
            note = f"best {-out.mip_primal_bound:,.0f}, bound {-out.mip_dual_bound:,.0f}"

    highs.cbMipInterrupt.subscribe(heard)
    highs.HandleUserInterrupt = True
    solver = highs.startSolve()
    elapsed = 0.0
    finished = False
    while not finished:
        try:
            finished, _ = highs.wait(0.25)
            elapsed += 0.25
            if not finished:
                progress(task, min(elapsed, 0.99 * time_limit_s), time_limit_s, note)
        except KeyboardInterrupt:
            highs.cancelSolve()
    solver.join()
    progress(task, time_limit_s, time_limit_s, note)


def _read(highs: Any, binary: bool, n_columns: int) -> Run:
    status = highs.getModelStatus()
    info = highs.getInfo()
    if status in (STATUS.kInfeasible, STATUS.kUnboundedOrInfeasible):  # x is bounded, so never unbounded
        return Run(x=None, duals=None, bound=-np.inf, finished=True, feasible=False)
    if status not in (*REACHED, *STOPPED):
        raise FlashliftError(
            f"The solver failed with status {highs.modelStatusToString(status)}. Try another seed or a looser gap."
        )
    finished = status in REACHED
    solution = highs.getSolution()
    usable = finished or (binary and info.primal_solution_status == int(highspy.SolutionStatus.kSolutionStatusFeasible))
    bound = np.inf
    if binary:
        bound = -info.mip_dual_bound if abs(info.mip_dual_bound) < 1e30 else np.inf
    elif finished:
        bound = -info.objective_function_value
    return Run(
        x=np.array(solution.col_value[:n_columns]) if usable else None,
        duals=-np.array(solution.row_dual) if finished and not binary else None,
        bound=float(bound),
        finished=finished,
        feasible=True,
    )
