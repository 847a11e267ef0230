"""Which rule chooses the limit of the weights best? Ours beside bolder ones, on logs whose truth is known."""

from __future__ import annotations

import numpy as np
import polars as pl

from benchmarks.off_policy.logs import Setting, drawn, world
from flashlift.protocols import FloatArray
from flashlift.stats.off_policy import LIMITED, Estimator, Rounds, choose_limit, contributions

RULES = ("bound of the error (ours)", "estimated bias", "SLOPE", "no limit")


def rules(setting: Setting, n_logs: int, *, seed: int = 0) -> pl.DataFrame:
    """Per estimator and rule: root mean squared error in percent of the truth, coverage of plain 95 % intervals."""
    truth = world(setting, np.random.default_rng(seed))
    rows = []
    for number in range(n_logs):
        rounds = drawn(truth, np.random.default_rng([seed, number]))
        for name in sorted(LIMITED):
            for rule in RULES:
                z = contributions(name, rounds, _limit(rule, name, rounds))
                error = z.mean() - truth.value
                rows.append((name.value, rule, error, float(abs(error) <= 1.96 * z.std(ddof=1) / z.size**0.5)))
    table = pl.DataFrame(rows, schema=["estimator", "rule", "error", "held"], orient="row")
    return table.group_by("estimator", "rule", maintain_order=True).agg(
        setting=pl.lit(setting.words),
        rmse=100.0 * (pl.col("error") ** 2).mean().sqrt() / truth.value,
        coverage=100.0 * pl.col("held").mean(),
    )


def _limit(rule: str, name: Estimator, rounds: Rounds) -> float:
    if rule == RULES[0]:
        return choose_limit(name, rounds)
    if rule == RULES[3]:
        return np.inf
    found = rounds.weight[rounds.weight > 0.0]
    limits = [np.inf, *np.geomspace(np.median(found), found.max(), 20)[:-1][::-1]]  # from the least biased on
    parts = [contributions(name, rounds, limit) for limit in limits]
    return limits[_least_error(parts) if rule == RULES[1] else _slope(parts)]


def _least_error(parts: list[FloatArray]) -> int:
    """Variance + square of the estimated bias."""
    return int(np.argmin([z.var(ddof=1) / z.size + (z.mean() - parts[0].mean()) ** 2 for z in parts]))


def _slope(parts: list[FloatArray]) -> int:
    """The most biased estimate whose interval of two errors each side still meets those of all less biased ones."""
    low, high, best = -np.inf, np.inf, 0
    for k, z in enumerate(parts):
        half = 2.0 * z.std(ddof=1) / z.size**0.5
        low, high = max(low, z.mean() - half), min(high, z.mean() + half)
        if low > high:
            break
        best = k
    return best
