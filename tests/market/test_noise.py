from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson

from flashlift.market.noise import poisson_quantile


def test_is_the_quantile_of_the_poisson_up_to_its_border() -> None:
    mean, uniform = (a.ravel() for a in np.meshgrid([0.0, 0.01, 0.7, 3.0, 9.5, 16.0], np.linspace(0.001, 0.999, 400)))
    np.testing.assert_array_equal(poisson_quantile(uniform, mean), poisson.ppf(uniform, mean).clip(0))


def test_moments_beyond_the_border() -> None:
    uniform = (np.arange(200_000) + 0.5) / 200_000
    for mean in (17.0, 40.0, 300.0):
        count = poisson_quantile(uniform, np.full(len(uniform), mean))
        # The approximation promises the mean; the discretization costs it less than a fiftieth of a unit.
        assert abs(count.mean() - mean) < 0.02
        # Just beyond the border the added part is rounded to one and the same number: a variance of 16 at 17.
        assert abs(count.var() / mean - 1.0) < 0.07


@given(st.floats(0, 0.999999), st.floats(0, 60), st.floats(0, 60))
def test_a_larger_mean_never_gives_a_smaller_count(uniform: float, one: float, other: float) -> None:
    low, high = poisson_quantile(np.full(2, uniform), np.array(sorted([one, other])))
    assert low <= high
