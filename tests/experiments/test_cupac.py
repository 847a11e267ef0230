"""A cross-fitted prediction as a covariate: it sharpens the test and keeps its level."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import Ridge

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import cupac
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments


def shop(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Spending that bends with what is known, so that no line follows it."""
    x = rng.normal(size=(n, 4))
    return x, 5.0 * (x[:, 0] > 0.5) * x[:, 1] + 2.0 * np.abs(x[:, 2]) + rng.normal(size=n)


def test_trees_remove_noise_that_cuped_leaves() -> None:
    rng = np.random.default_rng(1)
    x, y = shop(rng, 6000)
    treated = np.arange(6000) % 2 == 0
    expected = cupac(x, y, rng=rng)
    saved = [
        compare(*(Moments.of(y[on], covariate[on]) for on in (~treated, treated))).variance_reduction_frac
        for covariate in (x, expected)
    ]
    assert saved[1] > saved[0] + 0.3


def test_the_level_holds_though_the_model_learns_the_outcomes_themselves() -> None:
    """A forest of pure leaves knows its own rows by heart; cross-fitting keeps that out of the covariate."""
    rng, runs, rejected, saved = np.random.default_rng(2), 120, 0, 0.0
    forest = RandomForestRegressor(n_estimators=5, random_state=0, n_jobs=1)
    for _ in range(runs):
        x, y = rng.normal(size=(400, 2)), rng.normal(size=400)
        treated = rng.random(400) < 0.5
        expected = cupac(x, y, model=forest, folds=2, rng=rng)
        found = compare(*(Moments.of(y[on], expected[on]) for on in (~treated, treated)))
        rejected += found.pvalue < 0.05
        saved += found.variance_reduction_frac / runs
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert low <= rejected <= high
    assert abs(saved) < 0.02  # there is nothing to be known; without cross-fitting it seems to be most


def test_nobody_is_predicted_from_their_own_outcome() -> None:
    rng = np.random.default_rng(3)
    x, y = shop(rng, 500)
    plain = cupac(x, y, model=Ridge(), rng=np.random.default_rng(0))
    changed = y.copy()
    changed[7] += 1e6
    other = cupac(x, changed, model=Ridge(), rng=np.random.default_rng(0))
    assert other[7] == plain[7]
    assert (other != plain).mean() > 0.7


def test_refusals() -> None:
    rng = np.random.default_rng(4)
    x, y = shop(rng, 200)
    with pytest.raises(InsufficientDataError, match="200 units to learn from"):
        cupac(x, y, rng=rng)
    with pytest.raises(InputError, match="finite outcome"):
        cupac(x, np.full(200, np.nan), rng=rng)
    with pytest.raises(InputError, match="2 folds"):
        cupac(x, y, folds=1, rng=rng)
