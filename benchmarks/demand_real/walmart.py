"""Weekly sales of departments: flashlift's baseline beside LightGBM and statsforecast, 13 weeks ahead, three origins.

Sales in steps of 200 dollars stand for units, a week for a day (see `weekly`). The markdowns are sums by store and
week without a price, so flashlift, whose sales need one, is told nothing of them; LightGBM is told everything that
the file knows of a week in advance. WMAE is the error in dollars, weeks with a holiday five times.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from pathlib import Path

import lightgbm as lgb
import numpy as np
import polars as pl

from benchmarks.demand_real import own
from benchmarks.demand_real.weekly import Panel
from flashlift.protocols import FloatArray

__all__ = ["NEEDS", "TITLE", "forecasts", "read"]

TITLE = "Walmart, sales of departments"
NEEDS = "walmart_markdown/train.parquet"
_STEP = 200.0
_HORIZON, _YEAR = 13, 52
_ORIGINS = (91, 104, 130)  # 2011-11-04 (Thanksgiving and Christmas ahead), 2012-02-03, 2012-08-03
_HOLIDAY_WEIGHT = 5.0
_EVERY = 5  # one store in five
_RESAMPLES = 500
_MARKDOWNS = [f"MarkDown{k}" for k in range(1, 6)]
_LEARNED = [
    "year_ago", "year_ago_before", "year_ago_after", "level_4", "level_13", "level_52", "horizon", "week_of_year",
    "holiday", "department", "store", "Size", *_MARKDOWNS,
]  # fmt: skip
_BOOST = {
    "objective": "l1", "learning_rate": 0.05, "num_leaves": 63, "min_data_in_leaf": 50, "feature_fraction": 0.8,
    "num_threads": 1, "deterministic": True, "seed": 1, "verbosity": -1,
}  # fmt: skip


def read(data: Path) -> pl.DataFrame:
    """Department-weeks of one store in five, with what the file knows of the week: rows as `weekly` needs them."""
    folder = (data / NEEDS).parent
    facts = pl.read_parquet(folder / "features.parquet").select("Store", "Date", *_MARKDOWNS)
    rows = pl.read_parquet(data / NEEDS).filter((pl.col("Store") % _EVERY == 0) & (pl.col("Weekly_Sales") > 0))
    rows = rows.join(facts, on=["Store", "Date"]).join(pl.read_parquet(folder / "stores.parquet"), on="Store")
    day = pl.col("Date").str.to_date()
    return rows.select(
        pl.format("{}-{}", "Store", "Dept").alias("item"),
        pl.format("department {}", "Dept").alias("brand"),
        pl.col("Store").alias("store"),
        pl.col("Dept").alias("department"),
        ((day - day.min()).dt.total_days() // 7).alias("week"),
        day.dt.week().cast(pl.Int64).alias("week_of_year"),
        pl.col("Weekly_Sales").alias("sales"),
        (pl.col("Weekly_Sales") / _STEP).round().clip(lower_bound=1).cast(pl.Int64).alias("units"),
        pl.lit(1.0).alias("price"),
        pl.lit(1.0).alias("usual"),
        pl.lit(False).alias("deal"),
        pl.lit(False).alias("feat"),
        pl.lit(False).alias("promoted"),
        pl.col("IsHoliday").alias("holiday"),
        "Size",
        *(pl.col(name).fill_null(0.0) for name in _MARKDOWNS),
    ).sort("item", "week")  # fmt: skip


def forecasts(rows: pl.DataFrame) -> pl.DataFrame:
    """`origin` (null: all), `model`, `wmae`, `wape`, `holiday_wape`, `difference` of WMAE to flashlift's with 90 %."""
    parts = [_one(rows, origin) for origin in _ORIGINS]
    whole = pl.concat(parts)
    tables = [_judge(part).with_columns(origin=pl.lit(origin)) for part, origin in zip(parts, _ORIGINS, strict=True)]
    return pl.concat([_judge(whole).with_columns(origin=pl.lit(None, pl.Int32)), *tables])


def _one(rows: pl.DataFrame, origin: int) -> pl.DataFrame:
    """Held-out weeks of one origin of items with a year behind them, a column of forecasts per method."""
    past = rows.filter(pl.col("week") < origin)
    old = past.group_by("item").len().filter(pl.col("len") >= _YEAR + 1)["item"]
    held = rows.filter(pl.col("week").is_between(origin, origin + _HORIZON - 1) & pl.col("item").is_in(old.implode()))
    features = Panel.build(rows).features(held, np.full(len(held), origin))
    found = {"flashlift": own.forecast(own.fit(rows, origin), features, origin, _HORIZON) * _STEP}
    found["LightGBM"] = _boosted(rows, held, origin)
    return held.with_columns(pl.Series(name, units) for name, units in (found | _classical(past, held, origin)).items())


def _boosted(rows: pl.DataFrame, held: pl.DataFrame, origin: int) -> FloatArray:
    """LightGBM on ratios to the year's level, absolute error in dollars, rounds chosen on the last 13 weeks."""
    past = rows.filter((pl.col("week") < origin) & (pl.col("week") > _HORIZON))
    week = past["week"].to_numpy()
    seen = np.maximum(week - np.random.default_rng(0).integers(0, _HORIZON, len(week)), _HORIZON)
    train, test = _describe(rows, past, seen), _describe(rows, held, np.full(len(held), origin))

    def data(frame: pl.DataFrame) -> lgb.Dataset:
        scale = frame["scale"].to_numpy()
        weight = scale * np.where(frame["holiday"].to_numpy() > 0, _HOLIDAY_WEIGHT, 1.0)
        return lgb.Dataset(frame.select(_LEARNED).to_numpy(), frame["sales"].to_numpy() / scale, weight=weight)

    late = train["week"] >= origin - _HORIZON
    stop = lgb.early_stopping(50, verbose=False)
    tried = lgb.train(_BOOST, data(train.filter(~late)), 2000, valid_sets=[data(train.filter(late))], callbacks=[stop])
    model = lgb.train(_BOOST, data(train), max(tried.best_iteration, 1))
    return np.asarray(model.predict(test.select(_LEARNED).to_numpy(), num_threads=1) * test["scale"].to_numpy())


def _describe(rows: pl.DataFrame, some: pl.DataFrame, origin: FloatArray) -> pl.DataFrame:
    """Features of `some` rows as known at their origins; sales a year ago are known at every horizon here."""
    levels = Panel.build(rows).features(some, origin)
    frame = some.with_columns(
        *(levels[name].exp() * _STEP for name in ("level_4", "level_13", "level_52")), levels["horizon"],
        pl.col("holiday").cast(pl.Float64), scale=levels["level_52"].exp() * _STEP,
    )  # fmt: skip
    for name, lag in (("year_ago", _YEAR), ("year_ago_before", _YEAR + 1), ("year_ago_after", _YEAR - 1)):
        earlier = rows.select("item", pl.col("week") + lag, pl.col("sales").alias(name))
        frame = frame.join(earlier, on=["item", "week"], how="left", maintain_order="left")
    ratio = ("year_ago", "year_ago_before", "year_ago_after", "level_4", "level_13")
    return frame.with_columns(pl.col(name) / pl.col("scale") for name in ratio)


def _classical(past: pl.DataFrame, held: pl.DataFrame, origin: int) -> dict[str, FloatArray]:
    """Seasonal naive, and statsforecast's MSTL with ETS and its AutoETS without a season (52 is too long for one)."""
    first, last = int(past["week"].min()), origin - 1  # type: ignore[arg-type]
    grid = held.select(pl.col("item").unique().sort()).join(
        pl.DataFrame({"week": np.arange(first, last + 1)}).cast({"week": past.schema["week"]}), how="cross"
    )
    full = grid.join(past.select("item", "week", "sales"), on=["item", "week"], how="left").sort("item", "week")
    full = full.with_columns(pl.col("sales").interpolate().forward_fill().backward_fill().over("item"))
    year_ago = full.select("item", pl.col("week") + _YEAR, pl.col("sales").alias("seasonal naive"))
    told = held.select("item", "week").join(year_ago, on=["item", "week"], how="left", maintain_order="left")
    found = {"seasonal naive": told["seasonal naive"].to_numpy()}
    if find_spec("statsforecast") is None:
        print("statsforecast is left out: it is not installed (pip install 'flashlift[bench]').")
        return found
    from statsforecast import StatsForecast
    from statsforecast.models import MSTL, AutoETS

    named = full.select(pl.col("item").alias("unique_id"), ds="week", y="sales")
    methods = [MSTL(season_length=_YEAR, trend_forecaster=AutoETS(model="ZZN")), AutoETS(model="ZZN")]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        answer = StatsForecast(models=methods, freq=1, n_jobs=1).forecast(df=named, h=_HORIZON)
    told = held.select("item", "week").join(
        answer, left_on=["item", "week"], right_on=["unique_id", "ds"], how="left", maintain_order="left"
    )
    names = {"MSTL": "MSTL + ETS (statsforecast)", "AutoETS": "AutoETS (statsforecast)"}
    return found | {shown: told[name].to_numpy() for name, shown in names.items()}


def _judge(part: pl.DataFrame) -> pl.DataFrame:
    models = [name for name in part.columns if name not in _FACTS]
    part = part.filter(pl.all_horizontal(pl.col(name).is_finite() for name in models))
    holiday = part["holiday"].to_numpy()
    weight = np.where(holiday, _HOLIDAY_WEIGHT, 1.0)
    stores, of = np.unique(part["store"].to_numpy(), return_inverse=True)
    times = np.random.default_rng(0).multinomial(len(stores), np.full(len(stores), 1 / len(stores)), _RESAMPLES)
    actual = part["sales"].to_numpy()
    error = {name: np.abs(part[name].to_numpy() - actual) for name in models}
    rows = []
    for name in models:
        gap = np.bincount(of, weight * (error[name] - error["flashlift"]), len(stores))
        drawn = (times @ gap) / (times @ np.bincount(of, weight, len(stores)))
        rows.append(
            {
                "model": name,
                "wmae": np.average(error[name], weights=weight),
                "wape": error[name].sum() / actual.sum(),
                "holiday_wape": error[name][holiday].sum() / actual[holiday].sum() if holiday.any() else None,
                "difference": gap.sum() / weight.sum(),
                "ci_lower": np.quantile(drawn, 0.05),
                "ci_upper": np.quantile(drawn, 0.95),
                "rows": len(part),
            }
        )
    return pl.DataFrame(rows, schema_overrides={"holiday_wape": pl.Float64})


_FACTS = {
    "item", "brand", "store", "department", "week", "week_of_year", "sales", "units", "price", "usual", "deal", "feat",
    "promoted", "holiday", "Size", *_MARKDOWNS,
}  # fmt: skip
