"""Today's rules of thumb as planners, to compare with: they keep every limit, and optimize nothing.

A rule ranks the offers and fills the slots in that order (`flashlift.planning.greedy`). It proves nothing, so its
plan is `HEURISTIC`, and its bound and gap are infinite.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Plan, PlanStatus
from flashlift.errors import FlashliftError, SettingsError
from flashlift.limits import MarginFloor
from flashlift.planning.greedy import fill
from flashlift.planning.limits import compile_limits
from flashlift.planning.problem import Columns, build_columns
from flashlift.planning.solution import offers_of
from flashlift.protocols import DemandDraws, FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["best_sellers", "fair_rule", "flat_rule", "random_plan", "slow_movers"]


def flat_rule(
    campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, ranking: FloatArray, discount: float
) -> Plan:
    """One discount for all; items in the order of a score.

    Args:
        campaign: the limits to keep.
        items: table SaleItems, in the row order of `draws`.
        draws: demand, for quotas and the value stated; it does not steer the choice.
        ranking: score of each item, larger first, (n_items,), or of each item and slot, (n_items, n_slots).
        discount: the nearest step of the ladder is taken.

    Raises:
        FlashliftError: the rule cannot keep the limits; an optimized plan may.
    """
    if not campaign.ladder:
        raise SettingsError("The ladder of the campaign is empty. Allow at least one discount.")
    step = min(campaign.ladder, key=lambda one: abs(one - discount))
    flat = replace(campaign, ladder=(step,))
    columns = build_columns(flat, items, draws)
    scores = np.broadcast_to(ranking.reshape(items.height, -1), (items.height, len(campaign.slots)))
    order = np.lexsort((columns.slot, columns.item, -scores[columns.item, columns.slot]))
    return _greedy_plan(campaign, items, columns, order)


def best_sellers(campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, discount: float = 0.2) -> Plan:
    """The items that sell most without a sale, all at one discount. Raises as `flat_rule`."""
    usual = _usual_units(items, draws)
    return flat_rule(campaign, items, draws, ranking=usual, discount=discount)


def slow_movers(campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, discount: float = 0.4) -> Plan:
    """The items with most stock per unit they usually sell, all at one discount. Raises as `flat_rule`."""
    stock = items[SaleItems.stock.name].to_numpy().astype(np.float64)
    cover = stock / np.maximum(_usual_units(items, draws), 1e-9)
    return flat_rule(campaign, items, draws, ranking=cover, discount=discount)


def fair_rule(campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, discount: float = 0.2) -> Plan:
    """The best a careful merchant does: one discount, never below the margin floor, most additional units first.

    Where the campaign has no margin floor, nothing is sold below cost. Raises as `flat_rule`.
    """
    if not any(isinstance(limit, MarginFloor) for limit in campaign.limits):
        campaign = replace(campaign, limits=(*campaign.limits, MarginFloor(margin_frac=0.0)))
    if not campaign.ladder:
        raise SettingsError("The ladder of the campaign is empty. Allow at least one discount.")
    step = min(campaign.ladder, key=lambda one: abs(one - discount))
    item = np.arange(items.height)
    stock = items[SaleItems.stock.name].to_numpy().astype(np.float64)[:, None]
    extra = np.zeros((items.height, len(campaign.slots)))
    for slot in range(len(campaign.slots)):
        here = np.full(items.height, slot)
        sold = np.minimum(draws.units(item, here, np.full(items.height, step)), stock)
        extra[:, slot] = (sold - draws.units(item, here, np.zeros(items.height))).mean(axis=1)
    return flat_rule(campaign, items, draws, ranking=extra, discount=step)


def random_plan(campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, *, rng: np.random.Generator) -> Plan:
    """Random items at random steps of the ladder. Raises as `flat_rule`."""
    columns = build_columns(campaign, items, draws)
    return _greedy_plan(campaign, items, columns, rng.permutation(len(columns)))


def _usual_units(items: pl.DataFrame, draws: DemandDraws) -> FloatArray:
    units: FloatArray = draws.without_sale(np.arange(items.height)).mean(axis=1)
    return units


def _greedy_plan(campaign: Campaign, items: pl.DataFrame, columns: Columns, order: IntArray) -> Plan:
    rows = compile_limits(campaign, items, columns)
    chosen = fill(rows, order)
    if chosen is None and rows.soft.any():
        chosen = fill(rows.take(~rows.soft), order)
    if chosen is None:
        raise FlashliftError(
            "This rule of thumb does not reach a category minimum of the campaign. Lower it, or let the planner try."
        )
    return Plan(
        offers=offers_of(chosen, columns, campaign, items),
        status=PlanStatus.HEURISTIC,
        objective=rows.worth(columns.value, chosen),
        bound=math.inf,
        gap_frac=math.inf,
        limit_prices={},
    )
