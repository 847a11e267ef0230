"""Section on how far the demand model can be trusted: placebo tests, hidden causes, sales drawn by lot."""

from __future__ import annotations

from typing import Any

import polars as pl

from flashlift import charts
from flashlift.report.blocks import Block, Column, Note, Section, figure, table
from flashlift.report.evidence import Evidence
from flashlift.report.formats import count, decimal, percent

__all__ = ["trust"]


def trust(evidence: Evidence) -> Section:
    """What was done to prove the price response wrong, and what came of it."""
    lead = (
        "The log shows sales that the shop chose, not an experiment. These tests look for what could make such sales "
        "look better or worse than they are."
    )
    blocks: list[Block] = [Note(text=sentence) for sentence in evidence.sensitivity]
    if evidence.placebo is not None and not evidence.placebo.is_empty():
        blocks += _placebo(evidence.placebo)
    if evidence.lots is not None and not evidence.lots.is_empty():
        blocks += _lots(evidence.lots)
    elif evidence.lots is not None:
        blocks.append(
            Note(
                text="No past sale was drawn by lot, so nothing can be compared with chance. Discounts drawn by lot "
                "are the only proof of the response; a dozen tell nothing, and two hundred leave a standard error of "
                "about 0.4 in the elasticity."
            )
        )
    shown = tuple(blocks) or (Note(text=evidence.reason("demand"), tone="absent"),)
    return Section(anchor="trust", title="How far to trust it", lead=lead, blocks=shown)


def _placebo(frame: pl.DataFrame) -> list[Block]:
    columns = [
        Column(heading="Test", cell=lambda r: f"{r['test']}: {r['statistic']}", holds="words"),
        Column(heading="Change", cell=lambda r: _signed(r["value"])),
        Column(heading="Interval", cell=_ends),
        Column(heading="Verdict", cell=lambda r: r["verdict"] or "–", holds="code"),
        Column(heading="What follows", cell=lambda r: r["consequence"], holds="words"),
    ]
    note = (
        "Change: relative change of units; 90% interval. A test passes where the whole interval is within 10% of "
        "nothing, fails where it leaves out nothing, and is undecided otherwise."
    )
    drawn: list[Block] = []
    if frame["value"].drop_nulls().len():
        drawn.append(figure(charts.placebo(frame)))
    return [*drawn, table("Placebo tests", frame, columns, note=note)]


def _lots(frame: pl.DataFrame) -> list[Block]:
    columns = [
        Column(heading="Sales", cell=lambda r: r["basis"], holds="words"),
        Column(heading="Price elasticity", cell=lambda r: decimal(r["value"], 2)),
        Column(heading="Interval", cell=lambda r: f"{decimal(r['ci_lower'], 2)} to {decimal(r['ci_upper'], 2)}"),
        Column(heading="Number", cell=lambda r: count(r["n"])),
        Column(heading="Meaning", cell=lambda r: r["says"], holds="words"),
    ]
    responses, gap = frame.filter(quantity="elasticity"), frame.filter(quantity="units")
    said: list[Block] = [Note(text=row["says"]) for row in gap.iter_rows(named=True)]
    return [*said, table("Sales drawn by lot beside sales that the shop chose", responses, columns)]


def _ends(row: dict[str, Any]) -> str:
    return f"{_signed(row['ci_lower'])} to {_signed(row['ci_upper'])}" if row["value"] is not None else "–"


def _signed(value: float | None) -> str:
    return f"{'+' if value is not None and value > 0 else ''}{percent(value, 0)}"
