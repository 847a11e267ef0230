"""The best plan within the limits of a campaign."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Plan
from flashlift.errors import InfeasibleError
from flashlift.planning.certificate import Certificate, cells_of_columns
from flashlift.planning.conflict import conflict
from flashlift.planning.families import families
from flashlift.planning.grid import build_grid
from flashlift.planning.limits import Rows, compile_limits
from flashlift.planning.problem import Problem, all_columns, build_columns
from flashlift.planning.programme import Optimum, keeps, maximize
from flashlift.planning.solution import Solution, plan_of
from flashlift.protocols import DemandDraws, Progress, silent

__all__ = ["solve", "solve_certified", "why_infeasible"]

log = logging.getLogger(__name__)

DIRECT = 20_000  # offers that the binary programme takes as they are; with more, column sifting is quicker


def solve(
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws,
    *,
    time_limit_s: float = 60.0,
    gap_frac: float = 1e-4,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> Plan:
    """Choose the offers of the largest expected incremental profit (a `Planner`).

    The plan may be empty where no offer earns anything and no minimum asks for one. Ctrl-C while optimizing ends the
    search like the time limit: the best plan so far comes back as `TIME_LIMITED`, with its true bound.

    Args:
        campaign: slots, ladder and limits.
        items: table SaleItems, in the row order of `draws`.
        draws: demand of these items in the campaign's slots.
        time_limit_s: seconds for the solver; valuing the offers comes on top.
        gap_frac: the plan is optimal when its bound is at most this share above it.
        threads: solver threads.
        seed: solver seed; the same seed gives the same plan unless the time runs out.
        progress: told the offers valued and the solver's bound.

    Raises:
        InfeasibleError: no plan keeps all limits; it names a minimal set that conflicts.
        SettingsError: the campaign contradicts itself.
        InputError: the draws hold values that are not finite.
        FlashliftError: the solver failed, or found no plan in the time given.
    """
    limits = {"time_limit_s": time_limit_s, "gap_frac": gap_frac, "threads": threads, "seed": seed}
    return _solve(campaign, items, draws, limits, progress)[0]


def solve_certified(
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws,
    *,
    time_limit_s: float = 60.0,
    gap_frac: float = 1e-4,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[Plan, Certificate]:
    """The plan of `solve`, and what proves how good it is (`flashlift.planning.verify`). Raises as `solve`."""
    limits = {"time_limit_s": time_limit_s, "gap_frac": gap_frac, "threads": threads, "seed": seed}
    plan, found = _solve(campaign, items, draws, limits, progress)
    return plan, Certificate.of(found.rows, found.price, found.cells(), draws.n_draws)


def _solve(
    campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, search: dict[str, Any], progress: Progress
) -> tuple[Plan, Solution]:
    problem = Problem.of(campaign, items, draws)
    found = (_direct if problem.n_cells <= DIRECT else _sifted)(problem, items, search, progress)
    if found is None:
        raise why_infeasible(campaign, items, draws, progress=progress)
    return plan_of(campaign, items, found, search["gap_frac"]), found


def _direct(problem: Problem, items: pl.DataFrame, search: dict[str, Any], progress: Progress) -> Solution | None:
    """The whole problem as one binary programme."""
    columns = all_columns(problem, progress=progress)
    rows = compile_limits(problem.campaign, items, columns)
    optimum = maximize(columns.value, rows, **search, progress=progress) if len(columns) else _nothing(rows)
    if optimum is None:
        return None
    return Solution(
        columns=columns,
        chosen=optimum.chosen,
        worth=rows.worth(columns.value, optimum.chosen),
        bound=optimum.bound,
        rows=rows.names,
        limits=rows.limits,
        price=optimum.duals,
        finished=optimum.finished,
        cells=lambda: cells_of_columns(columns),
    )


def _sifted(problem: Problem, items: pl.DataFrame, search: dict[str, Any], progress: Progress) -> Solution | None:
    """A bound by column sifting, and a binary programme over the offers that can matter."""
    from flashlift.planning.large import search_large
    from flashlift.planning.schedules import Pricer

    grid = build_grid(problem, threads=search["threads"], progress=progress)
    rows = families(problem.campaign, items)
    pricer = Pricer.of(problem.campaign, grid, rows, threads=search["threads"])
    return search_large(problem, items, pricer, **search, progress=progress)


def _nothing(rows: Rows) -> Optimum | None:
    """The empty plan, where the limits allow it."""
    none = np.zeros(0, dtype=bool)
    if not keeps(rows, none):
        return None
    duals = -np.where(rows.lower > 0.0, rows.penalty, 0.0)
    return Optimum(chosen=none, bound=rows.worth(np.zeros(0), none), duals=duals, finished=True)


def why_infeasible(
    campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, progress: Progress = silent
) -> InfeasibleError:
    """Build the problem again with every offer in it, so that limits that forbid single offers can be named too."""
    columns = build_columns(campaign, items, draws, forbidden=True, progress=progress)
    return conflict(compile_limits(campaign, items, columns, lean=False))
