"""A table as a file, or for a spreadsheet, and what a spreadsheet made of a text undone."""

from __future__ import annotations

import io
import re
from pathlib import Path

import polars as pl

from flashlift import artifacts

__all__ = ["parquet_bytes", "spreadsheet", "unguarded", "write_table"]

FORMULA = "^'*[=+@\t\r\n＝＋－＠-]"  # begins a formula in Excel or LibreOffice; apostrophes before it, so that
GUARDED = re.compile("^'" + FORMULA.removeprefix("^"))  # a text that had one is told from a text that was given one


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write .parquet as it is, anything else as CSV for a spreadsheet; whole or not at all.

    Raises:
        OutputError: the place cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        artifacts.write_bytes(path, parquet_bytes(table))
    else:
        artifacts.write_text(path, spreadsheet(table))


def parquet_bytes(table: pl.DataFrame) -> bytes:
    """A table as a Parquet file."""
    content = io.BytesIO()
    table.write_parquet(content)
    return content.getvalue()


def spreadsheet(table: pl.DataFrame) -> str:
    """CSV for a spreadsheet: rounded, and no text that it would take for a formula.

    It begins with a byte order mark, without which Excel reads letters beyond ASCII as something else.
    """
    text = pl.col(pl.String)
    safe = pl.when(text.str.contains(FORMULA)).then("'" + text).otherwise(text).name.keep()
    rounded = table.with_columns(pl.col(pl.Float64).round(4), safe)
    return rounded.write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ", include_bom=True)


def unguarded(text: str) -> str:
    """A text of `spreadsheet` as it was before."""
    return text[1:] if GUARDED.match(text) else text
