"""The results of a set as a table: means over users and seeds, with intervals, and what the training cost."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl
from rich.table import Table

from benchmarks.next_item.judge import METRICS, summary
from benchmarks.next_item.results import Results

__all__ = ["figures", "shown"]

COSTS = ("seconds", "cpu_seconds_per_epoch")


def figures(results: Results) -> pl.DataFrame:
    """Everything kept.

    Returns:
        among, row, seeds, users, the columns of `summary`, seconds and cpu_seconds_per_epoch (means over seeds, null
        where there is no training).
    """
    parts = []
    for row, seeds in results.kept().items():
        kept = [one for seed in sorted(seeds) if (one := results.load(row, seed)) is not None]
        costs = {name: _mean([facts.get(name) for _, facts in kept]) for name in COSTS}
        for (among,), _ in kept[0][0].group_by("among", maintain_order=True):
            tables = [judged.filter(pl.col("among") == among) for judged, _ in kept]
            parts.append(
                summary(tables).select(
                    pl.lit(among).alias("among"),
                    pl.lit(row).alias("row"),
                    pl.lit(len(kept)).alias("seeds"),
                    pl.lit(tables[0].height).alias("users"),
                    pl.all(),
                    *(pl.lit(value, pl.Float64).alias(name) for name, value in costs.items()),
                )
            )
    return pl.concat(parts)


def shown(found: pl.DataFrame, title: str) -> Iterator[Table]:
    """A table per group of items."""
    for (among,), group in found.group_by("among", maintain_order=True):
        table = Table(title=f"{title}; {group['users'][0]:,} users ranked among {among}")
        table.add_column("", no_wrap=True)
        for name in (*METRICS, "lowest to highest seed", "s per seed", "CPU s per epoch"):
            table.add_column(name, justify="right", no_wrap=True)
        for (row,), lines in group.group_by("row", maintain_order=True):
            one = {line["metric"]: line for line in lines.iter_rows(named=True)}
            first = one[METRICS[0]]
            spread = f"{first['lowest']:.4f} to {first['highest']:.4f}" if first["seeds"] > 1 else ""
            costs = [f"{first[name]:.1f}" if first[name] is not None else "" for name in COSTS]
            table.add_row(str(row), *(_cell(one.get(metric)) for metric in METRICS), spread, *costs)
        yield table


def _cell(line: dict[str, float] | None) -> str:
    if line is None:
        return ""
    return f"{line['value']:.4f} ({line['ci_lower']:.4f} to {line['ci_upper']:.4f})"


def _mean(values: list[float | None]) -> float | None:
    there = [value for value in values if value is not None]
    return sum(there) / len(there) if there else None
