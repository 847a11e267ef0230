"""Shares missing elsewhere: recovered where the truth is known, the prior where there is nothing to see."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from flashlift.demand.event_study import MovedShare, Prior, measure_missing

VAGUE = Prior(mean=0.2, sd=5.0)


def study(rng: np.random.Generator, share: float, *, n: int = 300, prior: Prior = VAGUE) -> MovedShare:
    """Sales of items in a weak state of demand (factor 0.9), whose extra units cost `share` of themselves."""
    expected = rng.lognormal(2.0, 0.6, n)
    extra = 0.4 * expected * rng.integers(1, 5, n)
    level = rng.gamma(10.0, 0.1, n)
    actual = rng.poisson(np.maximum(0.9 * level * expected - share * extra, 0.0)).astype(float)
    return measure_missing(actual, expected, expected, extra, np.arange(n), np.arange(n) % 40, prior)


def test_the_share_is_recovered_and_its_interval_covers() -> None:
    rng = np.random.default_rng(0)
    trials, truth = 200, 0.3
    found = [study(rng, truth) for _ in range(trials)]
    share, sd = np.array([f.share for f in found]), np.array([f.share_sd for f in found])
    assert abs(share.mean() - truth) < 4 * share.std() / np.sqrt(trials)
    inside = int(np.sum(np.abs(share - truth) < 1.645 * sd))
    low, high = binom.ppf([0.001, 0.999], trials, 0.9)
    assert low <= inside <= high


def test_no_loss_is_not_read_as_one() -> None:
    found = study(np.random.default_rng(1), 0.0, n=3000, prior=Prior(mean=0.2, sd=0.15))
    assert found.share < 3 * found.share_sd
    assert found.share_sd < 0.05


def test_few_sales_return_the_prior() -> None:
    prior = Prior(mean=0.2, sd=0.15)
    found = study(np.random.default_rng(2), 0.5, n=9, prior=prior)
    assert (found.share, found.share_sd) == (prior.mean, prior.sd)
    none = np.zeros(50)
    empty = measure_missing(none, none, none, none, np.arange(50), np.arange(50), prior)
    assert (empty.share, empty.share_sd) == (prior.mean, prior.sd)


@pytest.mark.parametrize(("share", "sd"), [(0.2, 0.15), (0.0, 0.1), (0.85, 0.2), (0.0, 1e-6)])
def test_draws_stay_within_bounds_and_have_the_mean(share: float, sd: float) -> None:
    one = MovedShare(share=share, share_sd=sd)
    drawn = one.draw(20_000, np.random.default_rng(3))
    assert drawn.min() >= 0.0
    assert drawn.max() <= 0.9
    assert abs(drawn.mean() - one.mean) < 4 * sd / np.sqrt(20_000)
