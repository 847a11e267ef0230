"""What a page is built from: sections of figures, tables and notes. The template only lays them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import polars as pl

from flashlift.charts.theme import Chart

__all__ = ["Block", "Column", "Figure", "Note", "Section", "Table", "figure", "table"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One message with one chart, or several small ones side by side."""

    kind: ClassVar[str] = "figure"
    title: str
    detail: str
    specs: tuple[dict[str, Any], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column of a table: its heading, how a row becomes a cell, and what its cells hold.

    `code` is short text that stays on one line, `words` may wrap.
    """

    heading: str
    cell: Callable[[dict[str, Any]], str]
    holds: Literal["number", "code", "words"] = "number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Cells ready to be shown, first column as row heading."""

    kind: ClassVar[str] = "table"
    title: str
    headings: tuple[str, ...]
    holds: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Note:
    """A paragraph; `tone` is plain, absent (a part that could not be made) or alert."""

    kind: ClassVar[str] = "note"
    text: str
    tone: str = "plain"


Block = Figure | Table | Note


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A part of the page with its anchor."""

    anchor: str
    title: str
    lead: str
    blocks: tuple[Block, ...]


def figure(chart: Chart, *panels: Chart) -> Figure:
    """A figure under the chart's own title; with `panels`, they are drawn instead of the chart, side by side."""
    head = chart.to_dict(validate=False)["title"]  # the tests of the charts validate; here it costs seconds
    specs = [drawn.to_dict(validate=False) for drawn in panels or (chart,)]
    for spec in specs:
        del spec["title"]
        if isinstance(spec.get("width"), int | float):  # follow the page; wide calendars scroll instead
            spec |= {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    return Figure(title=head["text"], detail=head.get("subtitle", ""), specs=tuple(specs))


def table(title: str, frame: pl.DataFrame, columns: Sequence[Column], *, note: str = "") -> Table:
    """Format the rows of a frame."""
    return Table(
        title=title,
        headings=tuple(column.heading for column in columns),
        holds=tuple(column.holds for column in columns),
        rows=tuple(tuple(column.cell(row) for column in columns) for row in frame.iter_rows(named=True)),
        note=note,
    )
