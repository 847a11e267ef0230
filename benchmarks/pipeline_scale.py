"""Whole-process time and peak memory of each stage, by number of events, on simulated shops.

    python -m benchmarks.pipeline_scale 500000 5000000 20000000

Every stage is a process of its own, as a user would start it, with one thread. The last column is the time beside that
of copying the event file row group by row group in the same run: a floor for whatever reads and writes the log once.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import polars as pl
import pyarrow.parquet as pq

from benchmarks.process import timed
from flashlift import market, pipeline

STAGES = ("ingest", "train", "plan", "report")


def copy(source: Path, target: Path) -> float:
    """Seconds to read and write the log once."""
    begin = time.perf_counter()
    file = pq.ParquetFile(source)
    with pq.ParquetWriter(target, file.schema_arrow, compression="zstd") as writer:
        for group in range(file.num_row_groups):
            writer.write_table(file.read_row_group(group))
    return time.perf_counter() - begin


def main() -> None:
    """Measure every size given and print one table."""
    rows = []
    env = {**os.environ, "OMP_NUM_THREADS": "1", "POLARS_MAX_THREADS": "1"}
    exe = shutil.which("flashlift", path=str(Path(sys.executable).parent)) or "flashlift"
    for size in (int(text) for text in sys.argv[1:]):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            settings = pipeline.simulate(folder, market.MarketConfig.sized(size), seed=0)
            events = folder / "tables" / "events.parquet"
            n = pq.ParquetFile(events).metadata.num_rows
            floor = copy(events, folder / "copy.parquet")
            rows.append(("copy of the log", n, floor, None, 1.0))
            for stage in STAGES:
                seconds, _, peak = timed([exe, stage, "-s", str(settings)], env)
                rows.append((stage, n, seconds, peak, seconds / floor))
                print(*rows[-1], flush=True)
    names = ("stage", "events", "seconds", "peak MB", "seconds / copy")
    with pl.Config(tbl_rows=-1):
        print(pl.DataFrame(rows, schema=names, orient="row"))


if __name__ == "__main__":
    main()
