"""Does the stack predict purchases better than LightGBM on aggregates, and are its probabilities true?

python -m benchmarks.intent --data FOLDER                 four logs, three seeds; resumes
python -m benchmarks.intent --sets online_retail --seeds 1  the log that comes with the package
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import polars as pl
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks.intent.page import bars, intent_table, markdown, timing_table
from benchmarks.intent.sets import SETS
from benchmarks.intent.study import run, saved

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).parents[1] / "out" / "intent"


def main() -> int:
    """Run what is missing, print the tables; with all logs and three seeds write the page of the documentation."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intent", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FLASHLIFT_DATA", ".")), help="public logs")
    parser.add_argument("--sets", default=",".join(SETS), help="logs, separated by commas")
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each log")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of what was measured; delete it to measure anew")
    args = parser.parse_args()
    chosen = args.sets.split(",")
    if unknown := [name for name in chosen if name not in SETS]:
        parser.error(f"there is no log {unknown[0]!r} here; choose from {', '.join(SETS)}")
    logs = {name: SETS[name] for name in chosen}
    for name, log in list(logs.items()):
        if log.needs and not (args.data / log.needs).is_file():
            print(f"{log.title} is left out: {args.data / log.needs} is missing. Name its folder with --data.")
            del logs[name]
    seeds = range(args.seeds)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns) as bar:
        job = bar.add_task("", total=len(logs) * len(seeds))
        for seed in seeds:
            for name, log in logs.items():
                bar.update(job, description=f"{name}, seed {seed}")
                run(name, log, args.data, seed, args.out)
                bar.advance(job)
    if not logs:
        return 1
    found = saved(logs, seeds, args.out)
    intent, timing = intent_table(found["metrics"]), timing_table(found["timing"])
    _show(intent, timing)
    page = ROOT / "docs" / "intent.md" if set(logs) == set(SETS) and len(seeds) >= 3 else args.out / "intent.md"
    page.write_text(markdown(intent, timing, found["segments"], logs, seeds))
    print(f"wrote {page}")
    return 0


def _show(intent: pl.DataFrame, timing: pl.DataFrame) -> None:
    chosen = ["log", "horizon_hours", "model", "base_rate", "pr_auc", "gain", "gain_ci_lower", "gain_ci_upper",
              "brier_skill", "ece", "ece_floor", "slope", "intercept"]  # fmt: skip
    options = {"tbl_rows": -1, "tbl_cols": -1, "tbl_width_chars": 220, "fmt_str_lengths": 50, "float_precision": 4}
    with pl.Config(**options, tbl_hide_dataframe_shape=True):
        console = Console(width=220)
        for table in (intent.select(chosen), timing, bars(intent, timing)):
            console.print(str(table))


if __name__ == "__main__":
    raise SystemExit(main())
