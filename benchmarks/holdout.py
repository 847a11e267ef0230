"""Forecast and intervals on held-out weeks of Online Retail, at four origins.

    python -m benchmarks.holdout

At each origin the demand model is fitted on everything before it and forecasts the next 28 days: one direct forecast,
no look back. WAPE is sum |actual - forecast| / sum actual; coverage is the share of actual values inside the interval;
`shop_day` is the shop's total per day, `category_week` and `item_week` the units per week of each category and item.
The simple forecasts of `demand.backtest` stand beside it, and the classical ones where the extra `bench` is installed.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from rich.progress import track

from flashlift import demand, events, privacy
from flashlift.domain import Split

ORIGINS = [datetime(2011, month, day, tzinfo=UTC) for month, day in ((7, 25), (8, 22), (9, 19), (11, 12))]
DAYS = 28
CONFIG = demand.DemandConfig(country="GB")


def main() -> None:
    """Backtest at every origin and print the mean of each metric, and its range."""
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "shop"
        events.ingest([events.bundled()], store, key=privacy.Key.generate(), now=datetime(2012, 1, 1, tzinfo=UTC))
        tables = events.open_store(store)
        found = []
        for origin in track(ORIGINS, description="origins"):
            end = origin + timedelta(days=DAYS)
            split = Split(train_end=origin - timedelta(days=DAYS), valid_end=origin, test_end=end)
            log = replace(tables, events=events.before(tables.events, end))
            judged = demand.backtest(log, split=split, config=CONFIG, rng=np.random.default_rng(0), most_origins=1)
            found.append(judged.origins)
    rows = pl.concat(found)
    if note := demand.missing_peer(rows):
        print(note)
    table = rows.group_by("level", "metric", "model", maintain_order=True)
    figures = table.agg(mean=pl.col("value").mean(), lowest=pl.col("value").min(), highest=pl.col("value").max())
    with pl.Config(tbl_rows=-1, fmt_str_lengths=40):
        print(figures.sort("level", "metric", "model"))


if __name__ == "__main__":
    main()
