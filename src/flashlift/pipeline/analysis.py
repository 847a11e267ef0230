"""A finished test, from files to its result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from flashlift import charts, experiments, privacy
from flashlift.errors import InputError
from flashlift.pipeline.table_file import read_table
from flashlift.report import relative_effects, write_result
from flashlift.schema import Events

__all__ = ["AskedTest", "Logs", "analyze", "reconcile", "show_result"]

KEY = Events.customer_id.name
PAST = "past_"  # of what a unit did before the test; `experiments.reconcile` names columns so


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedTest:
    """What is asked of a test.

    Args:
        control: name of the control variant.
        goals: columns, or ratios of two such as revenue/orders, that the test is about.
        guardrails: the same of what must not get worse.
        lower_is_better: which of them are better when they fall.
        weights: variant -> intended share, any scale; None: equal.
        strata: columns of strata, known before the test.
        cluster: column of the clusters that were assigned whole; None: each unit by itself.
    """

    control: str = "control"
    goals: Sequence[str] = ("metric",)
    guardrails: Sequence[str] = ()
    lower_is_better: Sequence[str] = ()
    weights: Mapping[str, float] | None = None
    strata: Sequence[str] = ()
    cluster: str | None = None

    def metrics(self, columns: Sequence[str]) -> list[experiments.Metric]:
        """Definitions, each with what was measured before the test where the table holds that (CUPED).

        Raises:
            InputError: something else than a column or a ratio of two.
        """
        unknown = sorted({*self.lower_is_better} - {*self.goals, *self.guardrails})
        if unknown:
            raise InputError(f"{unknown[0]!r} is neither a goal nor a guardrail. Name it as one of them, too.")
        asked = [*((name, False) for name in self.goals), *((name, True) for name in self.guardrails)]
        return [self._metric(name, columns, guardrail=guardrail) for name, guardrail in asked]

    def _metric(self, name: str, columns: Sequence[str], *, guardrail: bool) -> experiments.Metric:
        top, _, below = name.partition("/")
        missing = [part for part in (top, below or top) if part not in columns]
        if missing:
            raise InputError(f"The test has no column {missing[0]!r}, only {', '.join(columns)}. Correct {name!r}.")
        past: tuple[str | tuple[str, str], ...] = ()
        if below:
            past = ((PAST + top, PAST + below),) if {PAST + top, PAST + below} <= {*columns} else ()
        elif PAST + top in columns:
            past = (PAST + top,)
        elif top == "metric" and "covariate" in columns:
            past = ("covariate",)
        return experiments.Metric(
            name=name,
            numerator=top,
            denominator=below or None,
            covariates=past,
            lower_is_better=name in self.lower_is_better,
            guardrail=guardrail,
            unit="unit",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    """The two logs of a test.

    Args:
        exposures: CSV or Parquet: customer_id, variant, at, and optionally exposure_id.
        outcomes: CSV or Parquet: customer_id, at, numbers, and optionally event_id.
        start: begin of the test, UTC.
        end: end of the test, UTC.
    """

    exposures: Path
    outcomes: Path
    start: datetime
    end: datetime


def reconcile(logs: Logs, values: Sequence[str]) -> experiments.Reconciliation:
    """One row per customer, by intention to treat, and all that does not fit (`flashlift.experiments.reconcile`).

    Args:
        logs: of the test.
        values: columns of the outcomes that are summed.

    Raises:
        InputError: a file, a column or a time that cannot be used.
        InsufficientDataError: nobody was exposed.
    """
    if logs.end <= logs.start:
        raise InputError(f"The test ends on {logs.end:%Y-%m-%d %H:%M}, before it starts. Let --end lie after --start.")
    tables = [read_table(file) for file in (logs.exposures, logs.outcomes)]
    for file, table in zip((logs.exposures, logs.outcomes), tables, strict=True):
        if "at" not in table.columns or not isinstance(table.schema["at"], pl.Datetime):
            raise InputError(f"{file} has no column `at` with times such as 2026-05-01T18:00:00Z. Add it.")
    shown, done = (_canonical(table) for table in tables)
    return experiments.reconcile(shown, done, values, start=logs.start, end=logs.end, now=datetime.now(UTC))


def _canonical(table: pl.DataFrame) -> pl.DataFrame:
    """Ids as text, since one word in a column makes all of a file's ids text; times without a zone as UTC."""
    zoned = pl.col("at") if table.schema["at"].time_zone else pl.col("at").dt.replace_time_zone("UTC")  # type: ignore[attr-defined]
    named = privacy.canonical_id(table[KEY]) if KEY in table.columns else None
    return table.with_columns(zoned, *([] if named is None else [named]))


def analyze(table: Path | pl.DataFrame, asked: AskedTest | None = None) -> experiments.Result:
    """Analyze a test of one row per unit: unit_id, variant, the columns that are asked for, and `past_` of them.

    Args:
        table: the rows, or a CSV or Parquet file of them.
        asked: what is asked.

    Raises:
        InputError: the file is missing, unreadable, or not a table of a test.
        InsufficientDataError: an arm is too small, or nothing varies.
    """
    asked = asked or AskedTest()
    frame = read_table(table) if isinstance(table, Path) else table
    return experiments.analyze(
        frame,
        asked.metrics(frame.columns),
        control=asked.control,
        weights=asked.weights,
        strata=asked.strata,
        cluster=asked.cluster,
    )


def show_result(result: experiments.Result, path: Path, *, title: str) -> None:
    """The effects of a test as a page (.html) with words and tables, or as a picture (.png, .svg).

    Raises:
        InputError: a picture is asked for, and no metric has an effect relative to control.
        OutputError: another kind of file.
    """
    if path.suffix.lower() == ".html":
        write_result(result, path, title=title, created=datetime.now(UTC))
        return
    drawn = relative_effects(result)
    if drawn.is_empty():
        raise InputError("No metric of the control arm is above zero, so no effect can be drawn as a share of it.")
    charts.save(charts.effects(drawn), path)
