"""From the tables of a shop to a fitted demand model."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.demand.baseline import Baseline
from flashlift.demand.config import DemandConfig
from flashlift.demand.groundwork import Groundwork, lay_groundwork
from flashlift.demand.model import FittedDemand
from flashlift.demand.moved import measure_moved
from flashlift.demand.panel import Panel
from flashlift.demand.response import SaleRows
from flashlift.demand.substitutes import learn_groups
from flashlift.demand.threads import one_blas_thread
from flashlift.demand.traffic_effect import check_traffic, learn_traffic
from flashlift.protocols import FloatArray, Progress, silent
from flashlift.schema import Tables

__all__ = ["fit", "fit_on"]

log = logging.getLogger(__name__)

_IDENTIFIED = 0.5  # of the assumed variance: below it, the log has removed more than half


def fit(
    tables: Tables,
    *,
    until: datetime,
    config: DemandConfig | None = None,
    rng: np.random.Generator,
    traffic: pl.DataFrame | None = None,
    progress: Progress = silent,
) -> FittedDemand:
    """Fit the demand model on what happened before `until`; nothing at or after it is read.

    Where prices never moved, the response is the assumed prior of `config` and is marked as not identified.

    Args:
        tables: the shop.
        until: end of what is known.
        config: the choices of the fit.
        rng: draws the rows that the baseline is fitted on.
        traffic: what a behavior model expects, from `expect_traffic`, with the midnight of `until` among its origins.
            Forecasts follow it where that made later weeks better than those it was learned on; see
            `FittedDemand.traffic`.
        progress: told the steps.

    Raises:
        InputError: the traffic is malformed or holds nothing as of `until`.
        InsufficientDataError: no purchases, purchases without prices, or less than 28 days.
    """
    with one_blas_thread():
        ground = lay_groundwork(tables, until, config or DemandConfig(), rng=rng, progress=progress)
        return fit_on(ground, tables, traffic)


def fit_on(ground: Groundwork, tables: Tables, traffic: pl.DataFrame | None = None) -> FittedDemand:
    """The model of a log whose groundwork is laid. Under `one_blas_thread`."""
    panel, sales, cross, config, response = ground.panel, ground.sales, ground.cross, ground.config, ground.response
    title = _titles(tables, panel)
    group = learn_groups(tables, panel, title)
    if len(np.unique(group)) == len(group):
        log.warning(
            "Neither titles nor views tell of any substitutes: a sale is taken to take nothing from other items."
        )
    moved = measure_moved(ground, tables, group)
    identified = float(response.shop_covariance[1, 1]) < _IDENTIFIED * config.assumed_elasticity_sd**2
    if not identified:
        log.warning(
            "The log holds too few price changes (%d sales) to tell the price elasticity: it is mostly an assumption.",
            response.n_sales,
        )
    model = FittedDemand(
        item_ids=tuple(panel.item_ids),
        titles=tuple(title),
        category=panel.category,
        group=group,
        categories=tuple(panel.categories),
        brand=panel.brand,
        brands=tuple(panel.brands),
        origin_day=panel.first_day + panel.n_days,
        state=ground.history.state(np.arange(len(panel.item_ids)), np.full(len(panel.item_ids), panel.n_days)),
        fresh=ground.history.newcomers(np.append(np.arange(len(panel.categories)), -1), panel.n_days),
        lump=np.append(panel.lump, np.average(panel.lump, weights=panel.units.sum(1))),
        n_sales=np.bincount(sales.item, minlength=len(panel.item_ids)),
        **_deepest(panel, sales),
        identified=identified,
        log_position=ground.log_position,
        baseline=replace(Baseline.fit(ground.rows, config), calendar=ground.rows.calendar.lately()),
        gap_response=ground.gap_response,
        response=response,
        pull=moved.pull,
        diverted=moved.diverted,
        halo=moved.halo,
        complements=moved.complements,
        noise=ground.noise,
        profile=panel.profile,
        detected=panel.detected,
        config=config,
        traffic=None,
        lean=np.zeros(len(panel.item_ids)),
    )
    if traffic is None:
        return model
    check_traffic(traffic)
    return model.with_traffic(learn_traffic(cross, traffic), traffic)


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


def _titles(tables: Tables, panel: Panel) -> list[str | None]:
    """Title of each item of the panel."""
    items = pl.DataFrame({"item_id": panel.item_ids})
    return items.join(tables.items.select("item_id", "title"), on="item_id", how="left", maintain_order="left")[
        "title"
    ].to_list()
