"""Intervals of a mean cover it: Student's t, whole units, percentile bootstrap and empirical Bernstein."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.empirical_bernstein import empirical_bernstein
from flashlift.stats.mean_interval import Interval, mean_error, mean_interval


def test_the_normal_interval_is_students_t() -> None:
    values = np.random.default_rng(1).normal(size=30)
    found = mean_interval(values)
    lower, upper = scipy_stats.t.interval(0.95, 29, loc=values.mean(), scale=scipy_stats.sem(values))
    assert (found.ci_lower, found.ci_upper) == pytest.approx((lower, upper), rel=1e-12)


def test_rows_of_a_unit_count_as_one() -> None:
    rng = np.random.default_rng(2)
    y = rng.normal(size=40)
    doubled, units = np.repeat(y, 5), np.repeat(np.arange(40), 5)
    assert mean_error(doubled, units).std_error == pytest.approx(mean_error(y).std_error, rel=1e-12)
    assert mean_error(doubled, units).degrees == 39
    shuffled = rng.permutation(200)
    assert mean_error(doubled[shuffled], units[shuffled]).std_error == pytest.approx(mean_error(y).std_error)


def test_the_bernstein_interval_is_its_formula() -> None:
    """Maurer and Pontil (2009), theorem 4, by hand: values 0, 0, 1, 1 in [0, 1], delta 0.025 a side."""
    found = empirical_bernstein([0.0, 0.0, 1.0, 1.0] * 100, lower=0.0, upper=1.0, level=0.95)
    var, n, unlikely = 0.25 * 400 / 399, 400, math.log(2 / 0.025)
    half = math.sqrt(2 * var * unlikely / n) + 7 * unlikely / (3 * (n - 1))
    assert found.value - found.ci_lower == pytest.approx(half, rel=1e-12)
    assert found.ci_upper - found.value == pytest.approx(half, rel=1e-12)


@pytest.mark.parametrize(
    ("kind", "runs"), [(Interval.NORMAL, 1000), (Interval.BOOTSTRAP, 100), (Interval.EMPIRICAL_BERNSTEIN, 1000)]
)
def test_intervals_cover_the_mean(kind: Interval, runs: int) -> None:
    rng, missed = np.random.default_rng(3), 0
    for _ in range(runs):
        values = rng.beta(1.0, 4.0, 400)
        found = mean_interval(values, kind, bounds=(0.0, 1.0), rng=rng)
        missed += not found.ci_lower <= 0.2 <= found.ci_upper
    low, high = scipy_stats.binom.ppf([0.001, 0.999], runs, 0.05)
    assert missed <= high
    assert kind is Interval.EMPIRICAL_BERNSTEIN or missed >= low


def test_refusals() -> None:
    values, rng = np.array([0.0, 0.5, 1.0]), np.random.default_rng(4)
    with pytest.raises(InputError, match="outside the bounds"):
        empirical_bernstein(values, lower=0.0, upper=0.9)
    with pytest.raises(InputError, match="outside the bounds"):
        empirical_bernstein([0.1, float("nan")], lower=0.0, upper=0.9)
    with pytest.raises(InputError, match="are no interval"):
        empirical_bernstein(values, lower=1.0, upper=0.0)
    with pytest.raises(InsufficientDataError, match="at least 2 values"):
        empirical_bernstein([1.0], lower=0.0, upper=1.0)
    with pytest.raises(InputError, match="independent rows"):
        mean_interval(values, Interval.EMPIRICAL_BERNSTEIN, units=[1, 1, 2], bounds=(0.0, 1.0))
    with pytest.raises(InputError, match="generator"):
        mean_interval(values, Interval.BOOTSTRAP)
    with pytest.raises(InsufficientDataError, match="at least 2 units"):
        mean_interval(values, units=[7, 7, 7], rng=rng)
