"""Held-out weeks: better than naive, intervals that hold, also on real data."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from flashlift.demand import Backtest, DemandConfig, backtest
from flashlift.domain import Split
from flashlift.errors import InsufficientDataError
from flashlift.market import SimulatedShop
from flashlift.schema import Tables


def split(end: datetime, days: int = 28) -> Split:
    return Split(train_end=end - timedelta(days=2 * days), valid_end=end - timedelta(days=days), test_end=end)


def value(result: Backtest, model: str, level: str, metric: str) -> float:
    row = result.metrics.filter((pl.col("model") == model) & (pl.col("level") == level) & (pl.col("metric") == metric))
    return float(row["value"].item())


def test_better_than_naive_on_the_simulated_shop(shop: SimulatedShop, quick: DemandConfig) -> None:
    result = backtest(shop.tables, split=split(shop.now), config=quick, rng=np.random.default_rng(0))
    for naive in ("seasonal_naive", "mean_28"):
        assert value(result, "flashlift", "item_week", "wape") < value(result, naive, "item_week", "wape")
    # 28 days of one shop share its level, and counts are coarse: bounds wider than binomial ones of independent cells.
    assert 0.80 <= value(result, "flashlift", "item_week", "coverage_90") <= 0.99
    assert value(result, "flashlift", "shop_day", "coverage_90") >= 0.6
    assert result.daily.columns == ["date", "actual", "mean", "ci_lower", "ci_upper"]
    assert len(result.daily) == 28


def test_held_out_weeks_of_online_retail(online_retail: Tables, quick: DemandConfig) -> None:
    result = backtest(
        online_retail, split=split(datetime(2011, 12, 10, tzinfo=UTC)), config=quick, rng=np.random.default_rng(0)
    )
    assert value(result, "flashlift", "shop_day", "wape") < value(result, "mean_28", "shop_day", "wape")
    assert value(result, "flashlift", "item_week", "wape") < value(result, "seasonal_naive", "item_week", "wape")
    assert 0.80 <= value(result, "flashlift", "item_week", "coverage_90") <= 0.98
    closed = result.daily.filter(pl.col("date").dt.weekday() == 6)
    assert (closed["actual"] == 0).all()
    assert (closed["mean"] == 0).all()


def test_a_test_period_must_hold_a_week(shop: SimulatedShop, quick: DemandConfig) -> None:
    with pytest.raises(InsufficientDataError, match="at least 7"):
        backtest(shop.tables, split=split(shop.now, days=3), config=quick, rng=np.random.default_rng(0))
