"""A table for a spreadsheet."""

from __future__ import annotations

import polars as pl

__all__ = ["spreadsheet"]


def spreadsheet(table: pl.DataFrame) -> str:
    """CSV for a spreadsheet: rounded, and no text that it would take for a formula."""
    text = pl.col(pl.String)
    safe = pl.when(text.str.contains("^[=+@\\-\t\r]")).then("'" + text).otherwise(text).name.keep()
    return table.with_columns(pl.col(pl.Float64).round(4), safe).write_csv(datetime_format="%Y-%m-%dT%H:%M:%SZ")
