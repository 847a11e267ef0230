"""A test as sufficient statistics: what its rows, however many, and its shards, however split, come down to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import polars as pl

from flashlift.errors import InputError
from flashlift.experiments.metric import ROWS, Metric
from flashlift.stats.grouped_moments import grouped_moments
from flashlift.stats.moments import Moments

__all__ = ["Cell", "Summary", "summarize"]

UNIT, VARIANT = "unit_id", "variant"


class Cell(NamedTuple):
    """A variant in a stratum of a segment; "" where the test has none."""

    variant: str
    stratum: str = ""
    segment: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Moments of the metrics' columns, per variant, stratum and segment; `+` joins shards that share no unit.

    Args:
        columns: names of the moments' columns.
        cells: moments by cell, over units; over clusters where rows come in clusters.
        strata, segment, cluster: columns that these come from, in words; "" where there is none.
    """

    columns: tuple[str, ...]
    cells: Mapping[Cell, Moments]
    strata: str = ""
    segment: str = ""
    cluster: str = ""

    def __add__(self, other: Summary) -> Summary:
        kinds = [(one.columns, one.strata, one.segment, one.cluster) for one in (self, other)]
        if kinds[0] != kinds[1]:
            raise InputError(f"The shards hold {kinds[0]} and {kinds[1]}. Summarize them with the same metrics.")
        names = sorted({*self.cells, *other.cells})
        joined = {name: self.cells.get(name, Moments()) + other.cells.get(name, Moments()) for name in names}
        return Summary(
            columns=self.columns, cells=joined, strata=self.strata, segment=self.segment, cluster=self.cluster
        )

    @property
    def counts(self) -> dict[str, int]:
        """Units (clusters) of each variant."""
        found: dict[str, int] = {}
        for cell, moments in self.cells.items():
            found[cell.variant] = found.get(cell.variant, 0) + moments.count
        return dict(sorted(found.items()))

    def of_segments(self) -> dict[str, Summary]:
        """The test within each segment."""
        names = sorted({cell.segment for cell in self.cells})
        return {
            name: Summary(
                columns=self.columns,
                cells={Cell(c.variant, c.stratum): m for c, m in self.cells.items() if c.segment == name},
                strata=self.strata,
                cluster=self.cluster,
            )
            for name in names
        }

    def by_stratum(self, variant: str) -> dict[str, Moments]:
        """Moments of a variant in each stratum of the test, empty where it has no unit."""
        found = {name: Moments() for name in sorted({cell.stratum for cell in self.cells})}
        for cell, moments in self.cells.items():
            if cell.variant == variant:
                found[cell.stratum] += moments
        return found


def summarize(
    rows: pl.DataFrame | pl.LazyFrame,
    metrics: Sequence[Metric],
    *,
    strata: Sequence[str] = (),
    segment: str | None = None,
    cluster: str | None = None,
) -> Summary:
    """Sufficient statistics of a test, in one pass over rows of any number.

    Args:
        rows: `unit_id`, `variant` and the metrics' columns, one row per unit; with `cluster`, any number of rows per
            cluster, and no `unit_id`.
        metrics: what is measured; see `Metric`.
        strata: columns known before the test, in whose cells arms are compared (post-stratification).
        segment: column known before the test, whose groups `effects_by_segment` tells apart.
        cluster: column that was assigned by lot, where rows are a part of it (a region, a customer with many visits).

    Raises:
        InputError: a column is missing, empty or not a number, a unit has several rows, or a unit (cluster) is in
            several variants.
    """
    table = rows.lazy()
    columns = tuple(dict.fromkeys(name for metric in metrics for name in metric.columns))
    by = [VARIANT, *strata, *([segment] if segment else [])]
    one = UNIT if cluster is None else cluster
    missing = sorted({one, *by, *columns} - set(table.collect_schema().names()))
    if missing or not metrics:
        raise InputError(
            f"A test needs rows with {one}, {', '.join([*by, *columns])}; missing: {missing or 'metrics'}."
        )
    if cluster is None:
        _check_units(table)
    else:
        table, columns = _totals(table, columns, cluster, by).lazy(), (*columns, ROWS)
    cells = {
        Cell(str(name[0]), " | ".join(map(str, name[1 : 1 + len(strata)])), str(name[-1]) if segment else ""): moments
        for name, moments in grouped_moments(table, columns, by).items()
    }
    if not cells:
        raise InputError("The test has no rows. Give one per unit that was assigned.")
    return Summary(
        columns=columns, cells=cells, strata=" and ".join(strata), segment=segment or "", cluster=cluster or ""
    )


def _check_units(rows: pl.LazyFrame) -> None:
    """Sorted hashes take far less memory than the units themselves; where two are equal, the units are compared."""
    unit = pl.col(UNIT)
    found = rows.select(unit.hash().alias("hash"), unit.is_null().alias("lost")).collect(engine="streaming")
    if found["lost"].any():
        raise InputError(
            f"{found['lost'].sum():,} rows have no {UNIT}. Leave out rows of units that were not assigned."
        )
    hashes = found["hash"].sort()
    if not (hashes.head(-1) == hashes.tail(-1)).any():
        return
    n, different = rows.select(pl.len(), unit.n_unique()).collect().row(0)
    if n > different:
        kinds = rows.group_by(UNIT).agg(pl.col(VARIANT).n_unique()).filter(pl.col(VARIANT) > 1)
        torn = kinds.select(pl.len()).collect().item()
        raise InputError(
            f"{n - different:,} rows repeat a unit, and {torn:,} units are in several variants. Sum the metric per "
            "unit, and give each its first variant; `experiments.reconcile` does both from the logs."
        )


def _totals(rows: pl.LazyFrame, columns: Sequence[str], cluster: str, by: Sequence[str]) -> pl.DataFrame:
    """Sums and number of rows of each cluster; a sum is null where one of its numbers is."""
    sums = [pl.when(pl.col(name).null_count() == 0).then(pl.col(name).cast(pl.Float64).sum()) for name in columns]
    try:
        found = (
            rows.group_by(cluster, *dict.fromkeys(by))
            .agg(*(total.alias(name) for total, name in zip(sums, columns, strict=True)), pl.len().alias(ROWS))
            .collect(engine="streaming")
        )
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0]
        raise InputError(f"{', '.join(columns)} must be numbers ({what}). Correct those rows.") from error
    torn = found.height - found[cluster].n_unique()
    if torn:
        raise InputError(
            f"{torn:,} times a {cluster} lies in several of the groups by {', '.join(by)}. Give the column that was "
            "assigned by lot as the cluster, and strata and segments that hold whole clusters."
        )
    if found[cluster].null_count():
        raise InputError(f"Some rows have no {cluster}. Name it, or leave those rows out.")
    return found
