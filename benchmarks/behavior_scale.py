"""Whole-process time and peak memory of fitting and using the behavior model, by number of events, on simulated shops.

    python -m benchmarks.behavior_scale 100000 1000000 10000000

Every row is a process of its own, with one thread; its processor time stands beside the wall time, because it depends
less on what else the machine does. Fitting takes the same steps at every size (`--steps`), so what grows with the log
is reading, coding and judging it. `start` imports and does nothing; `read` also reads the columns that the model
needs, the floor for the others. A log above the model's `max_events` is fitted on a sample of customers, as by
default, and once more in whole. `predict` loads the model and answers for 1,000 customers: P(purchase within h) for
four h, and scores of 1,000 items.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import polars as pl

from benchmarks.process import arguments, timed
from flashlift import behavior, events, market
from flashlift.behavior.histories import COLUMNS
from flashlift.schema import Items, Tables

HORIZONS_HOURS = (24.0, 72.0, 168.0, 336.0)
ASKED = 1000  # customers and items


def log(folder: Path) -> pl.LazyFrame:
    return pl.scan_parquet(folder / "events.parquet")


def simulate(folder: Path, size: int) -> None:
    market.simulate(market.MarketConfig.sized(size), seed=0).write(folder)


def start(folder: Path, steps: int) -> None:
    assert behavior.BehaviorModel


def read(folder: Path, steps: int) -> None:
    assert behavior.BehaviorModel
    log(folder).select(COLUMNS).collect()


def fit(folder: Path, steps: int, *, whole: bool = False) -> None:
    tables = Tables(events=log(folder), items=Items.create_empty())
    split = events.time_split(tables.events, valid_days=28, test_days=28)
    config = replace(behavior.BehaviorConfig(), max_steps=steps, eval_every=steps, max_minutes=600.0)
    if whole:
        config = replace(config, max_events=10**12)
    model = behavior.fit(tables, split=split, config=config, seed=0)
    print(f"{model.facts['events']} events, {model.facts['steps']} steps in {60 * model.facts['minutes']:.1f} s")
    model.save(folder / "model")


def fit_whole(folder: Path, steps: int) -> None:
    fit(folder, steps, whole=True)


def predict(folder: Path, steps: int) -> None:
    model = behavior.BehaviorModel.load(folder / "model")
    everything = log(folder).select(COLUMNS).collect()
    at = everything["at"].max()
    assert isinstance(at, datetime)
    customers = everything["customer_id"].drop_nulls().unique().sort().head(ASKED).to_list()
    items = everything["item_id"].unique().sort().head(ASKED).to_list()
    model.purchase_probability(everything, customers, at, HORIZONS_HOURS)
    model.score(everything, customers, at, items)


STAGES: dict[str, Callable[[Path, int], None]] = {
    "start": start,
    "read": read,
    "fit": fit,
    "fit, whole log": fit_whole,
    "predict": predict,
}


def measure(sizes: list[int], steps: int) -> pl.DataFrame:
    """One row per size and stage."""
    rows = []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    most = behavior.BehaviorConfig().max_events
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [sys.executable, "-m", "benchmarks.behavior_scale", "--folder", name, "--steps", str(steps)]
            timed([*command, "--generate", str(size)], env)  # elsewhere: a process begins with its parent's peak
            n = log(folder).select(pl.len()).collect().item()
            for stage in STAGES:
                if stage == "fit, whole log" and n <= most:
                    continue
                rows.append((n, stage, *timed([*command, "--stage", stage], env)))
                print(*rows[-1], flush=True)
    table = pl.DataFrame(rows, schema=["events", "stage", "seconds", "cpu s", "peak MB"], orient="row")
    floor = table.filter(stage="read").select("events", read="cpu s")
    first = table.group_by("stage", maintain_order=True).first().select("stage", s="cpu s", mb="peak MB")
    together = table.join(floor, on="events", maintain_order="left").join(first, on="stage", maintain_order="left")
    return together.select(
        *table.columns,
        (pl.col("cpu s") / pl.col("read")).alias("cpu / read"),
        (pl.col("cpu s") / pl.col("s")).alias("cpu / smallest"),
        (pl.col("peak MB") / pl.col("mb")).alias("MB / smallest"),
    )


def main() -> None:
    """Measure every size given and print one table; with --stage, be one of the measured processes."""
    parser = arguments(__doc__, [100_000, 1_000_000, 10_000_000], STAGES)
    parser.add_argument("--steps", type=int, default=40)
    given = parser.parse_args()
    if given.generate:
        simulate(given.folder, given.generate)
    elif given.stage:
        STAGES[given.stage](given.folder, given.steps)
    else:
        with pl.Config(tbl_rows=-1, float_precision=2):
            print(measure(given.sizes, given.steps))


if __name__ == "__main__":
    main()
