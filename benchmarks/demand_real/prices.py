"""Elasticities by brand on all weeks, and forecasts of held-out weeks at several origins, method beside method."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from importlib.util import find_spec

import numpy as np
import polars as pl

from benchmarks.demand_real import learners, own, regression, weekly_response
from benchmarks.demand_real.dominicks import Study
from benchmarks.demand_real.judge import judge
from benchmarks.demand_real.weekly import Panel
from flashlift.protocols import FloatArray

__all__ = ["elasticities", "forecasts"]

OURS = "flashlift"
_MIN_WEEKS = 13  # of history behind a training row
Linear = Callable[[pl.DataFrame, pl.DataFrame, list[str]], tuple[FloatArray, regression.Slopes]]
Found = tuple[str, FloatArray, pl.DataFrame, float]


def elasticities(rows: pl.DataFrame, horizon: int) -> pl.DataFrame:
    """Slopes of every method on all weeks: `model`, `brand`, `elasticity`, `ci_lower`, `ci_upper`, `seconds`."""
    end = int(rows["week"].max()) + 1  # type: ignore[arg-type]
    train = _train(rows, end, horizon)
    parts = [
        slopes.with_columns(model=pl.lit(name), seconds=took) for name, _, slopes, took in _peers(train, train[:1])
    ]
    begin = time.perf_counter()
    ours = own.elasticities(own.fit(rows, end), end)
    parts.append(ours.with_columns(model=pl.lit(OURS), seconds=time.perf_counter() - begin))
    return pl.concat(parts).select("model", "brand", "elasticity", "ci_lower", "ci_upper", "seconds")


def forecasts(study: Study, rows: pl.DataFrame) -> pl.DataFrame:
    """Table of `judge` over the held-out weeks of all origins together, and of each (`origin`; null: all)."""
    parts: list[tuple[int, pl.DataFrame, dict[str, FloatArray]]] = []
    for origin in study.origins:
        held = rows.filter(pl.col("week").is_between(origin, origin + study.horizon - 1))
        held = Panel.build(rows).features(held, np.full(len(held), origin))
        found = {"mean of the item's last 13 quiet weeks": np.exp(held["level_13"].to_numpy())}
        past = rows.filter(pl.col("week") < origin)
        found |= {name: units for name, units, _, _ in _peers(_train(past, origin, study.horizon), held)}
        found[OURS] = own.forecast(own.fit(rows, origin), held, origin, study.horizon)
        parts.append((origin, held, found))
    tables = [_judged(held, found).with_columns(origin=pl.lit(origin)) for origin, held, found in parts]
    together = pl.concat([held for _, held, _ in parts])
    whole = {name: np.concatenate([found[name] for *_, found in parts]) for name in parts[0][2]}
    return pl.concat([_judged(together, whole).with_columns(origin=pl.lit(None, pl.Int32)), *tables])


def _judged(held: pl.DataFrame, found: dict[str, FloatArray]) -> pl.DataFrame:
    return judge(held["units"].to_numpy().astype(np.float64), found, held["store"].to_numpy(), OURS)


def _train(past: pl.DataFrame, end: int, horizon: int) -> pl.DataFrame:
    """Training rows, each seen from an origin 1 to `horizon` weeks before it."""
    past = past.filter(pl.col("week") < end)
    week = past["week"].to_numpy()
    origin = week - np.random.default_rng(0).integers(0, horizon, len(week))
    old = origin >= int(week.min()) + _MIN_WEEKS
    return Panel.build(past).features(past.filter(pl.Series(old)), origin[old])


def _peers(train: pl.DataFrame, held: pl.DataFrame) -> Iterator[Found]:
    brands = train["brand"].unique().sort().to_list()
    count = np.bincount(regression.codes(train["brand"], brands))
    linear: dict[str, Linear] = {"OLS, item effects and flags": regression.fixed_effects}
    if find_spec("econml") is None:
        print("LinearDML is left out: econml is not installed (pip install 'flashlift[bench]').")
    else:
        linear["LinearDML (EconML)"] = learners.double_ml
    for name, linear_method in linear.items():
        begin = time.perf_counter()
        units, slopes = linear_method(train, held, brands)
        yield name, units, slopes.table(brands, count), time.perf_counter() - begin
    with_tables = {"LightGBM": learners.boosted, "flashlift's response on a weekly baseline": weekly_response.answer}
    for name, method in with_tables.items():
        begin = time.perf_counter()
        units, table = method(train, held, brands)
        yield name, units, table, time.perf_counter() - begin
