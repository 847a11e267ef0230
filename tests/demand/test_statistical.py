"""The classical forecasts beside ours: on which levels, how near, and what is said where they are missing."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from flashlift.demand import has_statsforecast, missing_peer
from flashlift.demand.statistical import statistical_forecasts

LEVELS = {
    "IMAPA (statsforecast)": "item_week",
    "SES (statsforecast)": "category_week",
    "MSTL (statsforecast)": "shop_day",
}


def test_missing_rows_are_named_with_what_adds_them() -> None:
    told = missing_peer(pl.DataFrame({"model": ["flashlift", "mean_28"]}))
    assert told is not None
    assert "pip install 'flashlift[bench]'" in told
    assert missing_peer(pl.DataFrame({"model": ["flashlift", *LEVELS]})) is None


def test_without_the_package_there_are_no_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flashlift.demand.statistical.find_spec", lambda name: None)
    assert not has_statsforecast()
    assert statistical_forecasts(np.ones((2, 60)), np.zeros(2, dtype=np.int64), 1, 14) == {}


@pytest.mark.skipif(not has_statsforecast(), reason="statsforecast comes with the extra `bench`")
def test_steady_sales_are_forecast_as_they_are() -> None:
    rng = np.random.default_rng(0)
    week = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0])
    past = rng.poisson(np.tile(week, 20)[None, 3:], (30, 137)).astype(np.float64)  # 137 days: no whole weeks
    past[0] = 0.0
    category = np.arange(30) % 3
    told = statistical_forecasts(past, category, 3, 16)
    assert {name: next(iter(forecast.mean)) for name, forecast in told.items()} == LEVELS
    items, groups, shop = (told[name].mean[level] for name, level in LEVELS.items())
    assert (items.shape, groups.shape, shop.shape) == ((30, 2), (3, 2), (16,))
    np.testing.assert_allclose(items[0], 0.0)
    assert items[1:].mean() == pytest.approx(21.0, rel=0.1)
    assert groups.sum(0) == pytest.approx(29 * 21.0, rel=0.1)
    np.testing.assert_allclose(shop, 29 * np.tile(week, 3)[:16], rtol=0.35, atol=15)
