"""A finished test, from a file to its result."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import polars as pl

from flashlift import experiments
from flashlift.errors import InputError

__all__ = ["analyze"]


def analyze(
    file: Path, *, control: str, metric: str = "metric", weights: Mapping[str, float] | None = None
) -> experiments.Result:
    """Analyze a CSV or Parquet file with unit_id, variant, metric and, optionally, covariate.

    Args:
        file: the table.
        control: name of the control variant.
        metric: what was measured, in words.
        weights: intended share of each variant, any scale; equal when not given.

    Raises:
        InputError: the file is missing, unreadable, or not a table of a test.
    """
    try:
        frame = pl.read_parquet(file) if file.suffix in {".parquet", ".pq"} else pl.read_csv(file)
    except (OSError, pl.exceptions.PolarsError) as error:
        raise InputError(f"{file} cannot be read ({error}). Give a CSV or Parquet file of the test.") from error
    past = ("covariate",) if "covariate" in frame.columns else ()
    measured = experiments.Metric(name=metric, numerator="metric", covariates=past, unit="unit")
    return experiments.analyze(frame, [measured], control=control, weights=weights)
