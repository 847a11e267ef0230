"""The baseline of purchase intent: LightGBM or logistic regression on hand-made aggregates, one model per horizon."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import lightgbm
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from flashlift.behavior.aggregates import aggregates
from flashlift.behavior.histories import Histories
from flashlift.behavior.intent import MIN_OUTCOMES, calibration_snapshots, outcomes
from flashlift.behavior.snapshots import HOUR, Snapshots, spread_snapshots
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.stats.calibration import BetaCalibrator

__all__ = ["AggregateIntent", "Learner"]

Learner = Literal["lightgbm", "logistic"]
TRAINING_ROWS = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateIntent:
    """P(order within one horizon) from the aggregates of a snapshot.

    It is given what the network is given: random moments before the end of training, and the same calibration window.

    Args:
        horizon_hours: the horizon.
        classifier: fitted, with `predict_proba`.
        calibrator: fitted on a later window.
    """

    horizon_hours: float
    classifier: Any
    calibrator: BetaCalibrator

    @classmethod
    def fit(
        cls,
        histories: Histories,
        learner: Learner,
        horizon_hours: float,
        *,
        borders: tuple[int, int, int],
        rng: np.random.Generator,
    ) -> AggregateIntent:
        """Train before borders[0], calibrate on [borders[1], borders[2]) (microseconds).

        Raises:
            InsufficientDataError: too few orders, or windows shorter than the horizon.
        """
        train_end, middle, stop = borders
        start = int(histories.at.min())
        last = train_end - int(horizon_hours * HOUR)
        if last <= start:
            raise InsufficientDataError(
                f"The training window is shorter than the horizon of {horizon_hours:g} hours. Ask for a shorter one."
            )
        train = spread_snapshots(histories, start, last, n=TRAINING_ROWS, rng=rng)
        label = _label(histories, train, horizon_hours, train_end)
        later = calibration_snapshots(histories, middle, stop, rng=rng)
        later = later.take(np.flatnonzero(later.at + horizon_hours * HOUR <= stop))
        outcome = _label(histories, later, horizon_hours, stop)
        if min(label.sum(), outcome.sum(), (1 - outcome).sum()) < MIN_OUTCOMES:
            raise InsufficientDataError(
                f"There are fewer than {MIN_OUTCOMES} orders, or moments without one, within {horizon_hours:g} hours "
                "to learn from and to calibrate on. Ask for another horizon, or give a longer log."
            )
        seed = int(rng.integers(2**31))
        classifier = _classifier(learner, seed).fit(aggregates(histories, train), label)
        raw = classifier.predict_proba(aggregates(histories, later))[:, 1]
        return cls(horizon_hours=horizon_hours, classifier=classifier, calibrator=BetaCalibrator.fit(raw, outcome))

    def probability(self, histories: Histories, snapshots: Snapshots) -> FloatArray:
        """Calibrated P(order within the horizon), (n,)."""
        return self.calibrator.apply(self.classifier.predict_proba(aggregates(histories, snapshots))[:, 1])


def _label(histories: Histories, snapshots: Snapshots, horizon_hours: float, until: int) -> FloatArray:
    hours, seen, _ = outcomes(histories, snapshots, until=until)
    return (seen & (hours < horizon_hours)).astype(np.float64)


def _classifier(learner: Learner, seed: int) -> Any:
    if learner == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    return lightgbm.LGBMClassifier(
        n_estimators=150, learning_rate=0.03, num_leaves=7, min_child_samples=200, subsample=0.8, subsample_freq=1,
        colsample_bytree=0.5, random_state=seed, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1,
    )  # fmt: skip
