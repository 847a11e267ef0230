"""Comparisons keep their promises where the truth is known; `test_peers` holds them to published packages."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats as scipy_stats

from flashlift.domain import Estimate
from flashlift.errors import InsufficientDataError
from flashlift.stats.comparison import compare, compare_changes, compare_strata
from flashlift.stats.moments import Moments
from flashlift.stats.ratios import Ratio


def outside(estimate: Estimate | None, truth: float) -> bool:
    assert estimate is not None
    return not estimate.ci_lower <= truth <= estimate.ci_upper


def assert_as_rare_as_promised(missed: npt.ArrayLike, runs: int) -> None:
    """The count of misses is binomial(runs, 5 %)."""
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert ((low <= np.asarray(missed)) & (np.asarray(missed) <= high)).all(), (missed, low, high)


@pytest.mark.parametrize("covariate", [False, True])
@pytest.mark.parametrize("lift", [0.0, 0.5])
def test_intervals_cover_the_truth(covariate: bool, lift: float) -> None:
    """Effect and relative effect, unequal arms and variances; the count of misses is binomial(1500, 5 %)."""
    rng, runs = np.random.default_rng(11), 1500
    missed = np.zeros(2, dtype=int)
    for _ in range(runs):
        x = rng.gamma(2.0, 2.0, 600)
        treated = np.arange(600) < 200
        y = 3.0 + x + rng.normal(0.0, 1.0, 600)
        y = np.where(treated, y * (1.0 + lift), y)
        found = compare(*(Moments.of(y[on], x[on] if covariate else None) for on in (~treated, treated)))
        missed += [outside(found.effect, 7.0 * lift), outside(found.relative, lift)]
    assert_as_rare_as_promised(missed, runs)


def test_ratios_with_covariates_cover_the_truth() -> None:
    """Revenue per order, customers assigned: customers who order more pay less per order. The truth is 6.5 and 7.15."""
    rng, runs = np.random.default_rng(12), 1500
    missed, saved = np.zeros(2, dtype=int), 0.0
    for _ in range(runs):
        eager, rich = rng.gamma(2.0, 1.0, 800), rng.gamma(4.0, 0.5, 800)
        past_orders, orders = 1 + rng.poisson(eager), 1 + rng.poisson(eager)
        past, spend = past_orders * rich * 3.0, orders * (rich * 2.75 + 1.0 + rng.normal(0.0, 1.0, 800))
        treated = np.arange(800) < 300
        spend = np.where(treated, spend * 1.1, spend)
        table = np.column_stack([orders, past, past_orders])
        arms = (Moments.of(spend[on], table[on]) for on in (~treated, treated))
        found = compare(*arms, ratios=[Ratio(0, 1), Ratio(2, 3), Ratio(2)])
        missed += [outside(found.effect, 0.65), outside(found.relative, 0.1)]
        saved += found.variance_reduction_frac / runs
    assert_as_rare_as_promised(missed, runs)
    assert saved > 0.5


def test_strata_cover_the_truth_where_the_plain_difference_is_biased() -> None:
    """A share of treatment that differs between strata; with a covariate inside the strata."""
    rng, runs, missed, plain = np.random.default_rng(13), 600, 0, 0
    level = np.array([0.0, 5.0, 20.0])
    for _ in range(runs):
        stratum = rng.choice(3, 600, p=[0.5, 0.3, 0.2])
        treated = rng.random(600) < np.array([0.3, 0.5, 0.6])[stratum]
        x = rng.normal(size=600)
        y = level[stratum] + x + rng.normal(size=600) + treated
        cells = [
            [Moments.of(y[on], x[on]) for k in range(3) for on in [(stratum == k) & arm]] for arm in (~treated, treated)
        ]
        missed += outside(compare_strata(*cells).effect, 1.0)
        plain += outside(compare(*(sum(arm, start=Moments()) for arm in cells)).effect, 1.0)
    assert_as_rare_as_promised(missed, runs)
    assert plain > 0.9 * runs


@pytest.mark.parametrize("lift", [0.0, 0.3])
def test_clusters_cover_the_truth_where_rows_do_not(lift: float) -> None:
    """40 clusters of 5 to 15 rows which share a shock; every row on its own claims far too much."""
    rng, runs = np.random.default_rng(14), 800
    missed, by_rows = np.zeros(2, dtype=int), 0
    for _ in range(runs):
        cluster = np.repeat(np.arange(40), rng.integers(5, 16, 40))
        treated = rng.permutation(40) < 20
        y = (10.0 + rng.normal(size=40)[cluster] + rng.normal(size=len(cluster))) * (1.0 + lift * treated[cluster])
        rows, sums = np.bincount(cluster), np.bincount(cluster, y)
        found = compare(*(Moments.of(sums[on], rows[on]) for on in (~treated, treated)), ratios=[Ratio(0, 1)])
        missed += [outside(found.effect, 10.0 * lift), outside(found.relative, lift)]
        by_rows += outside(compare(*(Moments.of(y[on[cluster]]) for on in (~treated, treated))).effect, 10.0 * lift)
    assert_as_rare_as_promised(missed, runs)
    assert by_rows > 0.3 * runs


def test_changes_cover_the_truth_where_arms_differ_from_the_start() -> None:
    """20 regions an arm with levels and shocks of their own; treated regions sell more before the test, too."""
    rng, runs = np.random.default_rng(15), 1500
    missed = np.zeros(2, dtype=int)
    for _ in range(runs):
        treated = np.arange(40) % 2 == 1
        before, after = rng.integers(5, 15, (2, 40)).astype(float)
        level = 10.0 + 4.0 * treated + 2.0 * rng.normal(size=40)
        sums = [
            rows * (level + shift + 0.5 * rng.normal(size=40)) + np.sqrt(rows) * rng.normal(size=40)
            for rows, shift in ((after, 3.0 + 1.7 * treated), (before, 0.0))
        ]
        table = np.column_stack([after, sums[1], before])
        found = compare_changes(*(Moments.of(sums[0][on], table[on]) for on in (~treated, treated)))
        missed += [outside(found.effect, 1.7), outside(found.relative, 1.7 / 17.0)]
    assert_as_rare_as_promised(missed, runs)


def test_undefined_comparisons() -> None:
    with pytest.raises(InsufficientDataError, match="Neither arm varies"):
        compare(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0]))
    with pytest.raises(InsufficientDataError, match="at least 2 units"):
        compare(Moments.of([1.0]), Moments.of([2.0, 3.0]))
    with pytest.raises(InsufficientDataError, match="there are 0"):
        compare(Moments(), Moments.of([2.0, 3.0]))
    with pytest.raises(InsufficientDataError, match="denominator"):
        compare(Moments.of([1.0, 2.0], [0.0, 0.0]), Moments.of([2.0, 3.0], [1.0, 2.0]), ratios=[Ratio(0, 1)])
    assert compare(Moments.of([-1.0, -2.0]), Moments.of([2.0, 3.0])).relative is None
    assert compare(Moments.of([0.0, 0.0]), Moments.of([2.0, 3.0])).relative is None
