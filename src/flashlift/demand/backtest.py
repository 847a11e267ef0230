"""The forecast beside what happened in held-out weeks, from several origins, and beside simple and classical ones."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.demand.config import DemandConfig
from flashlift.demand.fit import fit
from flashlift.demand.model import FittedDemand
from flashlift.demand.origin import at_origin
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.profile import DAY_US
from flashlift.demand.scores import score
from flashlift.demand.statistical import statistical_forecasts
from flashlift.demand.totals import LevelForecast, on_levels, sum_draws
from flashlift.demand.traffic_effect import TrafficEffect
from flashlift.domain import Split
from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray, IntArray, Progress, silent
from flashlift.schema import Tables

__all__ = ["Backtest", "backtest"]

_DRAWS = 200
_DEEPEST = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """A forecast judged on weeks that the fit never saw.

    Args:
        daily: units of the shop per day, forecast from the first origin: `date`, `actual`, `mean`, `ci_lower`,
            `ci_upper` (90 %).
        metrics: means over the origins: `model` (flashlift, seasonal_naive, mean_28, and those of `statistical`
            where statsforecast is installed), `level` (item_week; category_week, where there are two; shop_day),
            `metric`, `value`. `wape` is the sum of absolute errors over the sum of units, `bias` the sum of errors
            over it, `pinball` the mean quantile loss over it, and `coverage_80`, `coverage_90` the share of intervals
            that hold the actual.
        origins: the same for each origin: `origin` (the first day that is forecast), `days` (forecast from there),
            `model`, `level`, `metric`, `value`.
        traffic: what expected traffic was worth before the first origin; None where none was given.
    """

    daily: pl.DataFrame
    metrics: pl.DataFrame
    origins: pl.DataFrame
    traffic: TrafficEffect | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """Units of n items before and in the test period, and what is judged of the latter.

    Args:
        units: per item and day up to the end of the test period, (n, n_days).
        judged: the same shape; False on days without stock.
        category: of each item, in [0, n_categories).
        n_categories: number of categories.
        promotions: sales decided for the test period; None where the shop records none.
    """

    units: FloatArray
    judged: npt.NDArray[np.bool_]
    category: IntArray
    n_categories: int
    promotions: pl.DataFrame | None


def backtest(
    tables: Tables,
    *,
    split: Split,
    config: DemandConfig | None = None,
    rng: np.random.Generator,
    most_origins: int = 4,
    traffic: pl.DataFrame | None = None,
    progress: Progress = silent,
) -> Backtest:
    """Fit on what happened before `split.valid_end` and judge on the days from there to `split.test_end`.

    The origin rolls on through these days in steps of whole weeks, `most_origins` at most, each forecasting up to the
    end; the weights stay those of the first, only the state of demand is that of the day ("updating without
    recalibration"; Tashman, "Out-of-sample tests of forecasting accuracy", IJF 2000).

    Sales that the table of promotions names in the test period are told to the forecast, since the merchant decides
    them; item-days without stock are left out of forecast and actual alike. Items first sold in the test period
    are not judged. With fewer origins the first is told the same.

    With `traffic` (from `expect_traffic`, whose origins `traffic_origins` tells) each origin is told what is expected
    as of its day. What it is worth is learned before `split.valid_end`; where it is used, the same forecasts without
    it stand beside as `flashlift without traffic`.

    Raises:
        InputError: no origin is asked for, or the traffic is malformed or holds nothing as of one.
        InsufficientDataError: no purchases to judge on, or too few to fit.
    """
    if most_origins < 1:
        raise InputError(f"A backtest from at most {most_origins} origins judges nothing. Ask for 1 or more.")
    config = config or DemandConfig()
    model = fit(tables, until=split.valid_end, config=config, rng=rng, traffic=traffic, progress=progress)
    start = date(1970, 1, 1) + timedelta(days=model.origin_day)
    days = (split.test_end.date() - start).days
    if days < 7:
        raise InsufficientDataError(
            f"The test period from {start} to {split.test_end:%Y-%m-%d} has {days} whole days; a backtest needs "
            "at least 7. Move `valid_end` earlier or give a longer log."
        )
    known = _known(build_panel(tables, split.test_end, config), model)
    origins = _origins(known, days, most_origins)
    rows, daily = [], pl.DataFrame()
    for k, passed in enumerate(origins):
        origin = start + timedelta(days=passed)
        progress("backtest", k, len(origins), f"from {origin}")
        now = model if k == 0 else at_origin(model, tables, datetime.combine(origin, time(), UTC), traffic)
        actual, forecasts = _forecasts(known, now, days - passed, rng)
        if k == 0:
            daily = _daily(start, actual["shop_day"], forecasts["flashlift"])
        for name, forecast in forecasts.items():
            rows += [(origin, days - passed, name, *found) for found in score(actual, forecast)]
    progress("backtest", len(origins), len(origins))
    found = pl.DataFrame(rows, schema=["origin", "days", "model", "level", "metric", "value"], orient="row")
    means = found.group_by("model", "level", "metric", maintain_order=True).agg(pl.col("value").mean())
    return Backtest(daily=daily, metrics=means, origins=found, traffic=model.traffic)


def _known(panel: Panel, model: FittedDemand) -> _Known:
    """What the panel up to the end of the test period holds of the model's items."""
    row = {item_id: k for k, item_id in enumerate(panel.item_ids)}
    rows = np.array([row.get(item_id, -1) for item_id in model.item_ids])
    there = (rows >= 0)[:, None]
    groups, category = np.unique(model.category, return_inverse=True)
    return _Known(
        units=np.where(there, panel.units[rows], 0.0),
        judged=np.where(there, panel.stock[rows] > 0.999, True),
        category=category,
        n_categories=len(groups),
        promotions=None if panel.detected else _known_promotions(panel, model),
    )


def _known_promotions(panel: Panel, model: FittedDemand) -> pl.DataFrame:
    ids = pl.DataFrame({"item": np.arange(len(panel.item_ids)), "item_id": panel.item_ids})
    first = pl.lit(model.origin_day * DAY_US).cast(pl.Datetime("us", "UTC"))
    return (
        panel.sales.filter((pl.col("to") > first) & pl.col("depth").is_not_null())
        .join(ids, on="item")
        .select(
            "item_id",
            pl.col("from").alias("start"),
            pl.col("to").alias("end"),
            pl.col("depth").clip(upper_bound=_DEEPEST),
            "position",
        )
    )


def _origins(known: _Known, days: int, most: int) -> list[int]:
    """Days of the test period that have passed at each origin: whole weeks, with something sold in those to come."""
    step = 7 * -(-(days // 7) // most)
    sold = (known.units * known.judged)[:, -days:].sum(0)
    to_come = {passed: sold[passed : passed + (days - passed) // 7 * 7].sum() for passed in range(0, days - 6, step)}
    return [passed for passed, units in to_come.items() if passed == 0 or units > 0]


def _forecasts(
    known: _Known, model: FittedDemand, days: int, rng: np.random.Generator
) -> tuple[dict[str, FloatArray], dict[str, LevelForecast]]:
    """Units of the last `days` days by level, and by model what was forecast of them."""
    past, actual, judged = known.units[:, :-days], known.units[:, -days:], known.judged[:, -days:]
    groups = known.category, known.n_categories
    start = date(1970, 1, 1) + timedelta(days=model.origin_day)
    found = {}
    if model.traffic is not None and model.traffic.used:
        without = replace(model, lean=np.zeros_like(model.lean))
        found["flashlift without traffic"] = _totals(without, start, days, known, deepcopy(rng))
    found = {"flashlift": _totals(model, start, days, known, rng), **found}
    naive = {
        "seasonal_naive": past[:, -7:][:, np.arange(days) % 7],
        "mean_28": np.repeat(past[:, -28:].mean(1)[:, None], days, 1),
    }
    for name, units in naive.items():
        found[name] = LevelForecast(mean=on_levels(units * judged, *groups), quantiles={})
    whole, rest = on_levels(naive["mean_28"], *groups), found["mean_28"].mean
    for name, told in statistical_forecasts(past, *groups, days).items():
        # Series of weeks or of the shop know no item-days without stock: the share of them that is judged is taken.
        share = {
            level: np.where(whole[level] > 0, rest[level] / np.maximum(whole[level], 1e-12), 1.0) for level in whole
        }
        found[name] = LevelForecast(mean={k: mean * share[k] for k, mean in told.mean.items()}, quantiles={})
    return on_levels(actual * judged, *groups), found


def _totals(model: FittedDemand, start: date, days: int, known: _Known, rng: np.random.Generator) -> LevelForecast:
    drawn = model.daily_units(start, days, n_draws=_DRAWS, rng=rng, promotions=known.promotions)
    return sum_draws(drawn, known.judged[:, -days:], known.category, known.n_categories)


def _daily(start: date, actual: FloatArray, forecast: LevelForecast) -> pl.DataFrame:
    edges = forecast.quantiles["shop_day"]
    return pl.DataFrame(
        {
            "date": pl.date_range(start, start + timedelta(days=len(actual) - 1), eager=True),
            "actual": actual,
            "mean": forecast.mean["shop_day"],
            "ci_lower": edges[:, 0],
            "ci_upper": edges[:, -1],
        }
    )
