"""Effects on totals: their errors cover the truth where sizes differ widely, and few units make wide intervals."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.stats.totals import split_total, within_total

RUNS = 1500


def sizes(n: int, rng: np.random.Generator) -> FloatArray:
    return rng.lognormal(3.0, 1.2, n)  # the largest of 60 sells a tenth of everything, as in a shop


def test_effect_is_the_sum_and_the_error_is_the_plain_formula() -> None:
    rng = np.random.default_rng(1)
    x = sizes(7, rng)
    t, c = rng.poisson(1.3 * x), rng.poisson(x)
    found = within_total(t.astype(float), c.astype(float), x)
    ratio = (t.sum() - c.sum()) / x.sum()
    squares = sum((t[k] - c[k] - ratio * x[k]) ** 2 / (1 - x[k] / x.sum()) for k in range(7))
    assert found.effect.value == t.sum() - c.sum()
    assert found.std_error == pytest.approx(squares**0.5)
    assert 1.0 <= found.degrees < 7


def test_equal_sizes_give_students_paired_t() -> None:
    rng = np.random.default_rng(2)
    t, c = rng.normal(1.0, 1.0, (2, 12))
    found = within_total(t, c, np.full(12, 5.0))
    assert found.std_error == pytest.approx(scipy_stats.sem(t - c) * 12)
    assert found.degrees <= 11.0 + 1e-9  # fewer where the differences look heavy-tailed
    few = scipy_stats.t.sf(abs(found.effect.value) / found.std_error, found.degrees) * 2
    assert found.pvalue == pytest.approx(few)
    assert found.pvalue >= scipy_stats.ttest_rel(t, c).pvalue


def test_split_is_the_combined_ratio_estimator() -> None:
    rng = np.random.default_rng(3)
    x, z = sizes(20, rng), np.tile([0.0, 1.0], 10)
    y = rng.poisson(x * (1 + z)).astype(float)
    found = split_total(y, x, z)
    on, off = z == 1, z == 0
    assert found.effect.value == pytest.approx(x.sum() * (y[on].sum() / x[on].sum() - y[off].sum() / x[off].sum()))
    assert split_total(2.0 * x, x, z).std_error == 0.0  # an exact forecast leaves no noise


def between(rejected: int, rate: float) -> bool:
    """At most the rate, plus what chance allows once in 10,000 times."""
    return rejected <= scipy_stats.binom.ppf(0.9999, RUNS, rate)


@pytest.mark.parametrize("n", [10, 60])
def test_intervals_cover_in_orders_drawn_by_lot(n: int) -> None:
    """Effects in proportion to size, with a spread of their own; a fifth of them known beforehand."""
    rng, missed = np.random.default_rng(4), 0
    x = sizes(n, rng)
    for _ in range(RUNS):
        effect = x * rng.normal(0.1, 0.2, n)
        noise = np.sqrt(x) * rng.normal(0.0, 1.0, (2, n))
        forecast = x * rng.lognormal(0.0, 0.3, n)
        found = within_total(x + effect + noise[0], x + noise[1], forecast)
        missed += not found.effect.ci_lower <= 0.1 * x.sum() <= found.effect.ci_upper
    assert between(missed, 0.05)


def test_intervals_cover_between_units() -> None:
    rng, missed, n = np.random.default_rng(5), 0, 40
    for _ in range(RUNS):
        x = sizes(n, rng)
        z = np.zeros(n)
        pairs = np.argsort(x).reshape(-1, 2)
        z[pairs[np.arange(n // 2), rng.integers(2, size=n // 2)]] = 1.0
        y = x * rng.lognormal(-0.08, 0.4, n) * (1 + 0.2 * z)
        found = split_total(y, x, z)
        missed += not found.effect.ci_lower <= 0.2 * x.sum() <= found.effect.ci_upper
    assert between(missed, 0.05)


def test_what_is_sold_out_in_both_arms_leaves_nothing_to_chance() -> None:
    sold = np.array([10.0, 20.0, 30.0])
    found = within_total(1.25 * sold, sold, sold)
    assert (found.effect.ci_lower, found.effect.ci_upper, found.pvalue) == (15.0, 15.0, 0.0)
    assert within_total(sold, sold, sold).pvalue == 1.0


def test_few_units_that_vary_leave_few_degrees_of_freedom() -> None:
    size, difference = np.full(50, 10.0), np.zeros(50)
    difference[0] = 3.0
    assert within_total(size + difference, size, size).degrees < 1.2


def test_refusals() -> None:
    one = np.ones(4)
    with pytest.raises(InsufficientDataError, match="at least 3"):
        within_total(one[:2], one[:2], one[:2])
    with pytest.raises(InsufficientDataError, match="An arm holds 1"):
        split_total(one, one, np.array([0.0, 0.0, 0.0, 1.0]))
    with pytest.raises(InputError, match="size of 0 or less"):
        within_total(one, one, np.array([1.0, 1.0, 1.0, 0.0]))
    with pytest.raises(InputError, match="missing or infinite"):
        within_total(one, np.array([1.0, 1.0, 1.0, np.nan]), one)
    with pytest.raises(InputError, match="Lengths differ"):
        within_total(one, one, one[:3])
