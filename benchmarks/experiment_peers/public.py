"""Two public tests, analyzed: Cookie Cats (two arms, a doubtful split) and Hillstrom (three arms)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from flashlift.experiments import Metric, Result, analyze

__all__ = ["public"]


def public(data: Path) -> str:
    """Markdown: the split, and effects with joint intervals (Bonferroni) and adjusted p-values (Holm)."""
    return "\n\n".join([_told("Cookie Cats", cookie_cats(data)), _told("Hillstrom, half of it", hillstrom(data))])


def cookie_cats(data: Path) -> Result:
    rows = pl.read_parquet(data / "cookie_cats" / "cookie_cats.parquet").rename(
        {"userid": "unit_id", "version": "variant"}
    )
    metrics = [
        Metric(name=f"retention after {day} days", numerator=f"retention_{day}", unit="player") for day in (1, 7)
    ]
    return analyze(rows, metrics, control="gate_30")


def hillstrom(data: Path) -> Result:
    rows = pl.read_parquet(data / "hillstrom" / "hillstrom_half.parquet").rename({"segment": "variant"})
    past = ("history", "recency", "newbie")
    metrics = [
        Metric(name="visits", numerator="visit", covariates=past),
        Metric(name="conversions", numerator="conversion", covariates=past),
        Metric(name="spend (USD)", numerator="spend", covariates=past),
        Metric(name="spend per visit (USD)", numerator="spend", denominator="visit", covariates=past),
    ]
    return analyze(rows.with_row_index("unit_id"), metrics, control="No E-Mail")


def _told(name: str, found: Result) -> str:
    lines = [
        f"{name}. {found.verdict()}",
        "",
        "| metric | variant | control | treatment | effect | interval | relative | p | Holm | variance removed |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *map(_line, found.to_polars().iter_rows(named=True))])


def _line(row: dict[str, float]) -> str:
    return (
        f"| {row['metric']} | {row['variant']} | {row['control']:.4g} | {row['treatment']:.4g} "
        f"| {row['effect_size']:+.4g} | {row['ci_lower']:+.4g} to {row['ci_upper']:+.4g} "
        f"| {row['rel_effect_size']:+.1%} | {row['pvalue']:.2g} | {row['pvalue_holm']:.2g} "
        f"| {row['variance_reduction_frac']:.1%} |"
    )
