"""Play the board and print it.

    python -m benchmarks.profit_captured                     the whole board, resumable
    python -m benchmarks.profit_captured --reduced           small shops, to see that everything works
    python -m benchmarks.profit_captured --first 0 --seeds 5 --rows 'flashlift*'
                                                             choose and tune here: seeds 0-19
    python -m benchmarks.profit_captured --report            tables and picture from what is there

Seeds 100-119 are for reporting only: nothing may be chosen by looking at them.
"""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from benchmarks.profit_captured.play import Task
from benchmarks.profit_captured.report import DOCS, Board, publish
from benchmarks.profit_captured.rows import Row, discover
from benchmarks.profit_captured.run import missing, run
from benchmarks.profit_captured.settings import REDUCED, STANDARD, Settings
from benchmarks.profit_captured.shares import ALL
from flashlift.market import WORLDS

SEEDS = 20
FIRST = 100


app = typer.Typer(add_completion=False)


@app.command()
def main(
    *,
    worlds: Annotated[str, typer.Option(help="Worlds, separated by commas.")] = ",".join(WORLDS),
    seeds: Annotated[int | None, typer.Option(min=1, help="Shops per world; 20, reduced 1.")] = None,
    first: Annotated[int | None, typer.Option(min=0, help="First seed; 100, reduced 0.")] = None,
    rows: Annotated[str, typer.Option(help="Patterns of rows, such as 'flashlift*,*oracle'.")] = "*",
    reduced: Annotated[bool, typer.Option("--reduced", help="Small shops, to see that everything works.")] = False,
    randomized: Annotated[float, typer.Option(min=0, max=1, help="Share of past promotions drawn by lot.")] = 0.0,
    workers: Annotated[int, typer.Option(min=1, help="Processes, one thread each.")] = 2,
    report: Annotated[bool, typer.Option("--report", help="Play nothing; rebuild tables and picture.")] = False,
) -> None:
    """Play what is missing, then show the board; the whole standard board also goes into docs/."""
    console = Console()
    settings = replace(REDUCED if reduced else STANDARD, randomized_frac=randomized)
    folder = settings.folder()
    chosen_worlds, chosen_rows = _worlds(worlds), _rows(rows)
    start, count = first if first is not None else (0 if reduced else FIRST), seeds or (1 if reduced else SEEDS)
    chosen_seeds = range(start, start + count)
    if not report:
        tasks = missing(chosen_worlds, chosen_seeds, [row.key for row in chosen_rows], folder)
        try:
            _play(tasks, settings, folder, workers, console)
        except KeyboardInterrupt:
            console.print("Stopped. The same command goes on from here.")
            raise SystemExit(130) from None
    board = Board.read(folder, chosen_worlds, chosen_seeds, chosen_rows)
    if board is None:
        console.print("No results at these settings. Run the same command without --report.")
        raise SystemExit(1)
    _show(board, console)
    standard = not reduced and rows == "*" and set(chosen_worlds) == set(WORLDS) and (start, count) == (FIRST, SEEDS)
    docs = DOCS if standard and board.complete else None
    command = shlex.join(["python", "-m", "benchmarks.profit_captured", *(a for a in sys.argv[1:] if a != "--report")])
    for path in publish(board, settings, command=command, folder=folder, docs=docs):
        console.print(f"wrote {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}")
    if docs is None:
        console.print("docs/ holds the whole standard board only, and was left alone.")


def _worlds(text: str) -> list[str]:
    names = text.split(",")
    unknown = [name for name in names if name not in WORLDS]
    if unknown:
        raise typer.BadParameter(f"there is no world {unknown[0]!r}; choose from {', '.join(WORLDS)}")
    return names


def _rows(text: str) -> list[Row]:
    every = discover()
    found = [row for row in every if any(fnmatchcase(row.key, pattern) for pattern in text.split(","))]
    if not found:
        raise typer.BadParameter(f"no row matches {text!r}; there are {', '.join(row.key for row in every)}")
    return found


def _play(tasks: list[Task], settings: Settings, folder: Path, workers: int, console: Console) -> None:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("rows"),
        TimeElapsedColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("[dim]{task.fields[now]}"),
    )
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("profit captured", total=sum(len(task.rows) for task in tasks), now="")
        run(
            tasks,
            settings,
            folder,
            workers=workers,
            told=lambda ended, now: progress.update(bar, advance=ended, now=" · ".join(now)),
        )


def _show(board: Board, console: Console) -> None:
    worlds = [ALL, *(world for world in board.shares["world"].unique(maintain_order=True) if world != ALL)]
    table = Table(title="Share of the oracle's true profit")
    table.add_column("estimator, planner", no_wrap=True, max_width=40)
    for world in worlds:
        table.add_column(world.replace("_", " "), justify="right", min_width=max(5, *map(len, world.split("_"))))
    cells = {(one["world"], one["row"]): one for one in board.shares.iter_rows(named=True)}
    for row in board.rows:
        table.add_row(row.name, *(_cell(cells.get((world, row.key))) for world in worlds))
    console.print(table, width=max(console.width, 140), crop=False, no_wrap=True)
    for row, error in board.results.filter(pl.col("error").is_not_null()).select("row", "error").unique().iter_rows():
        console.print(f"[red]failed[/] {row}: {error}", highlight=False)


def _cell(one: dict[str, float | None] | None) -> str:
    if one is None or one["shops"] is None:
        return "not run"
    if one["failed"]:
        return "failed"
    return "no share" if one["share"] is None else f"{one['share']:.2f}"


if __name__ == "__main__":
    app()
