"""Tables as Markdown, put between the markers of the page so that the words around them stay."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from benchmarks.profit_captured.page import place_between

__all__ = ["PAGE", "markdown", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "demand_real.md"
_HEADINGS = {"ci_lower": "90 % from", "ci_upper": "to", "discount_frac": "discount"}


def write(name: str, tables: dict[str, pl.DataFrame], seconds: float) -> None:
    """Put the tables of a set on the page."""
    text = "\n\n".join(markdown(table) for table in tables.values())
    PAGE.write_text(place_between(PAGE.read_text(), name, f"{text}\n\nTook {seconds / 60:.0f} min on one core."))


def markdown(table: pl.DataFrame) -> str:
    """A table in Markdown; nulls are empty, flashlift's own rows bold."""
    head = [_HEADINGS.get(name, name.replace("_", " ")) for name in table.columns]
    lines = [head, ["---"] * len(head)]
    for row in table.iter_rows():
        cells = [_cell(value) for value in row]
        ours = any(isinstance(value, str) and value.startswith("flashlift") for value in row)
        lines.append([f"**{cell}**" if ours and cell else cell for cell in cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3f}" if abs(value) < 10 else f"{value:.1f}"
    return str(value)
