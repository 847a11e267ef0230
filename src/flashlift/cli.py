"""The command line: every stage by name, errors in one sentence, a bar on whatever takes long."""

from __future__ import annotations

import logging
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from rich.logging import RichHandler
from rich.markup import escape
from typer.core import TyperGroup

from flashlift.errors import FlashliftError, OutputError, SettingsError
from flashlift.screen import (
    bars,
    err,
    out,
    show,
    show_curves,
    show_decision,
    show_differences,
    show_plan,
    show_predictions,
)

if TYPE_CHECKING:
    from flashlift.settings import Settings


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
DEFAULT = Path("flashlift.toml")
MISMATCH_EXIT = 9  # a test whose split is broken; errors.py has the codes below


def _load(path: Path) -> Settings:
    from flashlift.settings import load_settings

    return load_settings(path)


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

    with bars() as progress:
        quality = pipeline.ingest(_load(settings), progress)
    show(quality.sources, "Rows read")
    show(quality.rules.drop("example"), "Rejected rows, by rule")


@app.command()
def adapt(settings: SettingsFile = DEFAULT) -> None:
    """Adapt the language model to what customers see and buy together; train then uses it. Takes minutes.

    Example: flashlift adapt -s shop.toml && flashlift train -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
        adapted = pipeline.adapt(_load(settings), progress)
    if adapted.manifest["skipped"]:
        out.print(f"[yellow]adaptation skipped:[/] {escape(adapted.manifest['skipped'])}")
        return
    show(adapted.frames["ablation"].fill_nan(None), "The language model after each step, on the validation window")
    out.print(f"Base model: {escape(adapted.frames['facts']['reason'].item())}. Next: flashlift train", soft_wrap=True)


@app.command()
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
            _load(settings), progress, models=("behavior", "demand") if model == "all" else (model,)
        )
    for title, frame in trained.tables.items():
        show(frame, title)
    for note in trained.notes:
        out.print(escape(note), soft_wrap=True)
    for stage, reason in trained.skipped.items():
        out.print(f"[yellow]{stage} skipped:[/] {escape(reason)}")


@app.command()
def predict(
    settings: SettingsFile = DEFAULT,
    at: Annotated[
        str, typer.Option(help="Moment, such as 2024-05-01 or 2024-05-01T18:00 (UTC); default: end of the log.")
    ] = "",
    customers: Annotated[
        str,
        typer.Option(
            help="The shop's own ids, comma-separated, or a .txt, .csv or .parquet file of them; default: all."
        ),
    ] = "",
    horizons: Annotated[str, typer.Option(help="Hours, comma-separated, up to 720.")] = "24,72,168",
    top: Annotated[int, typer.Option(min=0, help="Items listed for each customer.")] = 10,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A .parquet or .csv file for the whole answer.")
    ] = None,
) -> None:
    """Ask the trained model whether, when and what each customer buys next.

    Example: flashlift predict -s shop.toml --customers 17850,13047 --horizons 24,168 --out predictions.csv
    """
    from flashlift import pipeline

    asked = pipeline.Asked.of(at=at, customers=customers, horizons=horizons, top=top, out=out_file)
    with bars() as progress:
        answer = pipeline.predict(_load(settings), asked, progress)
    show_predictions(answer)
    if out_file is not None:
        out.print(f"All {answer.table.height:,} customers: {out_file}", soft_wrap=True)


@app.command()
def curves(
    items: Annotated[list[str], typer.Argument(help="Item ids, as in the shop's log.")],
    settings: SettingsFile = DEFAULT,
    discounts: Annotated[str, typer.Option(help="Percents off the list price, with commas.")] = "0,10,20,30,40,50",
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A .png, .svg or .html chart, or a .csv or .parquet table.")
    ] = None,
) -> None:
    """How many more units at which price: curves with their intervals, from the trained demand model.

    Example: flashlift curves 85123A 22423 -s shop.toml --out curves.png
    """
    from flashlift import pipeline

    answer = pipeline.curves(_load(settings), pipeline.AskedCurves.of(items=items, discounts=discounts, out=out_file))
    show_curves(answer)
    if out_file is not None:
        out.print(f"Written: {out_file}", soft_wrap=True)


@app.command()
def plan(
    settings: SettingsFile = DEFAULT,
    pin: Annotated[
        Path | None,
        typer.Option(help="CSV of items that must run: item_id, and where wanted slot_id and discount (0.2 or 20%)."),
    ] = None,
    forbid: Annotated[Path | None, typer.Option(help="CSV of items that must not run: item_id.")] = None,
    out_files: Annotated[
        list[Path] | None,
        typer.Option("--out", help="Another .csv, .parquet, .json or .ics file of the plan; may be repeated."),
    ] = None,
) -> None:
    """Plan the sale within the campaign's limits.

    The work folder then holds the plan as plan.csv (for a spreadsheet, times of the campaign's zone), plan.parquet,
    plan.json (every figure; docs/planning-files.md) and plan.ics (an event for each slot). A plan is a draft until
    `flashlift approve`; a plan that changed is a draft again.

    Example: flashlift plan -s shop.toml --forbid forbidden.csv --out calendar.ics
    """
    from flashlift import pipeline

    loaded = _load(settings)
    picks = pipeline.read_picks_of(loaded, pin, forbid)
    with bars() as progress:
        planned = pipeline.plan(loaded, progress, picks=picks, places=out_files or ())
    show_plan(planned, loaded.shop.currency)
    out.print(f"Files: plan.csv, .parquet, .json and .ics in {loaded.shop.work}", soft_wrap=True)
    for path in out_files or ():
        out.print(f"Written: {path}", soft_wrap=True)


By = Annotated[str, typer.Option(help="Who decides; default: the name of the user logged in.")]
Note = Annotated[str, typer.Option(help="Why, in words.")]


@app.command()
def approve(
    settings: SettingsFile = DEFAULT,
    by: By = "",
    note: Note = "",
    despite_broken: Annotated[
        bool, typer.Option("--despite-broken", help="Approve a plan that breaks limits; the note says why.")
    ] = False,
) -> None:
    """Approve the plan made last, as it is. Who and when is kept, and every file of the plan says so.

    Example: flashlift approve -s shop.toml --by "Ann Lee" --note "stock confirmed"
    """
    from flashlift import pipeline

    done = pipeline.approve(_load(settings), by=by or _user(), note=note, despite_broken=despite_broken)
    out.print(f"{len(done.plan.offers)} offers, expected incremental profit {done.value.value:,.2f}.", highlight=False)
    show_decision(done.decision)


@app.command()
def reject(settings: SettingsFile = DEFAULT, by: By = "", note: Note = "") -> None:
    """Reject the plan made last. Who and when is kept, and every file of the plan says so.

    Example: flashlift reject -s shop.toml --by "Ann Lee" --note "too deep for brands"
    """
    from flashlift import pipeline

    show_decision(pipeline.reject(_load(settings), by=by or _user(), note=note).decision)


def _user() -> str:
    """The user logged in, or nobody where the system does not tell."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@app.command()
def diff(
    before: Annotated[
        Path, typer.Argument(help="Folder of a saved plan; keep one with cp -r flashlift-work/plan old.")
    ],
    after: Annotated[Path, typer.Argument(help="Folder of another one, such as flashlift-work/plan.")],
) -> None:
    """What differs between two saved plans: offers, prices, slots, quotas, value, categories, and rules.

    Example: flashlift diff old flashlift-work/plan
    """
    from flashlift import planning

    show_differences(planning.differences(planning.load_plan(before), planning.load_plan(after)))


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="Folder of a saved plan, such as flashlift-work/plan.")],
) -> None:
    """Judge a saved plan again: its limits, its figures, and how near the optimum its certificate proves it.

    Needs neither a solver nor the demand model. Exit code 1 if anything is wrong.

    Example: flashlift verify flashlift-work/plan
    """
    from flashlift import planning

    saved, now = planning.load_plan(folder), planning.recheck(folder)
    show(saved.verdict.to_polars(), "Value when it was planned, on draws the optimizer had not seen")
    out.print(f"Verdict of that time: {escape(saved.verdict.sentence)}.", highlight=False, soft_wrap=True)
    out.print(f"Checked again: {escape(now.sentence)}.", highlight=False, soft_wrap=True)
    proof = planning.reprove(folder)
    show(proof.to_polars(), f"Certificate, on the {proof.cells:,} offers that could run")
    out.print(f"Certificate {escape(proof.sentence)}.", highlight=False, soft_wrap=True)
    broken = tuple(dict.fromkeys((*now.broken, *proof.broken)))
    if broken:
        show(planning.findings_frame(broken), "Findings")
        raise typer.Exit(1)


@app.command()
def explain(
    folder: Annotated[Path, typer.Argument(help="Folder of a saved plan, such as flashlift-work/plan.")],
    items: Annotated[list[str] | None, typer.Argument(help="Items to speak of; none: the plan as a whole.")] = None,
) -> None:
    """What each limit costs, which items are nearest to entering, and why an item is in the plan or not.

    Example: flashlift explain flashlift-work/plan 85123A
    """
    from flashlift import planning

    told = planning.explain_saved(folder)
    sentences = [told.item(item) for item in items or []]
    if not sentences:
        show(told.limits, "Worth of one more unit of each limit that binds")
        show(told.entering(), "Nearest to entering")
    for sentence in sentences:
        out.print(escape(sentence), highlight=False, soft_wrap=True)


@app.command()
def report(settings: SettingsFile = DEFAULT) -> None:
    """Write the HTML report from what the earlier stages left.

    Example: flashlift report -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
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
        with bars() as progress:
            settings_file = pipeline.simulate(folder, config, seed=seed, progress=progress)
        out.print(f"Next: flashlift run -s {settings_file}", soft_wrap=True)
        return
    with bars() as progress:
        show(pipeline.judge(folder, progress), "True incremental profit")


@app.command()
def analyze(
    file: Annotated[Path, typer.Argument(help="CSV or Parquet: unit_id, variant, metric, optionally covariate.")],
    control: Annotated[str, typer.Option(help="Name of the control variant.")] = "control",
    metric: Annotated[str, typer.Option(help="What was measured, in words.")] = "metric",
    share: Annotated[list[str] | None, typer.Option(help="Intended share: variant=share; equal when left out.")] = None,
) -> None:
    """Analyze a finished test: difference in means with CUPED, after a check of the sample ratio.

    Exit code 9 if the arms do not hold the intended shares: then no figure of the test may be used.

    Example: flashlift analyze result.csv --metric "profit (EUR)" --share control=0.5 --share treatment=0.5
    """
    from flashlift import pipeline

    result = pipeline.analyze(file, control=control, metric=metric, weights=_shares(share or []))
    show(result.to_polars(), "Result")
    if not result.trusted:
        err.print(f"[bold red]Error:[/] {escape(result.paragraph())}", highlight=False, soft_wrap=True)
        raise typer.Exit(MISMATCH_EXIT)
    out.print(escape(result.paragraph()))


def _shares(given: list[str]) -> dict[str, float] | None:
    """`variant=share` pairs as a mapping."""
    try:
        return {name: float(value) for name, value in (pair.rsplit("=", 1) for pair in given)} or None
    except ValueError as error:
        raise SettingsError(f"--share {' '.join(given)} is not of the form variant=number.") from error


def _run(settings: Settings) -> None:
    from flashlift import pipeline

    with bars() as progress:
        done = pipeline.run(settings, progress)
    if done.planned is not None:
        show_plan(done.planned, settings.shop.currency)
    for stage, reason in done.skipped.items():
        out.print(f"[yellow]{stage} skipped:[/] {escape(reason)}")
    out.print(f"Report: {done.report}", soft_wrap=True)


if __name__ == "__main__":
    app()
