"""The command line: every stage by name, errors in one sentence, a bar on whatever takes long."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.logging import RichHandler
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table
from typer.core import TyperGroup

from flashlift.errors import FlashliftError, OutputError, SettingsError

if TYPE_CHECKING:
    import polars as pl

    from flashlift.pipeline import Planned
    from flashlift.settings import Settings

out = Console()
err = Console(stderr=True)


class _Group(TyperGroup):
    """Turns flashlift's own errors into one sentence and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FlashliftError as error:
            err.print(f"[bold red]Error:[/] {escape(str(error))}", highlight=False, soft_wrap=True)
            raise typer.Exit(error.exit_code) from error
        except KeyboardInterrupt as error:
            err.print("Interrupted. Finished stages are kept; the same command goes on from there.")
            raise typer.Exit(130) from error


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="From a shop's event log to a flash sale that earns more.\n\n"
    "Try it on the bundled data: [bold]flashlift demo[/]",
)

SettingsFile = Annotated[
    Path, typer.Option("--settings", "-s", help="Settings file (TOML); docs/settings.md describes it.")
]
OTHER_COLUMNS = 66  # characters of the plan's table beside the titles
DEFAULT = Path("flashlift.toml")


class _Bars:
    """Shows the library's progress calls as bars on the terminal."""

    def __init__(self, bars: Progress) -> None:
        self._bars = bars
        self._tasks: dict[str, Any] = {}

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        if task not in self._tasks:
            self._tasks[task] = self._bars.add_task(task, total=total, note="")
        self._bars.update(self._tasks[task], completed=done, total=total, note=note)


@contextmanager
def _progress() -> Iterator[_Bars]:
    columns = (
        SpinnerColumn(finished_text="[green]✓[/]"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"),
    )
    with Progress(*columns, console=err) as bars:
        yield _Bars(bars)


def _load(path: Path) -> Settings:
    from flashlift.settings import load_settings

    return load_settings(path)


def _show(frame: pl.DataFrame, title: str) -> None:
    """Print a frame as a table; numbers to the right, rounded for reading."""
    table = Table(title=title, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name, kind in frame.schema.items():
        table.add_column(name, justify="right" if kind.is_numeric() else "left", overflow="fold")
    for row in frame.iter_rows():
        table.add_row(*(escape(_cell(value)) for value in row))
    out.print(table)


def _cell(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.2f}" if abs(value) >= 1 else f"{value:.3g}"
    return str(value)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        out.print(version("flashlift"))
        raise typer.Exit


@app.callback()
def _main(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Tell more on the way.")] = False,
    version: Annotated[bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")] = False,
) -> None:
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING,
        format="%(message)s",
        handlers=[RichHandler(console=err, show_path=False)],
        force=True,
    )


@app.command()
def ingest(settings: SettingsFile = DEFAULT) -> None:
    """Read the sources into clean tables; a repeated file changes nothing.

    Example: flashlift ingest -s shop.toml
    """
    from flashlift import pipeline

    with _progress() as progress:
        quality = pipeline.ingest(_load(settings), progress)
    _show(quality.sources, "Rows read")
    _show(quality.rules.drop("example"), "Rejected rows, by rule")


@app.command()
def train(settings: SettingsFile = DEFAULT) -> None:
    """Fit the behavior and the demand model, and judge both on held-out weeks.

    Example: flashlift train -s shop.toml
    """
    from flashlift import pipeline

    with _progress() as progress:
        trained = pipeline.train(_load(settings), progress)
    for title, frame in trained.tables.items():
        _show(frame, title)
    for stage, reason in trained.skipped.items():
        out.print(f"[yellow]{stage} skipped:[/] {escape(reason)}")


@app.command()
def plan(settings: SettingsFile = DEFAULT) -> None:
    """Plan the sale within the campaign's limits.

    Example: flashlift plan -s shop.toml
    """
    from flashlift import pipeline

    loaded = _load(settings)
    with _progress() as progress:
        planned = pipeline.plan(loaded, progress)
    _print_plan(planned, loaded.shop.currency)


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of a saved plan, such as flashlift-work/plan.")],
) -> None:
    """Judge a saved plan again: every limit, and what the plan says of itself. Exit code 1 if anything is wrong.

    Example: flashlift check flashlift-work/plan
    """
    from flashlift import planning

    saved, now = planning.load_plan(folder), planning.recheck(folder)
    _show(saved.verdict.to_polars(), "Value when it was planned, on draws the optimizer had not seen")
    out.print(f"Verdict of that time: {escape(saved.verdict.sentence)}.", highlight=False, soft_wrap=True)
    out.print(f"Checked again: {escape(now.sentence)}.", highlight=False, soft_wrap=True)
    if now.broken:
        _show(planning.findings_frame(now.broken), "Findings")
        raise typer.Exit(1)


@app.command()
def report(settings: SettingsFile = DEFAULT) -> None:
    """Write the HTML report from what the earlier stages left.

    Example: flashlift report -s shop.toml
    """
    from flashlift import pipeline

    with _progress() as progress:
        path = pipeline.report(_load(settings), progress)
    out.print(f"Report: {path}", soft_wrap=True)


@app.command()
def run(settings: SettingsFile = DEFAULT) -> None:
    """All stages in order; a stage whose inputs did not change is not repeated.

    Example: flashlift run -s shop.toml
    """
    _run(_load(settings))


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put the settings and the results.")] = Path("flashlift-demo"),
) -> None:
    """The whole way on the bundled data set (UCI Online Retail), in two to three minutes.

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
    _run(_load(settings_file))
    out.print(f"Change {settings_file} and repeat: flashlift run -s {settings_file}", soft_wrap=True)


@app.command()
def simulate(
    folder: Annotated[Path, typer.Argument(help="Folder of the simulated shop.")],
    events: Annotated[int, typer.Option(min=1000, help="About how many events to write.")] = 200_000,
    seed: Annotated[int, typer.Option(min=0, help="Another seed is another shop.")] = 0,
    world: Annotated[str, typer.Option(help="How demand works there: a name from docs/worlds.md.")] = "mixture",
    accounts: Annotated[float, typer.Option(min=0, help="Share of customers who buy for a business.")] = 0.0,
    ties: Annotated[float, typer.Option(min=0, help="Mean number of friends of a customer.")] = 0.0,
    stores: Annotated[float, typer.Option(min=0, max=1, help="Share of private purchases in stores.")] = 0.0,
    judge: Annotated[bool, typer.Option("--judge", help="Play the shop's plan and print its true profit.")] = False,
) -> None:
    """Make a shop with known truth, or judge the plan made for it.

    Example: flashlift simulate shop && flashlift run -s shop/flashlift.toml && flashlift simulate shop --judge
    """
    from flashlift import market, pipeline

    if not judge:
        config = market.MarketConfig.sized(
            events, world=world, account_frac=accounts, ties_mean=ties, store_frac=stores
        )
        with _progress() as progress:
            settings_file = pipeline.simulate(folder, config, seed=seed, progress=progress)
        out.print(f"Next: flashlift run -s {settings_file}", soft_wrap=True)
        return
    with _progress() as progress:
        _show(pipeline.judge(folder, progress), "True incremental profit")


@app.command()
def analyze(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: unit_id, variant, metric, optionally covariate.")],
    control: Annotated[str, typer.Option(help="Name of the control variant.")] = "control",
    metric: Annotated[str, typer.Option(help="What was measured, in words.")] = "metric",
    share: Annotated[list[str] | None, typer.Option(help="Intended share: variant=share; equal when left out.")] = None,
) -> None:
    """Analyze a finished test: difference in means with CUPED, after a check of the sample ratio.

    Example: flashlift analyze result.csv --metric "profit (EUR)" --share control=0.5 --share treatment=0.5
    """
    from flashlift import pipeline

    result = pipeline.analyze(file, control=control, metric=metric, weights=_shares(share or []))
    _show(result.to_polars(), "Result")
    out.print(escape(result.paragraph()))


def _shares(given: list[str]) -> dict[str, float] | None:
    """`variant=share` pairs as a mapping."""
    try:
        return {name: float(value) for name, value in (pair.rsplit("=", 1) for pair in given)} or None
    except ValueError as error:
        raise SettingsError(f"--share {' '.join(given)} is not of the form variant=number.") from error


def _run(settings: Settings) -> None:
    from flashlift import pipeline

    with _progress() as progress:
        done = pipeline.run(settings, progress)
    if done.planned is not None:
        _print_plan(done.planned, settings.shop.currency)
    for stage, reason in done.skipped.items():
        out.print(f"[yellow]{stage} skipped:[/] {escape(reason)}")
    out.print(f"Report: {done.report}", soft_wrap=True)


def _print_plan(planned: Planned, currency: str) -> None:
    best, value = planned.plan, planned.value
    table = Table(title=f"Plan: {len(best.offers)} offers", title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0))
    for name in ("slot", "item", "title"):
        table.add_column(name, no_wrap=True)
    for name in ("price", "off", "quota", "units", "value"):
        table.add_column(name, justify="right", no_wrap=True)
    room = max(12, out.width - OTHER_COLUMNS)
    for row in planned.table.iter_rows(named=True):
        table.add_row(
            row["slot_id"],
            escape(row["item_id"][:14]),
            escape((row["title"] or "-")[:room]),
            f"{row['price']:.2f}",
            f"{row['discount_frac']:.0%}",
            str(row["quota"]),
            f"{row['expected_units']:.1f}",
            f"{row['expected_value']:,.2f}{'†' if row['cost_assumed'] else ''}",
        )
    out.print(table)
    out.print(
        f"Expected incremental profit {value.value:,.2f} {currency}, {value.level:.0%} of outcomes in "
        f"[{value.ci_lower:,.2f}, {value.ci_upper:,.2f}], on draws the optimizer has not seen.\n"
        f"Optimizer: {best.status.value}, objective {best.objective:,.2f}, bound {best.bound:,.2f}, "
        f"gap {best.gap_frac:.2%}. Independent check: {escape(planned.verdict.sentence)}.",
        highlight=False,
    )
    if planned.verdict.broken:
        out.print("[red]Do not run this plan as it is.[/]")
        _show(planned.broken, "Findings")
    if planned.table["cost_assumed"].any():
        out.print("† rests on an assumed unit cost: set the real one, or assumptions.unit_cost_frac.")
    if not best.offers:
        out.print("No offer earns more than the item would earn without a sale, so the best plan is to run none.")
    _show(planned.comparison, f"The plan beside rules of thumb, same limits, same fresh draws ({currency})")


if __name__ == "__main__":
    app()
