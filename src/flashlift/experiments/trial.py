"""A test whose units are known by their features: who was treated, what they did, and how likely each was treated."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.outcome_model import fit_mean, folds, linear
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.qini import Arms

__all__ = ["Trial", "estimated_propensity", "randomized_trial"]

RAREST = 0.01  # least estimated probability of either arm


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Trial:
    """Units of a test.

    Args:
        features: what a model may read, known before the treatment, (n, k).
        arms: who was treated, what they did, with which probability; (n,) each.
    """

    features: FloatArray
    arms: Arms

    def __post_init__(self) -> None:
        if self.features.ndim != 2 or self.features.shape[0] != self.arms.outcome.size:
            raise InputError(
                f"Features {self.features.shape} and outcomes {self.arms.outcome.shape} do not fit: one row a unit."
            )
        if not np.isfinite(self.features).all():
            raise InputError("A feature is missing or infinite. Fill it in, or leave the unit out.")

    @property
    def size(self) -> int:
        """Number of units."""
        return self.arms.outcome.size

    def rows(self, index: IntArray) -> Trial:
        """Some of the units."""
        return Trial(features=self.features[index], arms=self.arms.rows(index))


def randomized_trial(
    table: pl.DataFrame,
    features: FloatArray,
    *,
    treatment: str = "treatment",
    control: str = "control",
    metric: str = "metric",
) -> Trial:
    """Two arms of a randomized test.

    Args:
        table: `variant`, the metric, and optionally `propensity`, the probability of treatment of each unit; without it
            the share of the treated, which is right where all units were drawn by one lot. Units of other variants are
            left out.
        features: (n, k), rows as in the table.
        treatment: name of the variant that was treated.
        control: name of the one that was not.
        metric: column of the outcome; 0 and 1, or any number.

    Raises:
        InputError: a column is missing, or a cell that is needed is empty or no number.
        InsufficientDataError: an arm is empty, or the outcome is constant.
    """
    if missing := [name for name in ("variant", metric) if name not in table.columns]:
        raise InputError(f"A test needs the columns variant and {metric}; missing: {', '.join(missing)}.")
    kept = table.select(pl.arg_where(pl.col("variant").cast(pl.String).is_in([treatment, control]))).to_series()
    if not kept.len():
        seen = ", ".join(map(repr, table["variant"].cast(pl.String).unique().sort().head(5)))
        raise InputError(f"No unit is in variant {treatment!r} or {control!r}; the table has {seen}. Name them.")
    part = table[kept]
    try:
        outcome = part[metric].cast(pl.Float64).fill_null(np.nan).to_numpy()
        treated = part["variant"].cast(pl.String).to_numpy() == treatment
        share = float(treated.mean())
        given = part["propensity"].cast(pl.Float64).fill_null(np.nan) if "propensity" in part.columns else None
    except pl.exceptions.PolarsError as error:
        raise InputError(f"The metric and the propensity must be numbers ({str(error).splitlines()[0]}).") from error
    if not 0.0 < share < 1.0:
        empty = treatment if share == 0.0 else control
        raise InsufficientDataError(
            f"No unit is in variant {empty!r}, so there is nothing to compare. Both are needed."
        )
    propensity = np.full(treated.size, share) if given is None else given.to_numpy()
    return Trial(features=features[kept.to_numpy()], arms=Arms(treated=treated, outcome=outcome, propensity=propensity))


def estimated_propensity(trial: Trial, *, n_folds: int = 5, rng: np.random.Generator) -> Trial:
    """The same units with probabilities of treatment that a cross-fitted logistic regression tells from the features.

    For a log that was not randomized: what it teaches then rests on the features holding everything that both the
    choice of whom to treat and the outcome depend on.

    Raises:
        InsufficientDataError: some units could hardly have been in the other arm (probability below 0.01).
    """
    treated = trial.arms.treated.astype(np.float64)
    told = np.empty(trial.size)
    for fold in folds(trial.size, n_folds, rng=rng):
        rest = np.setdiff1d(np.arange(trial.size), fold)
        told[fold] = fit_mean(linear(treated), trial.features[rest], treated[rest])(trial.features[fold])
    rare = np.minimum(told, 1.0 - told) < RAREST
    if rare.any():
        raise InsufficientDataError(
            f"{rare.sum():,} of {trial.size:,} units could hardly have been in the other arm (probability below "
            f"{RAREST:g}), so nothing is known of what it would have changed for them. Leave units like them out."
        )
    return replace(trial, arms=Arms(treated=trial.arms.treated, outcome=trial.arms.outcome, propensity=told))
