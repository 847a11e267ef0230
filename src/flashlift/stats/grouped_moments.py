"""Moments of every group of rows, in one pass over a table of any size."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations_with_replacement

import numpy as np
import polars as pl

from flashlift.errors import InputError
from flashlift.stats.moments import Moments

__all__ = ["grouped_moments"]

Group = tuple[object, ...]


def grouped_moments(rows: pl.LazyFrame, columns: Sequence[str], by: Sequence[str]) -> dict[Group, Moments]:
    """Moments of `columns` in each group, a row a unit; the rows are read once, as a stream.

    Args:
        rows: the table.
        columns: numbers or truth values, without missing ones.
        by: columns that name the group, at least one.

    Returns:
        Values of `by` -> moments, their columns in the order of `columns`, ordered by group.

    Raises:
        InputError: a number or a group is missing, infinite or no number.
    """
    numbers = [pl.col(name).cast(pl.Float64).alias(f"x{k}") for k, name in enumerate(columns)]
    pairs = list(combinations_with_replacement(range(len(columns)), 2))
    query = (
        rows.select(*(pl.col(name).alias(f"by{k}") for k, name in enumerate(by)), *numbers)
        .group_by(f"by{k}" for k in range(len(by)))
        .agg(
            pl.len().alias("count"),
            *(pl.col(f"x{k}").mean().alias(f"mean{k}") for k in range(len(columns))),
            *(pl.col(f"x{k}").count().alias(f"valid{k}") for k in range(len(columns))),
            *(pl.cov(f"x{a}", f"x{b}").alias(f"cov{a},{b}") for a, b in pairs),  # centered while it is streamed
        )
    )
    try:
        found = query.collect(engine="streaming")
    except pl.exceptions.ColumnNotFoundError as error:
        raise InputError(f"The table has no column {str(error).splitlines()[0]}. Name one that it has.") from error
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0]
        raise InputError(f"{', '.join(columns)} must be numbers ({what}). Correct those rows.") from error
    _check(found, columns, by)
    found = found.sort(f"by{k}" for k in range(len(by)))
    names = found.select(f"by{k}" for k in range(len(by))).rows()
    means = found.select(f"mean{k}" for k in range(len(columns))).to_numpy()
    counts = found["count"].to_numpy()
    m2 = np.zeros((len(names), len(columns), len(columns)))
    for a, b in pairs:
        m2[:, a, b] = m2[:, b, a] = found[f"cov{a},{b}"].fill_null(0.0).fill_nan(0.0).to_numpy() * (counts - 1)
    return {
        name: Moments(count=int(count), means=mean, m2=second)
        for name, count, mean, second in zip(names, counts, means, m2, strict=True)
    }


def _check(found: pl.DataFrame, columns: Sequence[str], by: Sequence[str]) -> None:
    for k, name in enumerate(by):
        lost = found.filter(pl.col(f"by{k}").is_null())["count"].sum()
        if lost:
            raise InputError(f"{lost:,} rows have no {name}. Name it, or leave those rows out.")
    for k, name in enumerate(columns):
        lost = (found["count"] - found[f"valid{k}"]).sum()
        if lost:
            raise InputError(f"{lost:,} rows have no {name}. Say what they count as (0 for no purchase).")
        if not found[f"mean{k}"].is_finite().all():
            raise InputError(f"A value of {name} is missing (NaN) or infinite. Correct it, or say what it counts as.")
