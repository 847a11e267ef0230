"""Whom a deal changes: from the file of a randomized test to compared models, and to scores of customers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType

import numpy as np
import polars as pl

from flashlift import charts, experiments
from flashlift.errors import InputError
from flashlift.pipeline.table_file import read_table, renamed
from flashlift.protocols import Progress, silent
from flashlift.report import write_uplift

__all__ = ["MODELS", "AskedUplift", "Uplifted", "show_uplift", "uplift"]

REFERENCE = "response model"
MOST_VALUES = 100  # of a column of words that is read unasked
MODELS: Mapping[str, experiments.UpliftLearner] = MappingProxyType(
    {
        REFERENCE: experiments.ResponseModel(),
        "T": experiments.TLearner(),
        "X": experiments.XLearner(),
        "DR": experiments.DRLearner(),
        "T, trees": experiments.TLearner(outcome=experiments.trees),
        "X, trees": experiments.XLearner(outcome=experiments.trees, effect=experiments.trees),
        "DR, trees": experiments.DRLearner(outcome=experiments.trees, effect=experiments.trees),
    }
)
"""What is compared: linear models unless named otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedUplift:
    """What is asked of a test.

    Args:
        metric: column of the outcome.
        unit: column that names customers.
        variant: column of the arm.
        treatment, control: names of the two arms.
        features: columns that models read; empty: all others.
        observational: whom to treat was chosen and not drawn, so probabilities of treatment are estimated.
        splits: how models are compared.
        seed: of splits and folds.
    """

    metric: str = "metric"
    unit: str = "unit_id"
    variant: str = "variant"
    treatment: str = "treatment"
    control: str = "control"
    features: tuple[str, ...] = ()
    observational: bool = False
    splits: experiments.Splits = field(default_factory=experiments.Splits)
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplifted:
    """Models compared, and customers scored.

    Args:
        comparison: of all models in the same splits.
        chosen: the model with the largest mean Qini.
        scores: unit and `score` by the chosen model, fitted to the whole test, best first: the expected effect, or the
            expected outcome where the response model was chosen. None where no customers were given.
    """

    comparison: experiments.UpliftComparison
    chosen: str
    scores: pl.DataFrame | None


def uplift(
    test: Path, asked: AskedUplift | None = None, *, customers: Path | None = None, progress: Progress = silent
) -> Uplifted:
    """Compare models on a test, and score customers by the best.

    Args:
        test: CSV or Parquet, a row per customer of the test: unit, variant, metric, features known before it, and
            optionally `propensity`, the probability of treatment.
        asked: names of columns and how to compare.
        customers: CSV or Parquet of customers to score: unit and the same features.
        progress: told how many fits are done.

    Raises:
        InputError: a file, column or value that cannot be used.
        InsufficientDataError: an arm is empty, or the outcome constant.
    """
    asked = asked or AskedUplift()
    names = {"unit_id": asked.unit, "variant": asked.variant, "metric": asked.metric}
    table = renamed(read_table(test), test, names)
    doubled = table.height - table["unit_id"].n_unique()
    if doubled:
        raise InputError(f"{doubled:,} rows of {test} repeat a customer. Sum the metric per customer.")
    features = list(asked.features) or _others(table, {*names, "propensity"})
    encoder = experiments.Encoder.of(table, features)
    trial = experiments.randomized_trial(
        table, encoder.matrix(table).toarray(), treatment=asked.treatment, control=asked.control
    )
    rng = np.random.default_rng(asked.seed)
    if asked.observational:
        trial = experiments.estimated_propensity(trial, rng=rng)
    found = experiments.compare_uplift(
        trial, MODELS, reference=REFERENCE, metric=asked.metric, splits=asked.splits, rng=rng, progress=progress
    )
    chosen = str(found.to_polars().filter(metric="qini").sort("value", descending=True)["model"][0])
    scores = None
    if customers is not None:
        people = renamed(read_table(customers), customers, {"unit_id": asked.unit})
        told = MODELS[chosen].fit(trial, rng=rng)(encoder.matrix(people).toarray())
        scores = people.select("unit_id", score=pl.Series(told)).sort("score", descending=True)
    return Uplifted(comparison=found, chosen=chosen, scores=scores)


def show_uplift(found: Uplifted, path: Path) -> None:
    """Qini curves of the two best models and of the response model as a page (.html) with tables, or as a picture.

    Raises:
        OutputError: another kind of file.
    """
    comparison = found.comparison
    ranked = comparison.to_polars().filter(metric="qini").sort("value", descending=True)["model"].to_list()
    shown = list(dict.fromkeys([*ranked[:2], REFERENCE]))
    if path.suffix.lower() == ".html":
        write_uplift(comparison, path, shown=shown, created=datetime.now(UTC))
        return
    curves = comparison.curves().filter(pl.col("model").is_in(shown))
    charts.save(charts.qini_curve(curves, outcome=comparison.metric), path)


def _others(table: pl.DataFrame, taken: set[str]) -> list[str]:
    found = [name for name in table.columns if name not in taken]
    for name in found:
        if not table.schema[name].is_numeric() and table[name].n_unique() > MOST_VALUES:
            raise InputError(
                f"The column {name} has {table[name].n_unique():,} different values, too many to learn from. Name the "
                "features that models should read."
            )
    return found
