"""Which item comes next? Leave-one-out, the whole catalog ranked, items that the user had before left out.

    python -m benchmarks.next_item --data FOLDER                     Beauty and Sports, three seeds; resumes
    python -m benchmarks.next_item --data FOLDER --rectools PYTHON   with RecTools' SASRec, run by that interpreter
    python -m benchmarks.next_item --data FOLDER --sets beauty --cold
                                                                     items without events, ranked by their texts
    python -m benchmarks.next_item --data FOLDER --part valid        choose and tune here

FOLDER (or FLASHLIFT_DATA) holds a folder `seqrec_SET` per set. Everything was chosen on Beauty's last item but one:
Beauty's last items and all of Sports are for reporting only. PYTHON is the interpreter of an environment with
`rectools[torch]==0.19`, `numpy<2` and `pandas<3`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from benchmarks.next_item.jobs import Job, catalog_jobs, cold_jobs
from benchmarks.next_item.results import OUT, Results
from benchmarks.next_item.sequences import Sequences, read
from benchmarks.next_item.table import figures, shown
from flashlift.errors import FlashliftError

app = typer.Typer(add_completion=False)


@app.command()
def main(
    *,
    data: Annotated[Path | None, typer.Option(help="Folder of the sets; or FLASHLIFT_DATA.")] = None,
    sets: Annotated[str, typer.Option(help="Sets, separated by commas.")] = "beauty,sports",
    seeds: Annotated[int, typer.Option(min=1, help="Trainings of flashlift per set.")] = 3,
    part: Annotated[
        str, typer.Option(help="What is held out: test (the last item) or valid (the one before).")
    ] = "test",
    rectools: Annotated[Path | None, typer.Option(help="Interpreter that has RecTools.")] = None,
    rectools_epochs: Annotated[int, typer.Option(min=1, help="Epochs of the peer, minutes each.")] = 1,
    cold: Annotated[bool, typer.Option("--cold", help="Items without events instead, ranked by their texts.")] = False,
) -> None:
    """Judge what is missing, then print a table per set."""
    console = Console()
    if part not in ("test", "valid"):
        raise typer.BadParameter(f"there is no part {part!r}; choose test or valid")
    folder = data or (Path(os.environ["FLASHLIFT_DATA"]) if "FLASHLIFT_DATA" in os.environ else None)
    if folder is None:
        raise typer.BadParameter("say with --data or FLASHLIFT_DATA where the sets are")
    try:
        for name in sets.split(","):
            sequences = read(folder / f"seqrec_{name}")
            results = Results(OUT / f"{name}-{part}{'-cold' if cold else ''}")
            if cold:
                _play(list(cold_jobs(sequences, part, seeds=seeds)), results, console)
            else:
                peer = {"rectools": rectools, "rectools_epochs": rectools_epochs}
                _play(list(catalog_jobs(sequences, part, seeds=seeds, **peer)), results, console)
            _show(sequences, results, console)
    except FlashliftError as error:
        console.print(f"[red]{error}[/]", highlight=False)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        console.print("Stopped. The same command goes on from here.")
        raise SystemExit(130) from None


def _play(jobs: list[Job], results: Results, console: Console) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    note = TextColumn("[dim]{task.fields[note]}")
    with Progress(*columns, note, console=console) as progress:
        bar = progress.add_task("", total=None, note="")
        for job in (one for one in jobs if results.load(one.row, one.seed) is None):
            progress.reset(bar, description=f"{job.row}, seed {job.seed}", total=None, note="")

            def told(task: str, done: int, total: int, note: str) -> None:
                progress.update(bar, completed=done, total=total, note=note)

            results.save(job.row, job.seed, *job.run(told))


def _show(sequences: Sequences, results: Results, console: Console) -> None:
    found = figures(results)
    size = f"{sequences.n_users:,} users, {sequences.n_items:,} items, {len(sequences.items):,} events"
    for table in shown(found, f"{results.folder.name}: {size}"):
        console.print(table, width=max(console.width, 140), crop=False, no_wrap=True)
    found.write_csv(results.folder / "table.csv")
    console.print(f"wrote {results.folder / 'table.csv'}")


if __name__ == "__main__":
    app()
