"""The command that looks back on a sale."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flashlift.cli.app import DEFAULT, SettingsFile, app, load
from flashlift.screen import bars, out, show


@app.command(rich_help_panel="Questions")
def debrief(
    settings: SettingsFile = DEFAULT,
    plan: Annotated[
        Path | None,
        typer.Option(help="Folder of a saved plan; default: the one whose sale began last, approved ones first."),
    ] = None,
) -> None:
    """After the sale: planned against actual, why they differ, and what the next plan should learn.

    Ingest the log of the sale first. Writes debrief.html, debrief.json and debrief.csv into the work folder.

    Example: flashlift ingest -s shop.toml && flashlift debrief -s shop.toml
    """
    from flashlift import pipeline

    with bars() as progress:
        done = pipeline.debrief(load(settings), progress, plan=plan)
    found = done.found
    show(found.totals.select("figure", "planned", "planned_ci_lower", "planned_ci_upper", "actual"), "In total")
    show(found.reasons.drop("meaning"), f"Why the profit differs from the plan ({found.currency})")
    show(
        done.last.select("sale", "offers", "discount_frac", "units", "incremental_units", "contribution"), "Last sales"
    )
    for row in found.lessons.iter_rows(named=True):
        out.print(f"[bold]{row['kind']}[/] {escape(row['subject'])}: {escape(row['says'])}", highlight=False)
    out.print(escape(found.paragraph()), highlight=False)
    for note in found.notes:
        out.print(f"[yellow]Note:[/] {escape(note)}", highlight=False, soft_wrap=True)
    out.print(f"Page: {done.page}", soft_wrap=True)
