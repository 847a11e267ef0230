"""Which designs of a test tell the truth about a price when stock is limited?

python -m benchmarks.experiment_truth               every world, stock at 0.5, 1 and 3 times demand; half an hour
python -m benchmarks.experiment_truth --reduced     fewer replicates; some two minutes
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import polars as pl
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.experiment_truth.block import Size
from benchmarks.experiment_truth.page import chart, markdown, table
from benchmarks.experiment_truth.study import STOCKS, Task, folder_of, run
from flashlift import market

ROOT = Path(__file__).parents[2]
OUT = Path(__file__).parents[1] / "out" / "experiment_truth"
WORLDS = tuple(world for world in market.WORLDS if world != "sell_outs")  # the study sets the stock itself


def main() -> int:
    """Run what is missing, then print the table; the full study also writes page and chart."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.experiment_truth", description=__doc__)
    parser.add_argument("--worlds", default=",".join(WORLDS), help="worlds, separated by commas")
    parser.add_argument("--reduced", action="store_true", help="two small blocks")
    parser.add_argument("--workers", type=int, default=1, help="processes, one thread each")
    args = parser.parse_args()
    worlds = args.worlds.split(",")
    if unknown := [world for world in worlds if world not in WORLDS]:
        parser.error(f"there is no world {unknown[0]!r} here; choose from {', '.join(WORLDS)}")
    size = Size(n_blocks=2, n_futures=20, n_deals=60, n_items=120, n_customers=4_000) if args.reduced else Size()
    folder, blocks = folder_of(OUT, size), range(size.n_blocks)
    try:
        _run([Task(world=w, block=b) for b in blocks for w in worlds], size, folder, args.workers)
    except KeyboardInterrupt:
        print("Stopped. The same command goes on from here.")
        return 130
    figures = table(worlds, STOCKS, blocks, folder)
    with pl.Config(tbl_rows=-1, tbl_cols=-1, tbl_width_chars=200, fmt_str_lengths=40, float_precision=2):
        print(figures)
    figures.write_csv(folder / "table.csv")
    place = ROOT / "docs" if not args.reduced and set(worlds) == set(WORLDS) else folder
    (place / "images").mkdir(exist_ok=True)
    page = place / "experiments.md"
    page.write_text(markdown(figures, size, "python -m benchmarks.experiment_truth" + " --reduced" * args.reduced))
    chart(figures).save(place / "images" / "experiment_truth.png", scale_factor=2)
    print(f"wrote {page.relative_to(ROOT)}")
    return 0


def _run(tasks: Sequence[Task], size: Size, folder: Path, workers: int) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, TimeRemainingColumn()) as bar:
        job = bar.add_task("blocks", total=len(tasks))
        run(tasks, size, folder, workers=workers, told=lambda: bar.advance(job))


if __name__ == "__main__":
    raise SystemExit(main())
