"""From the tables of a shop to a fitted demand model."""

from __future__ import annotations

import logging
from datetime import datetime

import numpy as np
import polars as pl
from threadpoolctl import threadpool_limits

from flashlift.demand.aftermath import measure_pull_forward
from flashlift.demand.baseline import Baseline, CrossFit, draw_rows
from flashlift.demand.config import DemandConfig
from flashlift.demand.model import FittedDemand
from flashlift.demand.noise import measure_noise
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.demand.sale_rows import sale_rows
from flashlift.demand.state import History
from flashlift.demand.substitution import measure_diversion, substitute_groups
from flashlift.protocols import FloatArray, IntArray, Progress, silent
from flashlift.schema import Tables

__all__ = ["fit"]

log = logging.getLogger(__name__)

_TASK = "demand"
_IDENTIFIED = 0.5  # of the assumed variance: below it, the log has removed more than half
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
    # Sums in one order, however many threads there are: a plan may turn on the last bit of a forecast.
    with threadpool_limits(limits=1, user_api="blas"):
        model = _fit(panel, _groups(tables, panel), config, rng, progress, steps)
    if not model.identified:
        log.warning(
            "The log holds too few price changes (%d sales) to tell the price elasticity: it is mostly an assumption.",
            model.response.n_sales,
        )
    progress(_TASK, steps, steps)
    return model


def _fit(
    panel: Panel, groups: list[str], config: DemandConfig, rng: np.random.Generator, progress: Progress, steps: int
) -> FittedDemand:
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
    diverted = measure_diversion(cross, groups, sales.item[studied], origin[studied], last[studied], extra)
    return FittedDemand(
        item_ids=tuple(panel.item_ids),
        category=panel.category,
        categories=tuple(panel.categories),
        origin_day=panel.first_day + panel.n_days,
        state=history.state(np.arange(len(panel.item_ids)), np.full(len(panel.item_ids), panel.n_days)),
        fresh=history.newcomers(np.append(np.arange(len(panel.categories)), -1), panel.n_days),
        lump=np.append(panel.lump, np.average(panel.lump, weights=panel.units.sum(1))),
        n_sales=np.bincount(sales.item, minlength=len(panel.item_ids)),
        **_deepest(panel, sales),
        identified=float(response.shop_covariance[1, 1]) < _IDENTIFIED * config.assumed_elasticity_sd**2,
        baseline=baseline,
        response=response,
        pull=pull,
        diverted=diverted,
        noise=noise,
        profile=panel.profile,
        detected=panel.detected,
        config=config,
    )


def _deepest(panel: Panel, sales: SaleRows) -> dict[str, FloatArray]:
    """Deepest discount seen of each item (else its category, else the shop), of each category, and of the shop."""
    depth = -np.expm1(-sales.x)
    category = np.zeros(len(panel.categories) + 1)
    np.maximum.at(category, panel.category[sales.item], depth)
    category[-1] = category.max()
    category[category == 0] = category[-1]
    item = np.zeros(len(panel.item_ids))
    np.maximum.at(item, sales.item, depth)
    return {"deepest": np.where(item > 0, item, category[panel.category]), "deepest_category": category}


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
