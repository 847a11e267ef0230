"""Columns of a table as numbers that an estimator reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import sparse

from flashlift.errors import InputError

__all__ = ["Encoder"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Numbers stay as they are; any other column becomes one column of 0 and 1 per value seen when it was made.

    Args:
        values: column -> its values in order; None: a number.
    """

    values: Mapping[str, tuple[str, ...] | None]

    @classmethod
    def of(cls, table: pl.DataFrame, columns: Sequence[str]) -> Encoder:
        """Learn the values of the columns.

        Raises:
            InputError: a column is missing.
        """
        if missing := [name for name in columns if name not in table.columns]:
            raise InputError(f"There is no column {', '.join(missing)}; there are {', '.join(table.columns)}.")
        return cls(values={name: _values(table[name]) for name in columns})

    @property
    def names(self) -> list[str]:
        """Name of each column of the matrix."""
        return [
            f"{name}={v}" if v is not None else name for name, known in self.values.items() for v in known or (None,)
        ]

    def matrix(self, table: pl.DataFrame) -> sparse.csr_matrix:
        """The columns as numbers, (n, k); a value that was not seen is 0 in all of its columns.

        Raises:
            InputError: a column is missing or has empty cells.
        """
        parts = [sparse.csr_matrix((table.height, 0))]
        for name, known in self.values.items():
            if name not in table.columns:
                raise InputError(f"There is no column {name}; there are {', '.join(table.columns)}.")
            column = table[name]
            empty = column.null_count() + (int(column.is_nan().sum()) if column.dtype.is_float() else 0)
            if empty:
                raise InputError(
                    f"{empty:,} cells of the column {name} are empty. Fill them in, or leave such rows out."
                )
            parts.append(_numbers(column) if known is None else _one_hot(column.cast(pl.String), known))
        return sparse.hstack(parts, format="csr")


def _values(column: pl.Series) -> tuple[str, ...] | None:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return None
    return tuple(column.drop_nulls().cast(pl.String).unique().sort())


def _numbers(column: pl.Series) -> sparse.csr_matrix:
    return sparse.csr_matrix(column.cast(pl.Float64).to_numpy()[:, None])


def _one_hot(column: pl.Series, known: Sequence[str]) -> sparse.csr_matrix:
    codes = pl.DataFrame({"value": known, "code": np.arange(len(known))}, schema={"value": pl.String, "code": pl.Int64})
    found = column.to_frame("value").join(codes, on="value", how="left", maintain_order="left")["code"]
    rows = np.flatnonzero(found.is_not_null().to_numpy())
    return sparse.csr_matrix(
        (np.ones(rows.size), (rows, found.drop_nulls().to_numpy())), shape=(column.len(), len(known))
    )
