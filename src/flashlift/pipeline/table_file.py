"""A table in a file that somebody else made."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flashlift.errors import InputError

__all__ = ["read_table", "renamed"]


def read_table(file: Path) -> pl.DataFrame:
    """A Parquet file (.parquet, .pq) or a CSV file (any other ending) as a table.

    Raises:
        InputError: the file is missing or no such table.
    """
    try:
        return pl.read_parquet(file) if file.suffix in {".parquet", ".pq"} else _read_csv(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        what = str(error).splitlines()[0]
        raise InputError(f"{file} cannot be read ({what}). Give a CSV or Parquet file with a header.") from error


def _read_csv(file: Path) -> pl.DataFrame:
    return pl.read_csv(file, try_parse_dates=True, infer_schema_length=None)  # one word makes a column text


def renamed(table: pl.DataFrame, file: Path, names: dict[str, str]) -> pl.DataFrame:
    """The table with columns under our names.

    Args:
        table: of the file.
        file: named where a column is missing.
        names: ours -> the file's.

    Raises:
        InputError: a column is missing, or one of our names belongs to another column of the file.
    """
    for ours, theirs in names.items():
        if theirs not in table.columns:
            raise InputError(f"{file} has no column {theirs}, only {', '.join(table.columns)}. Name the {ours} column.")
        if ours != theirs and ours in table.columns:
            raise InputError(
                f"{file} has a column {ours} beside {theirs}, which is to be the {ours}. Rename one of them."
            )
    return table.rename({theirs: ours for ours, theirs in names.items()})
