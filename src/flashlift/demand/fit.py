"""From the tables of a shop to a fitted demand model."""

from __future__ import annotations

import logging
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.demand.aftermath import measure_pull_forward
from flashlift.demand.baseline import Baseline, CrossFit, draw_rows
from flashlift.demand.config import DemandConfig
from flashlift.demand.model import FittedDemand
from flashlift.demand.noise import measure_noise
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.profile import by_day
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.demand.selection import MerchantRule, passing_state
from flashlift.demand.state import MIN_HISTORY, History
from flashlift.demand.substitution import measure_diversion, substitute_groups
from flashlift.protocols import FloatArray, IntArray, Progress, silent
from flashlift.schema import Tables

__all__ = ["fit"]

log = logging.getLogger(__name__)

_TASK = "demand"
_MAX_STUDIED = 5_000  # past sales whose effects elsewhere are studied


def fit(
    tables: Tables,
    *,
    until: datetime,
    config: DemandConfig | None = None,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> FittedDemand:
    """Fit the demand model on what happened before `until`; nothing at or after it is read.

    Where prices never moved, the response is the assumed prior of `config` and is marked as not identified.

    Raises:
        InsufficientDataError: no purchases, purchases without prices, or less than 28 days.
    """
    config = config or DemandConfig()
    steps = config.folds + 4
    progress(_TASK, 0, steps, "reading the log")
    panel = build_panel(tables, until, config)
    history = History(panel)
    rows = draw_rows(history, panel, config, rng)

    def begin(block: int) -> None:
        progress(_TASK, 1 + block, steps, f"baseline without block {block + 1} of {config.folds}")

    cross = CrossFit.fit(history, panel, rows, config, begin)
    progress(_TASK, 1 + config.folds, steps, "baseline")
    baseline = Baseline.fit(rows, config)
    progress(_TASK, 2 + config.folds, steps, "spread of the forecast")
    noise = measure_noise(cross, rng)
    progress(_TASK, 3 + config.folds, steps, f"response to {len(panel.sales):,} sales")
    sales, origin, last = sale_rows(panel, cross, noise.near, rng)
    response = fit_response(sales, panel.category, len(panel.categories), config)
    studied, extra = _studied(response, sales, panel)
    pull = measure_pull_forward(cross, sales.item[studied], origin[studied], last[studied], extra)
    groups = _groups(tables, panel)
    diverted = measure_diversion(cross, groups, sales.item[studied], origin[studied], last[studied], extra)
    model = FittedDemand.assemble(
        panel=panel,
        history=history,
        baseline=baseline,
        response=response,
        sales=sales,
        pull=pull,
        diverted=diverted,
        noise=noise,
        config=config,
    )
    if not model.identified:
        log.warning(
            "The log holds too few price changes (%d sales) to tell the price elasticity: it is mostly an assumption.",
            response.n_sales,
        )
    progress(_TASK, steps, steps)
    return model


def sale_rows(
    panel: Panel, cross: CrossFit, hidden: float, rng: np.random.Generator
) -> tuple[SaleRows, IntArray, IntArray]:
    """Past sales with their cross-fitted baselines, the first day of each and its last (days of the panel)."""
    sales = panel.sales.filter(panel.sales["depth"].is_not_null())
    cut = by_day(sales, panel.profile)
    window, share = cut["window"].to_numpy(), cut["share"].to_numpy()
    day = cut["day"].to_numpy() - panel.first_day
    item = sales["item"].to_numpy().astype(np.int64)
    origin, last = np.full(len(item), panel.n_days), np.full(len(item), -1)
    np.minimum.at(origin, window, day)
    np.maximum.at(last, window, day)
    state = cross.history.state(item, np.clip(origin, 0, panel.n_days))
    usable = (origin >= MIN_HISTORY) & (last < panel.n_days) & (state.days[:, -1] >= 7)
    cell = usable[window]
    window, day, share = window[cell], day[cell], share[cell]
    daily = cross.predict(item[window], origin[window], day)
    baseline = np.bincount(window, share * daily, len(item)).astype(np.float64)
    keep = np.flatnonzero(usable & (baseline > 1e-4))
    kept = sales[keep]
    x = -np.log1p(-np.minimum(kept["depth"].to_numpy(), 0.95))
    chosen = ~kept["randomized"].to_numpy().astype(bool)
    demand, others = passing_state(cross, item[keep], origin[keep], rng)
    rule = MerchantRule.learn(demand, x, chosen, others, hidden)
    log.info("The merchant's rule: %s", rule)
    rows = SaleRows(
        item=item[keep],
        units=kept["units"].to_numpy(),
        baseline=baseline[keep],
        x=x,
        controls=np.column_stack(
            [
                demand,
                _place(kept["position"].to_numpy()),
                # Only where both kinds exist can they be compared.
                chosen & (not chosen.all()),
                (chosen & (not chosen.all())) * x,
                rule.expected_gap(demand, x, chosen),
            ]
        ),
        lump=panel.lump[item[keep]],
    )
    return rows, origin[keep], last[keep]


def _place(position: FloatArray) -> FloatArray:
    """Log position around its mean; 0 where it is not known."""
    place = np.log(np.asarray(position, dtype=np.float64))
    known = np.isfinite(place)
    return np.where(known, place - place[known].mean() if known.any() else 0.0, 0.0)


def _studied(response: Response, sales: SaleRows, panel: Panel) -> tuple[IntArray, FloatArray]:
    """Sales whose effects elsewhere are studied, as row numbers, and their expected extra units."""
    # Not the items' own lifts: they hold some of the state of demand in these very sales, which goes on after them.
    mean, _ = response.category_marginal(response.categories)
    own = mean[panel.category[sales.item]]
    lift = np.exp(own[:, 0] + own[:, 1] * sales.x)
    extra = sales.baseline * np.maximum(lift - 1.0, 0.0)
    some = np.unique(np.linspace(0, len(extra) - 1, min(len(extra), _MAX_STUDIED)).astype(np.int64))
    return some, extra[some]


def _groups(tables: Tables, panel: Panel) -> list[str]:
    """Group of substitutes of each item of the panel."""
    names = pl.DataFrame({"item_id": panel.item_ids}).join(
        tables.items.select("item_id", "category", "title"), on="item_id", how="left", maintain_order="left"
    )
    return substitute_groups(names["category"].to_list(), names["title"].to_list())
