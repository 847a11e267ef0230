"""Is the demand model right about real shops? Elasticities, forecasts, lifts and margins beside other methods.

python -m benchmarks.demand_real --data FOLDER                          everything, about 25 minutes on one core
python -m benchmarks.demand_real --data FOLDER --sets orange_juice      one set
python -m benchmarks.demand_real --data FOLDER --sets beer --stores 5   a small sample, for a look

FOLDER (or FLASHLIFT_DATA) holds a folder per public data set. EconML and statsforecast come with the extra `bench`;
without one, its rows are absent and the run says so. Whole runs write their tables into docs/demand_real.md.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import polars as pl

from benchmarks.demand_real import journey, loss_leaders, prices, walmart
from benchmarks.demand_real.dominicks import BEER, ORANGE_JUICE, Study
from benchmarks.demand_real.page import write

Tables = dict[str, pl.DataFrame]


def _study(study: Study) -> Callable[[Path, int | None], Tables]:
    def run(data: Path, stores: int | None) -> Tables:
        rows = study.read(data, stores or study.stores)
        slopes = pl.concat([study.replicated(data), prices.elasticities(rows, study.horizon)], how="diagonal")
        return {"elasticities": slopes, "forecasts": prices.forecasts(study, rows)}

    return run


SETS: dict[str, tuple[str, str, Callable[[Path, int | None], Tables]]] = {
    "orange_juice": (ORANGE_JUICE.title, ORANGE_JUICE.needs, _study(ORANGE_JUICE)),
    "beer": (BEER.title, BEER.needs, _study(BEER)),
    "complete_journey": (
        journey.TITLE, journey.NEEDS, lambda data, _: {"lifts": journey.lifts(journey.read(data))}
    ),
    "ta_feng": (loss_leaders.TITLE, loss_leaders.NEEDS, lambda data, _: {"margins": loss_leaders.margins(data)}),
    "walmart": (walmart.TITLE, walmart.NEEDS, lambda data, _: {"forecasts": walmart.forecasts(walmart.read(data))}),
}  # fmt: skip


def main() -> int:
    """Run the sets that are there, print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demand_real", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("FLASHLIFT_DATA", ".")), help="public data")
    parser.add_argument("--sets", default=",".join(SETS), help="sets, separated by commas")
    parser.add_argument("--stores", type=int, help="only so many stores of Dominick's; the page is then left alone")
    args = parser.parse_args()
    chosen = args.sets.split(",")
    if unknown := [name for name in chosen if name not in SETS]:
        parser.error(f"there is no set {unknown[0]!r} here; choose from {', '.join(SETS)}")
    ran = 0
    for name in chosen:
        title, needs, run = SETS[name]
        if not (args.data / needs).is_file():
            print(f"{title} is left out: {args.data / needs} is missing. Name its folder with --data.")
            continue
        begin = time.perf_counter()
        tables = run(args.data, args.stores)
        for table in tables.values():
            _show(title, table)
        if args.stores is None:
            write(name, tables, time.perf_counter() - begin)
        ran += 1
    return 0 if ran else 1


def _show(title: str, table: pl.DataFrame) -> None:
    print(title)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=180, fmt_str_lengths=60, float_precision=3):
        print(table, flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
