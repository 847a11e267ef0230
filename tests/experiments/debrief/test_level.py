"""The factor that counts share: unbiased, and as sure as it says."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from flashlift.experiments.debrief.level import Measured, joined, measure, posterior


def rows(rng: np.random.Generator, n: int = 60, n_draws: int = 400) -> tuple[np.ndarray, np.ndarray]:
    """Forecast draws of rows with levels of their own, and what comes of one more such draw."""
    mean = rng.lognormal(1.0, 0.8, n)
    every = rng.poisson(mean[:, None] * rng.gamma(5.0, 0.2, (n, n_draws + 1))).astype(np.float64)
    return every[:, 1:], every[:, 0]


def test_a_forecast_that_came_true_is_a_factor_of_one() -> None:
    rng = np.random.default_rng(0)
    draws, _ = rows(rng, n=2_000)
    found = measure(draws.mean(axis=1), draws, rng)
    assert found.log == pytest.approx(0.0, abs=1e-3)
    assert found.expected == pytest.approx(draws.sum(axis=0).mean())


def test_the_variance_is_that_of_the_rows_own_noise() -> None:
    rng = np.random.default_rng(1)
    logs, told = [], []
    for _ in range(200):
        draws, actual = rows(rng)
        found = measure(actual, draws, rng)
        logs.append(found.log)
        told.append(found.variance)
    # 200 replicates know a standard deviation to 5 %; three of these
    assert np.std(logs) == pytest.approx(np.sqrt(np.mean(told)), rel=0.15)
    assert np.mean(logs) == pytest.approx(0.0, abs=0.03)  # a log of counts lies half its variance below


def test_rows_of_one_cluster_share_what_is_their_own() -> None:
    rng = np.random.default_rng(2)
    draws, actual = rows(rng, n=30)
    twice, counted = np.repeat(draws, 2, axis=0), np.repeat(actual, 2)
    apart = measure(counted, twice, rng)
    together = measure(counted, twice, rng, cluster=np.arange(30).repeat(2))
    assert together.variance == pytest.approx(measure(actual, draws, rng).variance, rel=0.15)
    assert apart.variance == pytest.approx(together.variance / 2, rel=0.25)


def test_intervals_hold_the_factors_that_they_promise_to() -> None:
    rng, hits, n = np.random.default_rng(3), 0, 0
    for _ in range(150):
        shared = rng.normal(0.0, 0.3)
        truth = np.exp(shared + rng.normal(0.0, 0.15, 3))
        found = []
        for factor in truth:
            mean = rng.lognormal(0.5, 0.5, 80)
            level = rng.gamma(5.0, 0.2, (80, 301))
            draws = rng.poisson(mean[:, None] * level[:, 1:]).astype(np.float64)
            found.append(measure(rng.poisson(factor * mean * level[:, 0]).astype(np.float64), draws, rng))
        lower, upper = np.quantile(posterior(found, 1_000, rng, shared_sd=0.3, own_sd=0.15), [0.05, 0.95], axis=1)
        hits, n = hits + int(((lower <= truth) & (truth <= upper)).sum()), n + 3
    low, high = binom.ppf([0.001, 0.999], n // 3, 0.9) * 3 / n  # factors of one sale are not independent
    assert low <= hits / n <= high


def test_nothing_forecast_tells_nothing() -> None:
    rng = np.random.default_rng(4)
    found = measure(np.zeros(3), np.zeros((3, 10)), rng)
    assert found.variance == np.inf
    draws = posterior([found], 20_000, rng, shared_sd=0.3, own_sd=0.0)
    assert np.log(draws).std() == pytest.approx(0.3, rel=0.03)  # Monte Carlo


def test_two_measurements_are_weighed_by_how_sure_they_are() -> None:
    one = Measured(log=0.0, variance=0.04, actual=10.0, expected=10.0)
    both = joined(one, log=1.0, variance=0.04, shared=0.0)
    assert (both.log, both.variance) == (pytest.approx(0.5), pytest.approx(0.02))
    both = joined(one, log=1.0, variance=0.02, shared=0.02)  # what is shared cannot be averaged away
    assert (both.log, both.variance) == (pytest.approx(0.5), pytest.approx(0.03))
