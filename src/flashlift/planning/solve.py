"""The best plan within the limits of a campaign."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import OPTIMAL_GAP_FRAC, Campaign, Excluded, MarginFloor, Offer, Plan, PlanStatus
from flashlift.planning.certificate import Certificate, cells_of_columns, cells_of_grid
from flashlift.planning.conflict import conflict
from flashlift.planning.families import families
from flashlift.planning.grid import build_grid
from flashlift.planning.limits import Rows, compile_limits
from flashlift.planning.problem import Columns, Problem, all_columns, build_columns
from flashlift.planning.programme import Optimum, maximize
from flashlift.protocols import DemandDraws, FloatArray, Progress, silent
from flashlift.schema import SaleItems

__all__ = ["offers_of", "solve", "solve_certified"]

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
) -> tuple[Plan, _Found]:
    problem = Problem.of(campaign, items, draws)
    found = (_direct if problem.n_cells <= DIRECT else _sifted)(problem, items, search, progress)
    if found is None:
        raise _explain(campaign, items, draws, progress)
    return _plan(campaign, items, found, search["gap_frac"]), found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """A choice among columns, its bound, and the price of every row.

    Args:
        columns: offers looked at in the end.
        chosen: those in the plan, (n_columns,).
        bound: no plan has more value.
        rows: names of rows, and in `limits` the limit of each.
        limits: of each row.
        price: worth of one more unit of each row, (n_rows,).
        finished: the search ended by itself.
        cells: table of all offers for a certificate.
    """

    columns: Columns
    chosen: npt.NDArray[np.bool_]
    bound: float
    rows: Sequence[str]
    limits: Sequence[str]
    price: FloatArray
    finished: bool
    cells: Callable[[], pl.DataFrame]


def _direct(problem: Problem, items: pl.DataFrame, search: dict[str, Any], progress: Progress) -> _Found | None:
    """The whole problem as one binary programme."""
    columns = all_columns(problem, progress=progress)
    rows = compile_limits(problem.campaign, items, columns)
    optimum = maximize(columns.value, rows, **search, progress=progress) if len(columns) else _nothing(rows)
    if optimum is None:
        return None
    return _Found(
        columns=columns,
        chosen=optimum.chosen,
        bound=optimum.bound,
        rows=rows.names,
        limits=rows.limits,
        price=optimum.duals,
        finished=optimum.finished,
        cells=lambda: cells_of_columns(columns),
    )


def _sifted(problem: Problem, items: pl.DataFrame, search: dict[str, Any], progress: Progress) -> _Found | None:
    """A bound by column sifting, and a binary programme over the offers that can matter."""
    from flashlift.planning.large import search_large
    from flashlift.planning.schedules import Pricer

    rows = families(problem.campaign, items)
    grid = build_grid(problem, threads=search["threads"], progress=progress)
    pricer = Pricer.of(problem.campaign, grid, rows, threads=search["threads"])
    found = search_large(problem, items, pricer, **search, progress=progress)
    if found is None:
        return None
    return _Found(
        columns=found.columns,
        chosen=found.chosen,
        bound=found.bound,
        rows=[name for family in rows for name in family.names],
        limits=[family.limit or name for family in rows for name in family.names],
        price=found.relaxation.price,
        finished=found.finished,
        cells=lambda: cells_of_grid(grid, problem.price),
    )


def offers_of(
    chosen: npt.NDArray[np.bool_], columns: Columns, campaign: Campaign, items: pl.DataFrame
) -> tuple[Offer, ...]:
    """Chosen columns as offers, by slot and then by value."""
    ids = items[SaleItems.item_id.name]
    at = np.flatnonzero(chosen)
    at = at[np.lexsort((columns.item[at], -columns.value[at], columns.slot[at]))]
    return tuple(
        Offer(
            item_id=ids[int(columns.item[i])],
            slot_id=campaign.slots[columns.slot[i]].slot_id,
            discount_frac=float(columns.discount[i]),
            price=float(columns.price[i]),
            quota=int(columns.quota[i]),
            expected_units=float(columns.units[i]),
            expected_value=float(columns.value[i]),
        )
        for i in at
    )


def _nothing(rows: Rows) -> Optimum | None:
    """The empty plan, where the limits allow it."""
    if (rows.lower > 0.0).any():
        return None
    none = np.zeros(0, dtype=bool)
    return Optimum(chosen=none, bound=0.0, duals=np.zeros(len(rows.names)), finished=True)


def _explain(campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, progress: Progress) -> Exception:
    """Build the problem again with every offer in it, so that margin floor and exclusions can be named too."""
    others = tuple(limit for limit in campaign.limits if not isinstance(limit, MarginFloor | Excluded))
    columns = build_columns(replace(campaign, limits=others), items, draws, progress=progress)
    return conflict(compile_limits(campaign, items, columns, lean=False))


def _plan(campaign: Campaign, items: pl.DataFrame, found: _Found, gap_frac: float) -> Plan:
    objective = float(found.columns.value[found.chosen].sum())
    gap = max(found.bound - objective, 0.0) / max(abs(objective), 1.0)
    proven = found.finished and gap <= min(gap_frac, OPTIMAL_GAP_FRAC) + 1e-9
    if found.finished and not proven:
        log.warning("the search ended with a gap of %.2e, above the %.2e asked for", gap, gap_frac)
    return Plan(
        offers=offers_of(found.chosen, found.columns, campaign, items),
        status=PlanStatus.OPTIMAL if proven else PlanStatus.TIME_LIMITED,
        objective=objective,
        bound=max(found.bound, objective),
        gap_frac=gap,
        limit_prices=_limit_prices(found.limits, found.price),
    )


def _limit_prices(limits: Sequence[str], duals: FloatArray) -> dict[str, float]:
    """Dual of each limit; a limit that holds for every item counts one more unit for each of them."""
    prices: dict[str, float] = {}
    for limit, dual in zip(limits, duals.tolist(), strict=True):
        if abs(dual) > 1e-9:
            prices[limit] = prices.get(limit, 0.0) + dual
    return dict(sorted(prices.items()))
