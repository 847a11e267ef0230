"""The best plan within the limits of a campaign."""

from __future__ import annotations

import logging
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import OPTIMAL_GAP_FRAC, Campaign, Excluded, MarginFloor, Offer, Plan, PlanStatus
from flashlift.planning.conflict import conflict
from flashlift.planning.limits import Rows, compile_limits
from flashlift.planning.problem import Columns, build_columns
from flashlift.planning.programme import Optimum, maximize
from flashlift.protocols import DemandDraws, FloatArray, Progress, silent
from flashlift.schema import SaleItems

__all__ = ["offers_of", "solve"]

log = logging.getLogger(__name__)


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
    columns = build_columns(campaign, items, draws, progress=progress)
    rows = compile_limits(campaign, items, columns)
    if len(columns):
        optimum = maximize(
            columns.value,
            rows,
            time_limit_s=time_limit_s,
            gap_frac=gap_frac,
            threads=threads,
            seed=seed,
            progress=progress,
        )
    else:
        optimum = _nothing(rows)
    if optimum is None:
        raise _explain(campaign, items, draws, progress)
    return _plan(campaign, items, columns, rows, optimum, gap_frac)


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


def _plan(
    campaign: Campaign, items: pl.DataFrame, columns: Columns, rows: Rows, optimum: Optimum, gap_frac: float
) -> Plan:
    objective = float(columns.value[optimum.chosen].sum())
    gap = max(optimum.bound - objective, 0.0) / max(abs(objective), 1.0)
    proven = optimum.finished and gap <= min(gap_frac, OPTIMAL_GAP_FRAC) + 1e-9
    if optimum.finished and not proven:
        log.warning("the solver ended with a gap of %.2e, above the %.2e asked for", gap, gap_frac)
    return Plan(
        offers=offers_of(optimum.chosen, columns, campaign, items),
        status=PlanStatus.OPTIMAL if proven else PlanStatus.TIME_LIMITED,
        objective=objective,
        bound=max(optimum.bound, objective),
        gap_frac=gap,
        limit_prices=_limit_prices(rows, optimum.duals),
    )


def _limit_prices(rows: Rows, duals: FloatArray) -> dict[str, float]:
    """Dual of each limit; a limit that holds for every item counts one more unit for each of them."""
    prices: dict[str, float] = {}
    for limit, dual in zip(rows.limits, duals.tolist(), strict=True):
        if abs(dual) > 1e-9:
            prices[limit] = prices.get(limit, 0.0) + dual
    return dict(sorted(prices.items()))
