"""Do the intervals hold the truth as often as they claim? Many logs of worlds whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.off_policy.logs import Setting, drawn, world
from flashlift.experiments.support import SupportRules, judge_support
from flashlift.stats.mean_interval import Interval, mean_interval
from flashlift.stats.off_policy import (
    LIMITED,
    MODELED,
    Estimator,
    bias_bound,
    choose_limit,
    contributions,
)

BOOTSTRAPPED = (Estimator.SNIPS, Estimator.DR)


def coverage(setting: Setting, n_logs: int, *, bootstrapped: bool, seed: int = 0) -> pl.DataFrame:
    """Per estimator and interval: bias and root mean squared error in percent of the true value, coverage, mean width.

    Logs that `experiments.value` would refuse are left out and counted; so are the intervals that it does not tell.
    Those of limited estimators are widened by the bound of their bias, as it does.
    """
    truth = world(setting, np.random.default_rng(seed))
    most = float((truth.target / truth.logging).max())
    rows: list[tuple[str, str | None, float, float | None, float | None, float]] = []
    refused = 0
    for number in range(n_logs):
        rng = np.random.default_rng([seed, number])
        rounds = drawn(truth, rng)
        support = judge_support(rounds.weight, rounds.reward, 0.0, SupportRules())
        if support.problems:
            refused += 1
            continue
        worth = support.effective_rounds
        for name in Estimator:
            limit = choose_limit(name, rounds) if name in LIMITED else np.inf
            bias = bias_bound(name, rounds, limit) if name in LIMITED else 0.0
            z = contributions(name, rounds, limit)
            if name is Estimator.DM:
                rows.append((name.value, None, float(z.mean()) - truth.value, None, None, worth))
                continue
            bounds = (-min(most, limit), 1.0 + min(most, limit)) if name in MODELED else (0.0, min(most, limit))
            kinds = [Interval.NORMAL, *([Interval.EMPIRICAL_BERNSTEIN] if name is not Estimator.SNIPS else [])]
            kinds += [Interval.BOOTSTRAP] if bootstrapped and name in BOOTSTRAPPED else []
            for kind in kinds:
                told = mean_interval(z, kind, bounds=bounds, rng=rng)
                held = told.ci_lower - bias <= truth.value <= told.ci_upper + bias
                width = told.ci_upper - told.ci_lower + 2.0 * bias
                rows.append((name.value, kind.value, told.value - truth.value, float(held), width, worth))
    words = {"estimator": pl.String, "interval": pl.String}
    numbers = dict.fromkeys(("error", "held", "width", "effective"), pl.Float64)
    table = pl.DataFrame(rows, schema=words | numbers, orient="row")
    return table.group_by("estimator", "interval", maintain_order=True).agg(
        setting=pl.lit(setting.words),
        refused=pl.lit(100.0 * refused / n_logs),
        truth=pl.lit(truth.value),
        largest_weight=pl.lit(most),
        effective=pl.col("effective").mean(),
        bias=100.0 * pl.col("error").mean() / truth.value,
        rmse=100.0 * (pl.col("error") ** 2).mean().sqrt() / truth.value,
        coverage=100.0 * pl.col("held").mean(),
        width=100.0 * pl.col("width").mean() / truth.value,
    )
