"""A test that runs: a look at its log, kept with the looks before it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from flashlift import artifacts, experiments
from flashlift.errors import InputError, OutputError
from flashlift.pipeline.table_file import read_table
from flashlift.report import write_running

__all__ = ["monitor", "show_running"]


def monitor(
    log: Path, state: Path, *, at: datetime, test: experiments.RunningTest | None = None
) -> experiments.Monitor:
    """Take one look at a test and keep it.

    Args:
        log: CSV or Parquet, a row per exposure or outcome: unit_id, variant, at, and the test's metrics.
        state: JSON file of the test and its looks until now; made by the first look.
        at: moment of the look, UTC; later rows are not read.
        test: what is tested; given at the first look and at no other, so that nobody changes it on the way.

    Raises:
        InputError: the log or the look cannot be used, or the test is defined twice or never.
        ArtifactError: the state is damaged.
        OutputError: the state cannot be written.
    """
    if state.exists() and test is not None:
        raise InputError(f"{state} holds the test, and a test is not changed while it runs. Name the log alone.")
    if not state.exists() and test is None:
        raise InputError(f"There is no {state}. At the first look say what is tested: name, start, end, units, a goal.")
    try:
        running = experiments.Monitor(test=test) if test else experiments.Monitor.from_json(state.read_text("utf-8"))
    except OSError as error:
        raise OutputError(f"{state} cannot be read ({error.strerror}). Name the file of the first look.") from error
    rows = read_table(log)
    kind = rows.schema.get("at")
    if not isinstance(kind, pl.Datetime):
        raise InputError(f"{log} has no column `at` with times such as 2026-05-01T18:00:00Z. Add it.")
    if kind.time_zone is None:
        rows = rows.with_columns(pl.col("at").dt.replace_time_zone("UTC"))
    running = running.add(experiments.look_at(rows, running.test, at=at))
    artifacts.write_text(state, running.to_json() + "\n")
    return running


def show_running(found: experiments.Monitor, path: Path) -> None:
    """All looks at a test with their charts as a page.

    Raises:
        OutputError: another kind of file, or a place that cannot be written.
    """
    if path.suffix.lower() != ".html":
        raise OutputError(f"Cannot write {path}: the page of a running test is .html. Name such a file.")
    write_running(found, path, created=datetime.now(UTC))
