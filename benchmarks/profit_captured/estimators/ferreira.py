"""Ferreira, Lee and Simchi-Levi (2016): sell-out correction by demand curves, regression trees on relative price.

The estimating half of "Analytics for an Online Retailer: Demand Forecasting and Price Optimization", Manufacturing &
Service Operations Management 18(1): the demand of days that sold out is completed by clustered demand curves
(`ferreira_curves`), then bagged regression trees learn demand from price, discount and relative price among competing
items (`ferreira_trees`). The optimizing half is the planner of the same name. Past promotions are taken as if the
recent popularity told all that the merchant knew, and purchases pulled forward are not modeled: the paper's sales end,
and nothing follows.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.ferreira_curves import demand_curves, with_share_seen
from benchmarks.profit_captured.ferreira_draws import group_draws
from benchmarks.profit_captured.ferreira_trees import DemandTrees, fit_trees
from benchmarks.profit_captured.panel import build_panel

__all__ = ["NAME", "estimate"]

NAME = "Ferreira-Lee-Simchi-Levi"


def estimate(case: Case) -> Estimated:
    """Complete the sold-out days, grow the trees, and plug their predictions in."""
    panel = build_panel(case)
    complete = with_share_seen(case, panel, demand_curves(case, panel))
    trees = fit_trees(case, complete)
    return Estimated(draws=group_draws(case, trees), elasticities=_elasticities(case, trees))


def _elasticities(case: Case, trees: DemandTrees) -> pl.DataFrame:
    """Arc from list price to the median step of the ladder, both in the sale and alone in the group; no intervals."""
    every = np.arange(case.items.height)
    list_price, list_sum = trees.items["list_price"].to_numpy(), trees.groups.list_sum
    step = float(np.median(case.campaign.ladder))
    weekday = case.campaign.slots[0].start.isoweekday()
    low, high = (
        trees.daily_units(every, weekday, list_price - cut, list_sum - cut, in_sale=True)
        for cut in (list_price * step, list_price * 0.0)
    )
    unknown = pl.lit(None, dtype=pl.Float64)
    return case.items.select(
        "item_id", elasticity=pl.Series(np.log(low / high) / np.log1p(-step)), ci_lower=unknown, ci_upper=unknown
    )
