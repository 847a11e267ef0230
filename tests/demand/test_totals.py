"""Levels add up: what is said of a category or the shop is the sum of what is said of its items."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.demand.scores import score
from flashlift.demand.totals import QUANTILES, on_levels, sum_draws


@given(
    seed=st.integers(0, 10_000),
    n=st.integers(1, 12),
    days=st.integers(7, 30),
    groups=st.integers(2, 4),
    block=st.integers(1, 5),
)
@settings(max_examples=40, deadline=None)
def test_every_level_is_the_sum_of_the_one_below(seed: int, n: int, days: int, groups: int, block: int) -> None:
    rng = np.random.default_rng(seed)
    draws = rng.poisson(2.0, (n, days, 9)).astype(np.float64)
    category, judged = rng.integers(0, groups, n), rng.random((n, days)) < 0.8
    blocks = (draws[first : first + block] for first in range(0, n, block))
    told = sum_draws(blocks, judged, category, groups)

    shop = (draws * judged[:, :, None]).sum(0)  # each draw of the shop is the sum of that draw of its items
    np.testing.assert_allclose(told.mean["shop_day"], shop.mean(1))
    np.testing.assert_allclose(told.quantiles["shop_day"], np.quantile(shop, QUANTILES, axis=1).T)
    for group in range(groups):
        items = told.mean["item_week"][category == group]
        np.testing.assert_allclose(told.mean["category_week"][group], items.sum(0), atol=1e-12)
    weeks = days // 7
    by_week = told.mean["shop_day"][: weeks * 7].reshape(weeks, 7).sum(1)
    np.testing.assert_allclose(told.mean["category_week"].sum(0), by_week)


@given(seed=st.integers(0, 1000), days=st.integers(7, 20))
@settings(max_examples=20, deadline=None)
def test_a_forecast_that_is_right_has_no_error_on_any_level(seed: int, days: int) -> None:
    rng = np.random.default_rng(seed)
    units = 1.0 + rng.poisson(2.0, (5, days)).astype(np.float64)
    category = np.array([0, 0, 1, 1, 1])
    actual = on_levels(units, category, 2)
    told = sum_draws([np.repeat(units[:, :, None], 3, axis=2)], np.ones((5, days), dtype=bool), category, 2)
    perfect = {"wape": 0.0, "bias": 0.0, "pinball": 0.0, "coverage_80": 1.0, "coverage_90": 1.0}
    for level, metric, value in score(actual, told):
        assert value == pytest.approx(perfect[metric], abs=1e-12), level


def test_one_category_is_no_level() -> None:
    assert set(on_levels(np.ones((3, 7)), np.zeros(3, dtype=np.int64), 1)) == {"item_week", "shop_day"}
