"""The metrics of other libraries on the same scores: which are ours, and by how much the others differ."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl

from flashlift.experiments import Trial
from flashlift.stats.qini import qini_curve, uplift_at


def same_metrics(trial: Trial, score: np.ndarray) -> tuple[pl.DataFrame, dict[str, str]]:
    """`metric`, `flashlift`, `library`, `theirs`, `difference`; and why a library is missing."""
    rows: list[tuple[str, float, str, float]] = []
    missing: dict[str, str] = {}
    for library, measure in (("scikit-uplift", _sklift), ("causalml", _causalml)):
        try:
            rows += [(metric, own, library, theirs) for metric, own, theirs in measure(trial, score)]
        except Exception as error:
            missing[library] = f"{type(error).__name__}: {error}"
    table = pl.DataFrame(rows, schema=["metric", "flashlift", "library", "theirs"], orient="row")
    return table.with_columns(difference=pl.col("theirs") - pl.col("flashlift")), missing


def _sklift(trial: Trial, score: np.ndarray) -> list[tuple[str, float, float]]:
    from sklift import metrics

    arms = trial.arms
    t, y = arms.treated.astype(int), arms.outcome.astype(int)
    curve, (_, theirs) = qini_curve(score, arms), metrics.qini_curve(y, score, t)
    best = qini_curve(np.where(arms.treated, arms.outcome, -arms.outcome), arms).qini
    half = uplift_at(score, arms, 0.5)
    return [
        ("Qini / that of the best ranking (qini_auc_score)", curve.qini / best, metrics.qini_auc_score(y, score, t)),
        ("largest gain x treated (qini_curve)", float(curve.gain.max() * t.sum()), float(theirs.max())),
        ("uplift at 50 % (uplift_at_k, overall)", half, metrics.uplift_at_k(y, score, t, strategy="overall", k=0.5)),
    ]


def _causalml(trial: Trial, score: np.ndarray) -> list[tuple[str, float, float]]:
    import pandas as pd
    from causalml.metrics import auuc_score, qini_score

    arms = trial.arms
    frame = pd.DataFrame({"y": arms.outcome, "w": arms.treated.astype(int), "score": score})
    curve = qini_curve(score, arms)
    told: Callable[..., float] = lambda f, **k: float(f(frame, outcome_col="y", treatment_col="w", **k)["score"])  # noqa: E731
    return [
        (
            "Qini (qini_score, not normalized) / treated",
            curve.qini,
            told(qini_score, normalize=False) / arms.treated.sum(),
        ),
        ("normalized Qini (qini_score)", curve.normalized_qini or 0.0, told(qini_score)),
        ("AUUC (auuc_score, not normalized) / all", curve.auuc, told(auuc_score, normalize=False) / score.size),
    ]
