"""Whole-process time and peak memory of the demand room, by number of items, on generated logs.

    python -m benchmarks.demand_scale 1000 10000 100000

A log has 180 days, about 20 purchases and 40 views per item with a heavy-tailed popularity, up to four recorded sales
per item, and sell-outs of every fifth. Every row is a process of its own, with one thread; its processor time stands
beside the wall time, because it depends less on what else the machine does. `start` imports and does nothing; `draw`
draws a campaign of all items in 50 slots, 500 draws; `cells` evaluates all items in 50 slots at 10 discounts, 50 draws
each, in blocks through `units`; `counts` takes as many Poisson counts from numpy, their floor; `curves` gives curves
and elasticities of all items.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from benchmarks.demand_scale.log import NOW, generate, tables
from benchmarks.process import arguments, timed
from flashlift import demand
from flashlift.demand.draws import PosteriorDraws
from flashlift.domain import Slot
from flashlift.protocols import FloatArray, IntArray

SLOTS = 50
DISCOUNTS = np.linspace(0.05, 0.5, 10)
PLAN_DRAWS, CELL_DRAWS = 500, 50
BLOCK = 20_000  # cells evaluated at a time
USUAL = 0.1  # units of a cell, about
FLOOR = "copy_seconds.txt"


def start(folder: Path) -> None:
    assert demand.fit


def fit(folder: Path) -> None:
    model = demand.fit(tables(folder), until=NOW, rng=np.random.default_rng(0))
    model.save(folder / "model", inputs="")


def examine(folder: Path) -> None:
    demand.fit_and_examine(tables(folder), until=NOW, rng=np.random.default_rng(0))


def reload(folder: Path) -> None:
    demand.FittedDemand.load(folder / "model").save(folder / "again", inputs="")


def curves(folder: Path) -> None:
    model = demand.FittedDemand.load(folder / "model")
    model.elasticities()
    model.curves(model.item_ids, DISCOUNTS)


def draw(folder: Path) -> None:
    _campaign(folder, PLAN_DRAWS)


def cells(folder: Path) -> None:
    draws = _campaign(folder, CELL_DRAWS)
    begin = time.process_time()
    total = 0.0
    for item, slot, discount in _blocks(len(draws.lump)):
        total += float(draws.units(item, slot, discount).sum())
    n = len(draws.lump) * SLOTS * len(DISCOUNTS)
    print(f"{n:,} cells, {n / (time.process_time() - begin):,.0f} a second, {total / n / CELL_DRAWS:.4f} units each")


def counts(folder: Path) -> None:
    rng = np.random.default_rng(2)
    for item, _, _ in _blocks(pl.read_parquet(folder / "items.parquet").height):
        rng.poisson(USUAL, (len(item), CELL_DRAWS))


def _campaign(folder: Path, n_draws: int) -> PosteriorDraws:
    """Draws of all items for 50 slots of four hours, five a day."""
    model = demand.FittedDemand.load(folder / "model")
    begins = [NOW + timedelta(days=1 + k // 5, hours=4 * (k % 5)) for k in range(SLOTS)]
    slots = [
        Slot(slot_id=f"s{k}", start=begin, end=begin + timedelta(hours=4), positions=20)
        for k, begin in enumerate(begins)
    ]
    return model.draw(pl.read_parquet(folder / "items.parquet"), slots, n_draws, rng=np.random.default_rng(1))


def _blocks(n_items: int) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
    """Item, slot and discount of all cells, a block at a time."""
    n = n_items * SLOTS * len(DISCOUNTS)
    for first in range(0, n, BLOCK):
        rest, step = np.divmod(np.arange(first, min(first + BLOCK, n)), len(DISCOUNTS))
        item, slot = np.divmod(rest, SLOTS)
        yield item, slot, DISCOUNTS[step]


def copy(folder: Path) -> float:
    """Processor seconds to read and write the event file once."""
    begin = time.process_time()
    file = pq.ParquetFile(folder / "events.parquet")
    with pq.ParquetWriter(folder / "copy.parquet", file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group))
    return time.process_time() - begin


STAGES: dict[str, Callable[[Path], None]] = {
    "start": start,
    "fit": fit,
    "fit and examine": examine,
    "load and save": reload,
    "curves": curves,
    "draw": draw,
    "cells": cells,
    "counts": counts,
}


def measure(sizes: list[int]) -> pl.DataFrame:
    """One row per size and stage.

    Returns:
        `items`, `events`, `stage`, `seconds` (wall), `cpu_s`, `peak_mb`, `over_copy` (processor time over that of
        reading and writing the event file once), `over_smaller` (over that of the size before).
    """
    rows = []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    for size in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            command = [sys.executable, "-m", "benchmarks.demand_scale", "--folder", name]
            timed([*command, "--generate", str(size)], env)  # elsewhere: a process begins with its parent's peak
            events = pq.ParquetFile(folder / "events.parquet").metadata.num_rows
            floor = float((folder / FLOOR).read_text())
            for stage in STAGES:
                seconds, cpu, peak = timed([*command, "--stage", stage], env)
                rows.append((size, events, stage, seconds, cpu, peak, cpu / floor))
                print(*rows[-1], flush=True)
    names = ["items", "events", "stage", "seconds", "cpu_s", "peak_mb", "over_copy"]
    table = pl.DataFrame(rows, schema=names, orient="row")
    return table.with_columns((pl.col("cpu_s") / pl.col("cpu_s").shift(1).over("stage")).alias("over_smaller"))


def main() -> None:
    """Measure every size given and print one table; with --stage, be one of the measured processes."""
    given = arguments(__doc__, [1_000, 10_000, 100_000], STAGES).parse_args()
    if given.generate:
        generate(given.folder, given.generate)
        (given.folder / FLOOR).write_text(str(copy(given.folder)))
    elif given.stage:
        STAGES[given.stage](given.folder)
    else:
        with pl.Config(tbl_rows=-1, tbl_cols=-1, float_precision=2):
            print(measure(given.sizes))


if __name__ == "__main__":
    main()
