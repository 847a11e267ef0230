"""Forecast and intervals on held-out weeks of Online Retail, at four origins.

    python -m benchmarks.holdout

At each origin the demand model is fitted on everything before it and forecasts the next 28 days: one direct forecast,
no look back. WAPE is sum |actual - forecast| / sum actual; coverage is the share of actual values inside the interval;
`daily` is the shop's total per day, `item x week` each item's units per week. Baselines stand beside it; the
AutoETS of statsforecast (extra `bench`) forecasts the shop's days and each item's weeks as series of their own.
"""

from __future__ import annotations

import tempfile
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import track

from flashlift import demand, events, privacy
from flashlift.domain import Split
from flashlift.protocols import FloatArray
from flashlift.schema import Tables

ORIGINS = [datetime(2011, month, day, tzinfo=UTC) for month, day in ((7, 25), (8, 22), (9, 19), (11, 12))]
DAYS = 28
CONFIG = demand.DemandConfig(country="GB")


def main() -> None:
    """Backtest at every origin and print the mean of each metric, and its range."""
    if find_spec("statsforecast") is None:
        print("AutoETS is left out: statsforecast is not installed (pip install 'flashlift[bench]').")
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "shop"
        events.ingest([events.bundled()], store, key=privacy.Key.generate(), now=datetime(2012, 1, 1, tzinfo=UTC))
        tables = events.open_store(store)
        found = []
        for origin in track(ORIGINS, description="origins"):
            end = origin + timedelta(days=DAYS)
            split = Split(train_end=origin - timedelta(days=DAYS), valid_end=origin, test_end=end)
            log = replace(tables, events=events.before(tables.events, end))
            judged = demand.backtest(log, split=split, config=CONFIG, rng=np.random.default_rng(0))
            found += [
                part.with_columns(origin=pl.lit(origin.date())) for part in (judged.metrics, *_ets(log, split, judged))
            ]
    table = pl.concat(found).group_by("level", "metric", "model", maintain_order=True)
    figures = table.agg(mean=pl.col("value").mean(), lowest=pl.col("value").min(), highest=pl.col("value").max())
    with pl.Config(tbl_rows=-1, fmt_str_lengths=40):
        print(figures.sort("level", "metric", "model"))


def _ets(log: Tables, split: Split, judged: demand.Backtest) -> list[pl.DataFrame]:
    """Metrics of AutoETS on the same items and days; none where it is not installed."""
    if find_spec("statsforecast") is None:
        return []
    units, known = _panel(log, split)
    past, actual = units[known, :-DAYS], units[known, -DAYS:]
    told = judged.daily["actual"].to_numpy()
    if not np.allclose(actual.sum(0), told, rtol=1e-3):
        raise SystemExit(f"The days of {split.valid_end:%Y-%m-%d} differ from those of the backtest: {told}.")
    first = past.shape[1] % 7
    weeks = past[:, first:].reshape(len(past), -1, 7).sum(2)
    levels = {
        "shop_day": (actual.sum(0), _autoets(past.sum(0, keepdims=True), DAYS, season=7)[0]),
        "item_week": (actual.reshape(len(past), -1, 7).sum(2), _autoets(weeks, DAYS // 7, season=1)),
    }
    rows = []
    for level, (sold, mean) in levels.items():
        error = np.maximum(mean, 0.0) - sold
        rows.append(("AutoETS (statsforecast)", level, "wape", float(np.abs(error).sum() / sold.sum())))
        rows.append(("AutoETS (statsforecast)", level, "bias", float(error.sum() / sold.sum())))
    return [pl.DataFrame(rows, schema=["model", "level", "metric", "value"], orient="row")]


def _panel(log: Tables, split: Split) -> tuple[FloatArray, np.ndarray]:
    """Units per item and day up to the end of the test, wholesale lines capped as the demand model caps them."""
    day = (pl.col("at") - pl.lit(split.test_end)).dt.total_days(fractional=True).floor().cast(pl.Int64)
    lines = log.events.filter(pl.col("event") == "purchase").select("item_id", "quantity", day=day).collect()
    lines = lines.filter(pl.col("day") >= -demand.DemandConfig().history_days)
    cap = lines["quantity"].quantile(0.999, "higher")
    first = int(lines["day"].min())  # type: ignore[arg-type]
    items = lines["item_id"].unique().sort()
    cell = lines["item_id"].cast(pl.Enum(items)).to_physical().to_numpy().astype(np.int64) * -first
    cell += lines["day"].to_numpy() - first
    sold = np.bincount(cell, lines["quantity"].clip(upper_bound=cap).to_numpy(), len(items) * -first)
    units = sold.reshape(len(items), -first)
    return units, units[:, :-DAYS].sum(1) > 0


def _autoets(series: FloatArray, horizon: int, season: int) -> FloatArray:
    """Forecasts of rows, (n, horizon)."""
    from statsforecast import StatsForecast
    from statsforecast.models import AutoETS

    n, length = series.shape
    frame = pl.DataFrame(
        {"unique_id": np.repeat(np.arange(n), length), "ds": np.tile(np.arange(length), n), "y": series.ravel()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told = StatsForecast(models=[AutoETS(season_length=season)], freq=1, n_jobs=1).forecast(df=frame, h=horizon)
    return np.asarray(told.sort("unique_id", "ds")["AutoETS"].to_numpy().reshape(n, horizon))


if __name__ == "__main__":
    main()
