"""Commands of tests: design, assign, monitor, analyze, value a policy, find whom a deal changes."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.markup import escape

from flashlift.cli.app import DEFAULT, SettingsFile, app, load
from flashlift.errors import InputError, SettingsError
from flashlift.screen import bars, err, out, show

if TYPE_CHECKING:
    from flashlift.experiments import RunningTest
    from flashlift.pipeline import Logs

MISMATCH_EXIT = 9  # a test whose split is broken; errors.py has the codes below

group = typer.Typer(no_args_is_help=True, rich_markup_mode="rich", help="Tests that prove what a sale earned.")
app.add_typer(group, name="experiment", rich_help_panel="Questions")

Shares = Annotated[
    list[str] | None, typer.Option(help="Share of a variant, on any scale: variant=share; give one for each, or none.")
]


class Lever(StrEnum):
    """What a test changes."""

    DISPLAY = "display"
    PRICE = "price"


class Kind(StrEnum):
    """Designs by their short names."""

    CUSTOMERS = "customers"
    STOCK_SPLIT = "stock-split"
    SWITCHBACK = "switchback"
    ITEMS = "items"
    CLUSTERS = "clusters"


@group.command()
def design(
    settings: SettingsFile = DEFAULT,
    lever: Annotated[Lever, typer.Option(help="What differs: who is shown the sale, or its prices.")] = Lever.DISPLAY,
    kind: Annotated[Kind | None, typer.Option(help="Ask for a design; refused where it would lie.")] = None,
) -> None:
    """Which test can prove the plan made last: how to split, with which stock, and how small an effect it sees.

    Writes design.json (arms, windows, quotas) into the work folder.

    Example: flashlift experiment design -s shop.toml --lever price
    """
    from flashlift import experiments, pipeline

    wanted = None if kind is None else experiments.Kind[kind.name]
    told = load(settings)
    found = pipeline.design(told, lever=experiments.Lever[lever.name], wanted=wanted)
    show(found.to_polars(), "The test")
    out.print(escape(found.paragraph()), highlight=False)
    out.print(f"Written: {told.shop.work / 'design.json'}", soft_wrap=True)


@group.command()
def assign(
    customers: Annotated[Path, typer.Argument(help="CSV or Parquet: the shop's own ids in a column customer_id.")],
    out_file: Annotated[Path, typer.Option("--out", help="A .csv or .parquet file for the variants.")],
    settings: SettingsFile = DEFAULT,
    experiment: Annotated[str | None, typer.Option(help="Name; default: that of the settings.")] = None,
    share: Shares = None,
) -> None:
    """Put customers into variants: by a keyed hash, the same for ever, independent between experiments.

    Example: flashlift experiment assign customers.csv -s shop.toml --out variants.csv
    """
    from flashlift import pipeline
    from flashlift.pipeline.spreadsheet import write_table

    found = pipeline.assign(load(settings), customers, experiment=experiment, weights=_shares(share))
    write_table(found, out_file)
    show(found.group_by("variant").len("customers").sort("variant"), "Assigned")
    out.print(f"Written: {out_file}", soft_wrap=True)


@group.command()
def analyze(
    file: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet, a row per unit: unit_id, variant, and numbers.")
    ] = None,
    control: Annotated[str, typer.Option(help="Name of the control variant.")] = "control",
    goal: Annotated[
        list[str] | None, typer.Option(help="Column, or ratio such as revenue/orders; default: the column metric.")
    ] = None,
    guardrail: Annotated[list[str] | None, typer.Option(help="The same of what must not get worse.")] = None,
    lower: Annotated[list[str] | None, typer.Option(help="Which of them are better when they fall.")] = None,
    share: Shares = None,
    stratum: Annotated[
        list[str] | None, typer.Option(help="Column known before the test: compare like with like.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="Column of what was assigned whole, such as a region.")] = None,
    exposures: Annotated[Path | None, typer.Option(help="In place of FILE: log of customer_id, variant, at.")] = None,
    outcomes: Annotated[Path | None, typer.Option(help="With --exposures: customer_id, at, and numbers.")] = None,
    start: Annotated[datetime | None, typer.Option(help="With --exposures: begin of the test, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="With --exposures: end of the test, UTC.")] = None,
    report: Annotated[Path | None, typer.Option(help="A page (.html), or a .png or .svg picture.")] = None,
) -> None:
    """Analyze a finished test: first whether its split is sound, then each metric, with what it assumes.

    A column past_X (what a unit did before the test) makes the figure of X sharper (CUPED). From two logs, customers
    are compared by intention to treat, and all that does not fit is counted and decided on. Exit code 9 if the arms do
    not hold the intended shares: then no figure of the test may be used.

    Example: flashlift experiment analyze result.csv --goal revenue/orders --guardrail refunds --lower refunds
    """
    from flashlift import pipeline

    asked = pipeline.AskedTest(
        control=control,
        goals=goal or ["metric"],
        guardrails=guardrail or [],
        lower_is_better=lower or [],
        weights=_shares(share),
        strata=stratum or [],
        cluster=cluster,
    )
    logs = _logs(file, exposures, outcomes, start, end)
    if file is not None:
        result = pipeline.analyze(file, asked)
    elif logs is not None:
        values = {part for name in (*asked.goals, *asked.guardrails) for part in name.split("/")}
        found = pipeline.reconcile(logs, sorted(values))
        show(found.to_polars(), "The logs")
        result = pipeline.analyze(found.rows(), asked)
        if datetime.now(UTC) < logs.end:
            err.print("[yellow]The test is not over:[/] its intervals hold for one look at the end. Use monitor.")
    else:
        raise InputError("There is no test to analyze. Give a file of one row per unit, or its two logs.")
    if not result.trusted:
        show(result.to_polars(), "Not to be used")
        err.print(f"[bold red]Error:[/] {escape(result.paragraph())}", highlight=False, soft_wrap=True)
        raise typer.Exit(MISMATCH_EXIT)
    out.print(escape(str(result)), highlight=False, soft_wrap=True)
    out.print(escape(f"\n{result.paragraph()}"), highlight=False)
    if report is not None:
        pipeline.show_result(result, report, title=(file or exposures or report).stem)
        out.print(f"Written: {report}", soft_wrap=True)


@group.command()
def monitor(
    log: Annotated[Path, typer.Argument(help="CSV or Parquet: unit_id, variant, at, and the metrics.")],
    state: Annotated[Path, typer.Option(help="JSON file of the test and its looks; made by the first look.")],
    at: Annotated[datetime | None, typer.Option(help="Moment of the look, UTC; default: now.")] = None,
    name: Annotated[str, typer.Option(help="First look: name of the test.")] = "test",
    start: Annotated[datetime | None, typer.Option(help="First look: begin of the test, UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="First look: its planned end, UTC.")] = None,
    units: Annotated[int, typer.Option(help="First look: units expected in both arms at the end.")] = 0,
    goal: Annotated[list[str] | None, typer.Option(help="First look: column that is to be moved.")] = None,
    guardrail: Annotated[
        list[str] | None, typer.Option(help="First look: column=margin, by how much it may get worse.")
    ] = None,
    lower: Annotated[list[str] | None, typer.Option(help="First look: which are better when they fall.")] = None,
    share: Annotated[float, typer.Option(help="First look: share of the units in treatment.")] = 0.5,
    report: Annotated[Path | None, typer.Option(help="An .html page with charts.")] = None,
) -> None:
    """Look at a test while it runs, as often as you like: go on, stop for gain or harm, or mend the split.

    The first look says what is tested; it stays so until the end. Arms are called control and treatment.

    Example: flashlift experiment monitor log.parquet --state spring.json --start 2026-05-01 --end 2026-05-08
    --units 20000 --goal revenue --guardrail refunds=0.1 --lower refunds
    """
    from flashlift import pipeline

    test = None
    if start is not None or end is not None or goal:
        test = _running_test(name, start, end, units, goal or [], guardrail or [], lower or [], share)
    moment = datetime.now(UTC) if at is None else at.replace(tzinfo=UTC)
    found = pipeline.monitor(log, state, at=moment, test=test)
    latest = found.to_polars().filter(look=len(found.looks))
    show(latest.select("metric", "role", "units", "effect_size", "ci_lower", "ci_upper", "z", "critical"), "This look")
    out.print(escape(found.paragraph()), highlight=False)
    if report is not None:
        pipeline.show_running(found, report)
        out.print(f"Written: {report}", soft_wrap=True)


@group.command()
def value(
    log: Annotated[
        Path | None, typer.Argument(help="CSV or Parquet, a row per round: action, reward, propensity.")
    ] = None,
    policy: Annotated[
        Path | None, typer.Option(help="CSV or Parquet: action, probability, and what they hang on.")
    ] = None,
    action: Annotated[str, typer.Option(help="Column of the action, in both files.")] = "action",
    reward: Annotated[str, typer.Option(help="Column of the reward.")] = "reward",
    propensity: Annotated[str, typer.Option(help="Column of the probability that the action had.")] = "propensity",
    unit: Annotated[str | None, typer.Option(help="Column whose rows depend on each other: the customer.")] = None,
    context: Annotated[str, typer.Option(help="Columns that the reward's model reads, with commas.")] = "",
    model: Annotated[Literal["trees", "linear", "none"], typer.Option(help="Of the reward.")] = "trees",
    lots: Annotated[Path | None, typer.Option(help="In place of LOG: exploration.csv of a plan.")] = None,
    sold: Annotated[Path | None, typer.Option(help="With --lots: item_id, slot_id, units, unit_cost.")] = None,
    choice: Annotated[
        str, typer.Option(help="With --lots: planned, lowest, highest, or a file of item_id, slot_id, price.")
    ] = "planned",
) -> None:
    """What another ranking, or other prices, would have earned, from a log whose choices were drawn by lot.

    Where the log cannot tell, the answer is refused with the reason (exit code of missing data), never guessed.

    Example: flashlift experiment value exposures.parquet --policy new.csv --action item_id --reward click
    """
    from flashlift import pipeline

    if log is not None and policy is not None and lots is None:
        asked = pipeline.AskedValue(
            action=action,
            reward=reward,
            propensity=propensity,
            unit=unit,
            context=tuple(name.strip() for name in context.split(",") if name.strip()),
            model=model,
        )
        found = pipeline.value_policy(log, policy, asked)
    elif lots is not None and sold is not None and log is None:
        found = pipeline.value_prices(lots, sold, choice=choice)
    else:
        raise SettingsError("Give a log with --policy, or --lots with --sold.")
    show(found.to_polars(), "Value by each estimator")
    out.print(escape(found.paragraph()), highlight=False)


@group.command()
def uplift(
    test: Annotated[Path, typer.Argument(help="CSV or Parquet, a row per customer of a randomized test.")],
    metric: Annotated[str, typer.Option(help="Column of the outcome.")] = "metric",
    unit: Annotated[str, typer.Option(help="Column that names customers.")] = "unit_id",
    variant: Annotated[str, typer.Option(help="Column of the arm.")] = "variant",
    treatment: Annotated[str, typer.Option(help="Name of the treated arm.")] = "treatment",
    control: Annotated[str, typer.Option(help="Name of the other arm.")] = "control",
    features: Annotated[str, typer.Option(help="Columns that models read, with commas; default: all others.")] = "",
    observational: Annotated[
        bool, typer.Option("--observational", help="Who is treated was chosen, not drawn.")
    ] = False,
    score: Annotated[Path | None, typer.Option(help="Customers to score by the best model.")] = None,
    out_file: Annotated[Path | None, typer.Option("--out", help="With --score: a .csv or .parquet file.")] = None,
    report: Annotated[Path | None, typer.Option(help="A page (.html), or a .png or .svg picture.")] = None,
) -> None:
    """Whom a deal changes: models of the effect compared on held-out customers, and customers scored by the best.

    Example: flashlift experiment uplift test.csv --metric visit --report uplift.html
    """
    from flashlift import pipeline
    from flashlift.pipeline.spreadsheet import write_table

    if (score is None) != (out_file is None):
        raise SettingsError("Give --score and --out together: whom to score, and where the scores go.")
    names = tuple(name.strip() for name in features.split(",") if name.strip())
    asked = pipeline.AskedUplift(
        metric=metric, unit=unit, variant=variant, treatment=treatment, control=control, features=names,
        observational=observational,
    )  # fmt: skip
    with bars() as progress:
        found = pipeline.uplift(test, asked, customers=score, progress=progress)
    show(found.comparison.to_polars(), "Models on held-out customers")
    out.print(escape(found.comparison.paragraph()), highlight=False)
    if found.scores is not None and out_file is not None:
        write_table(found.scores, out_file)
        out.print(f"Scored by {found.chosen}: {out_file}", soft_wrap=True)
    if report is not None:
        pipeline.show_uplift(found, report)
        out.print(f"Written: {report}", soft_wrap=True)


def _running_test(
    name: str,
    start: datetime | None,
    end: datetime | None,
    units: int,
    goals: list[str],
    guardrails: list[str],
    lower: list[str],
    share: float,
) -> RunningTest:
    from flashlift.experiments import Better, Goal, Guardrail, RunningTest

    if start is None or end is None or units <= 0 or not goals:
        raise InputError("The first look of a test needs --start, --end, --units and a --goal.")
    margins = _shares(guardrails, "--guardrail") or {}
    better = {metric: Better.LOWER if metric in lower else Better.HIGHER for metric in (*goals, *margins)}
    return RunningTest(
        name=name,
        start=start.replace(tzinfo=UTC),
        end=end.replace(tzinfo=UTC),
        planned_units=units,
        goals=tuple(Goal(name=metric, better=better[metric]) for metric in goals),
        guardrails=tuple(Guardrail(name=one, margin=margin, better=better[one]) for one, margin in margins.items()),
        treatment_frac=share,
    )


def _logs(
    file: Path | None, exposures: Path | None, outcomes: Path | None, start: datetime | None, end: datetime | None
) -> Logs | None:
    from flashlift import pipeline

    if exposures is None and outcomes is None:
        return None
    if file is not None or exposures is None or outcomes is None or start is None or end is None:
        raise InputError("Give a file of one row per unit, or --exposures, --outcomes, --start and --end.")
    return pipeline.Logs(
        exposures=exposures, outcomes=outcomes, start=start.replace(tzinfo=UTC), end=end.replace(tzinfo=UTC)
    )


def _shares(given: list[str] | None, option: str = "--share") -> dict[str, float] | None:
    """`name=number` pairs as a mapping."""
    try:
        return {name: float(value) for name, value in (pair.rsplit("=", 1) for pair in given or [])} or None
    except ValueError as error:
        raise SettingsError(f"{option} {' '.join(given or [])} is not of the form name=number.") from error
