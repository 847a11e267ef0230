"""Commands that run stages: from the shop's files to the report."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from flashlift.cli.app import DEFAULT, SettingsFile, app, load
from flashlift.errors import OutputError
from flashlift.screen import bars, out, show, show_plan

if TYPE_CHECKING:
    from flashlift.settings import Settings


@app.command(rich_help_panel="Stages")
def ingest(settings: SettingsFile = DEFAULT) -> None:
    """Read the sources into clean tables; a repeated file changes nothing.

    Example: flashlift ingest -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
        quality = pipeline.ingest(load(settings), progress)
    show(quality.sources, "Rows read")
    show(quality.rules.drop("example"), "Rejected rows, by rule")


@app.command(rich_help_panel="Stages")
def adapt(settings: SettingsFile = DEFAULT) -> None:
    """Adapt the language model to what customers see and buy together; train then uses it. Takes minutes.

    Example: flashlift adapt -s shop.toml && flashlift train -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
        adapted = pipeline.adapt(load(settings), progress)
    if adapted.manifest["skipped"]:
        out.print(f"[yellow]adaptation skipped:[/] {escape(adapted.manifest['skipped'])}")
        return
    show(adapted.frames["ablation"].fill_nan(None), "The language model after each step, on the validation window")
    out.print(f"Base model: {escape(adapted.frames['facts']['reason'].item())}. Next: flashlift train", soft_wrap=True)


@app.command(rich_help_panel="Stages")
def train(
    model: Annotated[
        Literal["all", "behavior", "demand"], typer.Argument(help="Which model; one that is up to date is kept.")
    ] = "all",
    settings: SettingsFile = DEFAULT,
) -> None:
    """Fit the behavior and the demand model, and judge both on held-out weeks.

    Example: flashlift train demand -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
        trained = pipeline.train(
            load(settings), progress, models=("behavior", "demand") if model == "all" else (model,)
        )
    for title, frame in trained.tables.items():
        show(frame, title)
    for note in trained.notes:
        out.print(escape(note), soft_wrap=True)
    for stage, reason in trained.skipped.items():
        out.print(f"[yellow]{stage} skipped:[/] {escape(reason)}")


@app.command(rich_help_panel="Stages")
def report(settings: SettingsFile = DEFAULT) -> None:
    """Write the HTML report from what the earlier stages left.

    Example: flashlift report -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
        path = pipeline.report(load(settings), progress)
    out.print(f"Report: {path}", soft_wrap=True)


@app.command(rich_help_panel="Stages")
def run(settings: SettingsFile = DEFAULT) -> None:
    """All stages in order; a stage whose inputs did not change is not repeated.

    Example: flashlift run -s shop.toml
    """
    _run(load(settings))


@app.command(rich_help_panel="Stages")
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the settings and the results.")] = Path("flashlift-demo"),
) -> None:
    """The whole way on the bundled data set (UCI Online Retail), in about six minutes.

    Example: flashlift demo
    """
    settings_file = folder / "online_retail.toml"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if not settings_file.exists():
            with (files("flashlift") / "data" / "online_retail.toml").open("rb") as source:
                settings_file.write_bytes(source.read())
    except OSError as error:
        raise OutputError(f"Cannot write {folder}: {error.strerror}. Choose a folder you may write to.") from error
    _run(load(settings_file))
    out.print(f"Change {settings_file} and repeat: flashlift run -s {settings_file}", soft_wrap=True)


def _run(settings: Settings) -> None:
    from flashlift import pipeline

    with bars() as progress:
        done = pipeline.run(settings, progress)
    if done.planned is not None:
        show_plan(done.planned, settings.shop.currency)
    for stage, reason in done.skipped.items():
        out.print(f"[yellow]{stage} skipped:[/] {escape(reason)}")
    out.print(f"Report: {done.report}", soft_wrap=True)
