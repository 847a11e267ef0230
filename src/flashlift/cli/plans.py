"""Commands that make, judge and decide about the plan of a sale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flashlift.cli.app import DEFAULT, SettingsFile, app, load
from flashlift.screen import bars, out, show, show_decision, show_differences, show_plan

By = Annotated[str, typer.Option(help="Who decides; default: the name of the user logged in.")]
Note = Annotated[str, typer.Option(help="Why, in words.")]


@app.command(rich_help_panel="The plan")
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

    loaded = load(settings)
    picks = pipeline.read_picks_of(loaded, pin, forbid)
    with bars() as progress:
        planned = pipeline.plan(loaded, progress, picks=picks, places=out_files or ())
    show_plan(planned, loaded.shop.currency)
    out.print(f"Files: plan.csv, .parquet, .json and .ics in {loaded.shop.work}", soft_wrap=True)
    for path in out_files or ():
        out.print(f"Written: {path}", soft_wrap=True)


@app.command(rich_help_panel="The plan")
def approve(
    settings: SettingsFile = DEFAULT,
    by: By = "",
    note: Note = "",
    despite_broken: Annotated[
        bool, typer.Option("--despite-broken", help="Approve a plan that breaks limits; the note says why.")
    ] = False,
) -> None:
    """Approve the plan made last, as it is. Who and when is kept; every file of the plan says so, and the next report.

    Example: flashlift approve -s shop.toml --by "Ann Lee" --note "stock confirmed"
    """
    from flashlift import pipeline

    done = pipeline.approve(load(settings), by=by or _user(), note=note, despite_broken=despite_broken)
    out.print(f"{len(done.plan.offers)} offers, expected incremental profit {done.value.value:,.2f}.", highlight=False)
    show_decision(done.decision)


@app.command(rich_help_panel="The plan")
def reject(settings: SettingsFile = DEFAULT, by: By = "", note: Note = "") -> None:
    """Reject the plan made last. Who and when is kept; every file of the plan says so, and the next report.

    Example: flashlift reject -s shop.toml --by "Ann Lee" --note "too deep for brands"
    """
    from flashlift import pipeline

    show_decision(pipeline.reject(load(settings), by=by or _user(), note=note).decision)


def _user() -> str:
    """The user logged in, or nobody where the system does not tell."""
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return ""


@app.command(rich_help_panel="The plan")
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


@app.command(rich_help_panel="The plan")
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


@app.command(rich_help_panel="The plan")
def explain(
    folder: Annotated[Path, typer.Argument(help="Folder of a saved plan, such as flashlift-work/plan.")],
    items: Annotated[list[str] | None, typer.Argument(help="Items to speak of; none: the plan as a whole.")] = None,
) -> None:
    """What each limit costs, which items are nearest to entering, and why an item is in the plan or not.

    Example: flashlift explain flashlift-work/plan 85123A
    """
    from flashlift import planning

    told = planning.explain_saved(folder)
    if not items:
        show(told.limits, "Worth of one more unit of each limit that binds")
        show(told.entering(), "Nearest to entering")
    for item in items or []:
        out.print(escape(told.item(item)), highlight=False, soft_wrap=True)


@app.command(rich_help_panel="The plan")
def pareto(
    settings: SettingsFile = DEFAULT,
    points: Annotated[int, typer.Option(min=2, help="Plans on the curve at most.")] = 9,
    out_file: Annotated[
        Path | None, typer.Option("--out", help="A .png, .svg or .html chart, or a .csv or .parquet table.")
    ] = None,
) -> None:
    """Profit against gross sales: the plans between the one that earns most and the one that sells most.

    Each is within the campaign's limits; none has more of both. The next report shows the curve. To plan for the
    weight w of a point: profit = 1 - w and revenue = w in the table campaign.goal of the settings.

    Example: flashlift pareto -s shop.toml --points 9 --out pareto.png
    """
    from flashlift import pipeline

    asked, loaded = pipeline.AskedPareto(points=points, out=out_file), load(settings)
    with bars() as progress:
        curve = pipeline.pareto(loaded, asked, progress)
    show(
        curve,
        f"Incremental profit against gross sales added, on draws the plans were not made on ({loaded.shop.currency})",
    )
    if out_file is not None:
        out.print(f"Written: {out_file}", soft_wrap=True)
