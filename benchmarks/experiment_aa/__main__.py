"""May one look at a test while it runs? A/A rejections, power, and 78 real tests.

python -m benchmarks.experiment_aa --asos asos.parquet     10,000 runs, the page; about five minutes on one core
python -m benchmarks.experiment_aa --runs 500              the tables alone; under a minute
"""

from __future__ import annotations

import argparse
from pathlib import Path

import polars as pl

from benchmarks.experiment_aa.asos import follow, read
from benchmarks.experiment_aa.page import asos_chart, asos_section, markdown, rejection_chart
from benchmarks.experiment_aa.study import false_positives, power
from flashlift.charts import save

DOCS = Path(__file__).parents[2] / "docs"
RUNS = 10_000


def main() -> int:
    """Print the tables; with the real tests and all runs, also write page and charts. 1 where a sound method fails."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiment_aa", description=__doc__)
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument("--asos", type=Path, help="asos.parquet of the ASOS data set")
    args = parser.parse_args()
    figures, left = false_positives(args.runs, told=print), power(args.runs, told=print)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=80):
        print(figures.select("design", "metric", "method", "rejects", "passes"))
        print(left)
    if args.asos is not None:
        print("ASOS")
        followed = [follow(experiment, part) for experiment, part in read(args.asos)]
        section = asos_section(followed)
        print(section)
        if args.runs == RUNS:
            command = "python -m benchmarks.experiment_aa --asos asos.parquet"
            page = markdown(figures, left, section, runs=args.runs, command=command)
            (DOCS / "experiments_sequential.md").write_text(page)
            save(rejection_chart(figures), DOCS / "images" / "experiment_aa.png")
            save(asos_chart(followed), DOCS / "images" / "experiment_asos.png")
            print("wrote docs/experiments_sequential.md")
    return int(not figures.filter("sound")["passes"].all())


if __name__ == "__main__":
    raise SystemExit(main())
