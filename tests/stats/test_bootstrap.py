"""The bootstrap covers the truth, keeps pairs and units together, and repeats itself."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.bootstrap import bootstrap


def test_agrees_with_scipy_on_a_mean() -> None:
    values = np.random.default_rng(1).gamma(2.0, size=300)
    found = bootstrap(np.mean, values, n_resamples=4000, rng=np.random.default_rng(2))
    peer = scipy_stats.bootstrap(
        (values,), np.mean, n_resamples=4000, confidence_level=0.9, method="percentile", rng=np.random.default_rng(3)
    ).confidence_interval
    # two independent sets of 4,000 resamples: the quantiles differ by about 2 % of the interval
    assert found.ci_lower == pytest.approx(peer.low, abs=0.05 * (peer.high - peer.low))
    assert found.ci_upper == pytest.approx(peer.high, abs=0.05 * (peer.high - peer.low))
    assert found.value == values.mean()


def test_pairs_stay_together() -> None:
    a = np.random.default_rng(1).normal(size=100)
    found = bootstrap(lambda x, y: float((x - y).mean()), a, a - 1.0, n_resamples=50, rng=np.random.default_rng(2))
    assert found.ci_lower == pytest.approx(1.0)
    assert found.ci_upper == pytest.approx(1.0)


def test_units_are_drawn_whole() -> None:
    """With unit effects, rows drawn singly miss the truth far too often; whole units do not."""
    rng, runs = np.random.default_rng(4), 200
    missed = {"rows": 0, "units": 0}
    for _ in range(runs):
        unit = np.repeat(np.arange(60), rng.integers(1, 10, 60))
        y = rng.normal(size=60)[unit] + 0.3 * rng.normal(size=unit.size)
        for name, labels in (("rows", None), ("units", unit)):
            found = bootstrap(np.mean, y, units=labels, n_resamples=200, rng=rng)
            missed[name] += not found.ci_lower <= 0.0 <= found.ci_upper
    low, high = scipy_stats.binom.ppf([0.001, 0.999], runs, 0.1)
    # 60 units and 200 resamples make the percentile interval a little short: one percent more misses are allowed
    assert low <= missed["units"] <= high + 0.01 * runs
    assert missed["rows"] > high + 10


def test_unsorted_units_resample_their_own_rows() -> None:
    unit = np.array(["b", "a", "b", "c", "a", "b"])
    weight = np.array([1.0, 10.0, 1.0, 100.0, 10.0, 1.0])
    seen: list[float] = []
    bootstrap(
        lambda w: seen.append(w.sum()) or w.sum(), weight, units=unit, n_resamples=60, rng=np.random.default_rng(1)
    )
    possible = {3.0 * b + 20.0 * a + 100.0 * (3 - a - b) for a in range(4) for b in range(4 - a)}
    assert set(seen) <= possible
    assert len(set(seen)) > 3


def test_same_seed_same_interval() -> None:
    a, b = (bootstrap(np.median, np.arange(30.0), n_resamples=99, rng=np.random.default_rng(7)) for _ in range(2))
    assert a == b


def test_refusals() -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(InsufficientDataError, match="at least 2 units"):
        bootstrap(np.mean, np.ones(4), units=np.zeros(4), rng=rng)
    with pytest.raises(InsufficientDataError, match="undefined"):
        bootstrap(lambda x: float("nan"), np.ones(4), rng=rng)
    with pytest.raises(InputError, match="differ in length"):
        bootstrap(np.mean, np.ones(4), np.ones(3), rng=rng)
