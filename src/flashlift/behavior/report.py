"""How good is the purchase intent? The model beside its baselines on the test window."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl

from flashlift.behavior.aggregates import AggregateIntent, Learner
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.intent import calibration_snapshots, outcomes
from flashlift.behavior.predict import BehaviorModel
from flashlift.behavior.sample import read_sample
from flashlift.behavior.snapshots import HOUR, Snapshots
from flashlift.domain import Split
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Tables
from flashlift.stats.calibration import brier_skill, expected_calibration_error, reliability

__all__ = ["average_precision", "intent_report"]

LEARNERS: tuple[Learner, ...] = ("lightgbm", "logistic")


def intent_report(
    model: BehaviorModel,
    tables: Tables,
    *,
    split: Split,
    horizons_hours: Sequence[float],
    seed: int,
    n_times: int = 6,
    n_bootstrap: int = 200,
    level: float = 0.9,
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Judge P(order within h) on cross-sections of customers at `n_times` moments of the test window.

    The baselines see the same log, train on the same window and are calibrated on the same one. The base rate of
    brier_skill is that of the test window itself, which is a strict reference.

    Args:
        model: fitted on the same split.
        tables: the log, test window included.
        split: global time split.
        horizons_hours: horizons to judge, each shorter than the test window.
        seed: of snapshots, baselines and bootstrap.
        n_times: moments of the test window.
        n_bootstrap: bootstrap samples of customers behind the intervals of pr_auc.
        level: probability that the intervals claim.

    Returns:
        metrics: model, horizon_hours, pr_auc, pr_auc_ci_lower, pr_auc_ci_upper, log_loss, brier, brier_skill, ece,
            base_rate, n (snapshots). A baseline that a horizon gives too few orders has no row there.
        reliability: model, horizon_hours, bin, predicted, observed, n.

    Raises:
        InsufficientDataError: no purchase intent in the model, or no order (or nothing else) within a horizon.
    """
    if model.intent is None:
        raise InsufficientDataError("The behavior model has no purchase intent to judge. Train it on a longer log.")
    rng = np.random.default_rng(seed)
    events = read_sample(tables.events, split.test_end, model.config.max_events, rng=rng)
    histories = Histories.build(events, model.vocabulary, before=split.test_end)
    train_end, start, stop = instant(split.train_end), instant(split.valid_end), instant(split.test_end)
    borders = (train_end, (train_end + start) // 2, start)
    metrics, curves = [], []
    for horizon in horizons_hours:
        end = stop - int(horizon * HOUR)
        if end <= start:
            raise InsufficientDataError(
                f"The test window is shorter than the horizon of {horizon:g} hours. Ask for a shorter one."
            )
        snapshots = calibration_snapshots(histories, start, end, rng=rng, n_times=n_times)
        hours, seen, _ = outcomes(histories, snapshots, until=stop)
        outcome = (seen & (hours < horizon)).astype(np.float64)
        if not 0 < outcome.sum() < len(outcome):
            raise InsufficientDataError(
                f"{outcome.sum():.0f} of {len(outcome)} customers order within {horizon:g} hours in the test window, "
                "so predictions cannot be compared. Ask for another horizon."
            )
        predictions = {"transformer": model.intent_at(histories, snapshots, [horizon])[:, 0]}
        predictions |= _baselines(histories, snapshots, horizon, borders, rng)
        for name, predicted in predictions.items():
            lower, upper = _interval(predicted, outcome, snapshots.customer, n_bootstrap, level, rng)
            metrics.append(
                {"model": name, "horizon_hours": float(horizon)} | _metrics(predicted, outcome, lower, upper)
            )
            named = [pl.lit(name).alias("model"), pl.lit(float(horizon)).alias("horizon_hours")]
            curves.append(reliability(predicted, outcome).select(*named, pl.all()))
    return pl.DataFrame(metrics), pl.concat(curves)


def average_precision(predicted: FloatArray, outcome: FloatArray, weight: FloatArray | None = None) -> float:
    """Area under the precision-recall curve as a step function; equal predictions count as one step.

    Needs at least one positive of positive weight.
    """
    order = np.argsort(-predicted, kind="stable")
    mass = np.ones(len(order)) if weight is None else weight[order]
    last = np.append(np.flatnonzero(np.diff(predicted[order])), len(order) - 1)  # end of each group of ties
    positives = np.cumsum(mass * outcome[order])[last]
    precision = positives / np.maximum(np.cumsum(mass)[last], 1e-12)
    return float(np.diff(positives, prepend=0.0) @ precision / positives[-1])


def _baselines(
    histories: Histories, snapshots: Snapshots, horizon: float, borders: tuple[int, int, int], rng: np.random.Generator
) -> dict[str, FloatArray]:
    found = {}
    for learner in LEARNERS:
        try:
            fitted = AggregateIntent.fit(histories, learner, horizon, borders=borders, rng=rng)
        except InsufficientDataError:
            continue
        found[f"{learner} on aggregates"] = fitted.probability(histories, snapshots)
    return found


def _metrics(predicted: FloatArray, outcome: FloatArray, lower: float, upper: float) -> dict[str, float | int | None]:
    clipped = np.clip(predicted, 1e-7, 1 - 1e-7)
    return {
        "pr_auc": average_precision(predicted, outcome),
        "pr_auc_ci_lower": lower,
        "pr_auc_ci_upper": upper,
        "log_loss": float(-np.mean(np.where(outcome > 0, np.log(clipped), np.log1p(-clipped)))),
        "brier": float(np.mean((predicted - outcome) ** 2)),
        "brier_skill": brier_skill(predicted, outcome),
        "ece": expected_calibration_error(predicted, outcome),
        "base_rate": float(outcome.mean()),
        "n": len(outcome),
    }


def _interval(
    predicted: FloatArray,
    outcome: FloatArray,
    customer: IntArray,
    n_bootstrap: int,
    level: float,
    rng: np.random.Generator,
) -> tuple[float, float]:
    """Percentile interval of pr_auc; whole customers are drawn, because their snapshots belong together."""
    _, owner = np.unique(customer, return_inverse=True)
    n = int(owner.max()) + 1
    draws: list[float] = []
    while len(draws) < n_bootstrap:
        weight = rng.multinomial(n, np.full(n, 1 / n))[owner].astype(np.float64)
        if (weight * outcome).any():
            draws.append(average_precision(predicted, outcome, weight))
    lower, upper = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(lower), float(upper)
