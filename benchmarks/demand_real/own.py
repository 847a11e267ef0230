"""flashlift on weeks: the demand model fitted before an origin, its forecast of the weeks after, its elasticities."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl

from benchmarks.demand_real.weekly import CUT, POSITION, at_week, tables
from flashlift import demand
from flashlift.domain import Slot
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["CONFIG", "elasticities", "fit", "forecast", "units_by_brand"]

# Chosen for the files alone: they hold years, are seen once a week, and 13 weeks are forecast.
CONFIG = demand.DemandConfig(recovery_days=7, horizon_days=91, history_days=1_100)
_DRAWS = 400
_SHALLOW, _DEEP = 0.05, 0.30
_LEVEL = 0.9


def fit(rows: pl.DataFrame, origin: int, *, seed: int = 0) -> demand.FittedDemand:
    """The model of what happened before week `origin`; rows as in `with_usual_price`."""
    past = rows.filter(pl.col("week") < origin)
    return demand.fit(tables(past), until=at_week(origin), config=CONFIG, rng=np.random.default_rng(seed))


def forecast(model: demand.FittedDemand, held: pl.DataFrame, origin: int, horizon: int, *, seed: int = 0) -> FloatArray:
    """Mean units of held-out rows (see `Panel.features`), which tell their sales; NaN for items never seen."""
    start = pl.lit(at_week(0)).dt.cast_time_unit("us") + pl.duration(weeks="week")
    sold = (pl.col("deal") > 0) | (pl.col("feat") > 0) | (pl.col("log_relative") < np.log(1 - CUT))
    shelf = pl.when(pl.col("deal") > 0).then(POSITION["deal"]).otherwise(POSITION["cut"])
    promotions = held.filter(sold).select(
        pl.col("item").alias("item_id"),
        start.alias("start"),
        (start + pl.duration(days=1)).alias("end"),
        (1 - pl.col("log_relative").exp()).clip(lower_bound=0.0).alias("depth"),
        pl.when(pl.col("feat") > 0).then(POSITION["feat"]).otherwise(shelf).alias("position"),
    )
    first = at_week(origin).date()
    told = model.forecast(first, 7 * horizon, n_draws=_DRAWS, rng=np.random.default_rng(seed), promotions=promotions)
    told = told.with_columns(day=(pl.col("date") - at_week(0).date()).dt.total_days()).filter(pl.col("day") % 7 == 0)
    told = told.with_columns(week=pl.col("day") // 7)
    joined = held.join(told, left_on=["item", "week"], right_on=["item_id", "week"], how="left", maintain_order="left")
    return joined["mean"].fill_null(float("nan")).to_numpy()


def elasticities(model: demand.FittedDemand, origin: int, *, seed: int = 0) -> pl.DataFrame:
    """d ln Q / d ln p of each brand when all stores cut its price: `brand`, `elasticity`, `ci_lower`, `ci_upper`.

    From the joint draws at 5 and 30 % off, so that what the stores share is uncertain together.
    """
    brands, shallow, deep = units_by_brand(model, origin, (_SHALLOW, _DEEP), seed=seed)
    ratio = np.log(np.maximum(deep, 1.0) / np.maximum(shallow, 1.0))
    slope = ratio / (np.log1p(-_DEEP) - np.log1p(-_SHALLOW))
    edges = np.quantile(slope, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2], axis=1)
    return pl.DataFrame({"brand": brands, "elasticity": slope.mean(1), "ci_lower": edges[0], "ci_upper": edges[1]})


def units_by_brand(
    model: demand.FittedDemand, week: int, discounts: tuple[float, ...], *, seed: int = 0
) -> tuple[list[str], *tuple[FloatArray, ...]]:
    """Brands with "all" last, and for each discount their units in a week, (n_brands + 1, n_draws)."""
    known = model.elasticities().select("item_id", "category")
    goods = pl.concat([SaleItems.create_empty(), known], how="diagonal_relaxed")
    slot = Slot(slot_id="week", start=at_week(week), end=at_week(week) + timedelta(days=1), positions=1)
    draws = model.draw(goods, [slot], _DRAWS, rng=np.random.default_rng(seed))
    item, none = np.arange(len(known)), np.zeros(len(known), dtype=np.int64)
    brands, of = np.unique(known["category"].to_numpy(), return_inverse=True)

    def totals(discount: float) -> FloatArray:
        summed = np.zeros((len(brands) + 1, _DRAWS))
        np.add.at(summed, of, draws.units(item, none, np.full(len(known), discount)))
        summed[-1] = summed[:-1].sum(0)
        return summed

    return [*brands.tolist(), "all"], *(totals(discount) for discount in discounts)
