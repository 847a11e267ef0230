"""Do the intervals hold the truth as often as they claim? Many logs of worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.off_policy.logs import Setting, drawn, world
from flashlift.stats.mean_interval import Interval, mean_interval
from flashlift.stats.off_policy import (
    LIMITED,
    MODELED,
    Estimator,
    bias_bound,
    choose_limit,
    contributions,
    effective_size,
)

BOOTSTRAPPED = (Estimator.SNIPS, Estimator.DR)


def coverage(setting: Setting, n_logs: int, *, bootstrapped: bool, seed: int = 0) -> pl.DataFrame:
    """Per estimator and interval: bias and root mean squared error in percent of the true value, coverage, mean width.

    Intervals of limited estimators are widened by the bound of their bias, as `experiments.value` does.
    """
    truth = world(setting, np.random.default_rng(seed))
    most = float((truth.target / truth.logging).max())
    rows: list[tuple[str, str, float, float, float, float]] = []
    for number in range(n_logs):
        rng = np.random.default_rng([seed, number])
        rounds = drawn(truth, rng)
        worth = effective_size(rounds.weight)
        for name in Estimator:
            limit = choose_limit(name, rounds) if name in LIMITED else np.inf
            bias = bias_bound(name, rounds, limit) if name in LIMITED else 0.0
            z = contributions(name, rounds, limit)
            bounds = (-min(most, limit), 1.0 + min(most, limit)) if name in MODELED else (0.0, min(most, limit))
            kinds = [Interval.NORMAL, *([Interval.EMPIRICAL_BERNSTEIN] if name is not Estimator.SNIPS else [])]
            kinds += [Interval.BOOTSTRAP] if bootstrapped and name in BOOTSTRAPPED else []
            for kind in kinds:
                told = mean_interval(z, kind, bounds=bounds, rng=rng)
                held = told.ci_lower - bias <= truth.value <= told.ci_upper + bias
                width = told.ci_upper - told.ci_lower + 2.0 * bias
                rows.append((name.value, kind.value, told.value - truth.value, float(held), width, worth))
    table = pl.DataFrame(rows, schema=["estimator", "interval", "error", "held", "width", "effective"], orient="row")
    return table.group_by("estimator", "interval", maintain_order=True).agg(
        setting=pl.lit(setting.words),
        truth=pl.lit(truth.value),
        largest_weight=pl.lit(most),
        effective=pl.col("effective").mean(),
        bias=100.0 * pl.col("error").mean() / truth.value,
        rmse=100.0 * (pl.col("error") ** 2).mean().sqrt() / truth.value,
        coverage=100.0 * pl.col("held").mean(),
        width=100.0 * pl.col("width").mean() / truth.value,
    )
