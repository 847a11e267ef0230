"""One log and one seed: fit out of time, judge, and keep the figures, so that a stopped study goes on where it was."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from benchmarks.intent.sets import Log
from flashlift import behavior
from flashlift.behavior.report import segment_report, timing_report

__all__ = ["TABLES", "run", "saved"]

TABLES = ("metrics", "reliability", "timing", "segments")
MOMENTS = {"n_times": 16, "at_most": 1500}


def run(name: str, log: Log, data: Path, seed: int, out: Path) -> None:
    """Do one log with one seed and write its tables; what is there is left as it is."""
    if (out / f"{name}_{seed}.json").is_file():
        return
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as place:
        tables, split = log.read(data, Path(place) / "shop")
        model = behavior.fit(tables, split=split, seed=seed)
        fitted = time.monotonic() - begin
        found: dict[str, pl.DataFrame] = {}
        found["metrics"], found["reliability"] = behavior.intent_report(
            model, tables, split=split, horizons_hours=log.horizons_hours, seed=seed, n_bootstrap=200, **MOMENTS
        )
        found["timing"] = timing_report(model, tables, split=split, seed=seed)
        found["segments"] = segment_report(model, tables, split=split, horizon_hours=log.horizons_hours[-1], seed=seed)
    out.mkdir(parents=True, exist_ok=True)
    for table, frame in found.items():
        marked = frame.select(pl.lit(name).alias("log"), pl.lit(seed).alias("seed"), pl.all())
        marked.write_parquet(out / f"{name}_{seed}_{table}.parquet")
    seconds = {"fit": round(fitted), "all": round(time.monotonic() - begin)}
    (out / f"{name}_{seed}.json").write_text(json.dumps({"log": name, "seed": seed, "seconds": seconds}))


def saved(logs: Mapping[str, Log], seeds: range, out: Path) -> dict[str, pl.DataFrame]:
    """All tables that were kept of these logs and seeds, one under the other."""
    done = [(name, seed) for name in logs for seed in seeds if (out / f"{name}_{seed}.json").is_file()]
    return {
        table: pl.concat([pl.read_parquet(out / f"{name}_{seed}_{table}.parquet") for name, seed in done])
        for table in TABLES
    }
