"""A table as a file, or for a spreadsheet."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

from flashlift import artifacts

__all__ = ["spreadsheet", "write_table"]


def write_table(table: pl.DataFrame, path: Path) -> None:
    """Write .parquet as it is, anything else as CSV for a spreadsheet; whole or not at all.

    Raises:
        OutputError: the place cannot be written.
    """
    if path.suffix.lower() == ".parquet":
        content = io.BytesIO()
        table.write_parquet(content)
        artifacts.write_bytes(path, content.getvalue())
    else:
        artifacts.write_text(path, spreadsheet(table))


def spreadsheet(table: pl.DataFrame) -> str:
    """CSV for a spreadsheet: rounded, and no text that it would take for a formula."""
    text = pl.col(pl.String)
    safe = pl.when(text.str.contains("^[=+@\\-\t\r]")).then("'" + text).otherwise(text).name.keep()
    return table.with_columns(pl.col(pl.Float64).round(4), safe).write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")
