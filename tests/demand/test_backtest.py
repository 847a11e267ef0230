"""Held-out weeks: better than naive, intervals that hold, also on real data."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.demand.conftest import steady_shop

from flashlift.demand import Backtest, DemandConfig, FittedDemand, backtest, by_metric, by_origin, fit
from flashlift.demand.origin import at_origin
from flashlift.domain import Split
from flashlift.errors import InputError, InsufficientDataError
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
    assert value(result, "flashlift", "category_week", "wape") < value(
        result, "seasonal_naive", "category_week", "wape"
    )
    assert result.daily.columns == ["date", "actual", "mean", "ci_lower", "ci_upper"]
    assert len(result.daily) == 28
    # The origin rolls on by weeks, each forecasting to the end, and the metrics are the means over the origins.
    assert result.origins["days"].unique().sort().to_list() == [7, 14, 21, 28]
    one = result.origins.filter(model="flashlift", level="item_week", metric="wape")
    assert one["origin"].to_list() == [shop.now.date() - timedelta(days=days) for days in (28, 21, 14, 7)]
    assert one["value"].mean() == pytest.approx(value(result, "flashlift", "item_week", "wape"))
    wide = by_metric(result.metrics)
    assert wide["level"].unique(maintain_order=True).to_list() == ["item_week", "category_week", "shop_day"]
    assert by_origin(result.origins).columns[2:] == [f"{day:%b %d}" for day in one["origin"]]


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


def test_a_later_origin_keeps_the_weights_and_reads_nothing_after_it(shop: SimulatedShop, quick: DemandConfig) -> None:
    tables, first, later = shop.tables, shop.now - timedelta(days=28), shop.now - timedelta(days=14)
    model = fit(tables, until=first, config=quick, rng=np.random.default_rng(0))
    assert tables.promotions is not None
    assert tables.history is not None
    past = replace(
        tables,
        events=tables.events.filter(pl.col("at") < later),
        promotions=tables.promotions.filter(pl.col("start") < later),
        history=tables.history.filter(pl.col("at") < later),
    )

    def told(now: FittedDemand) -> np.ndarray:
        return now.forecast(later.date(), 3, n_draws=20, rng=np.random.default_rng(1))["mean"].to_numpy()

    whole, cut = told(at_origin(model, tables, later)), told(at_origin(model, past, later))
    np.testing.assert_array_equal(whole, cut)
    assert not np.array_equal(whole, told(model))  # two more weeks are known
    np.testing.assert_array_equal(at_origin(model, tables, later).state.category, model.category)
    same = at_origin(model, tables, first)
    np.testing.assert_array_equal(same.state.units, model.state.units)
    assert same.origin_day == model.origin_day


def test_origins_are_whole_weeks_and_four_at_most(shop: SimulatedShop, quick: DemandConfig) -> None:
    result = backtest(shop.tables, split=split(shop.now, days=37), config=quick, rng=np.random.default_rng(0))
    assert result.origins["days"].unique().sort(descending=True).to_list() == [37, 23, 9]
    one = backtest(
        shop.tables, split=split(shop.now, days=37), config=quick, rng=np.random.default_rng(0), most_origins=1
    )
    assert one.origins.equals(result.origins.filter(days=37))
    assert one.daily.equals(result.daily)
    with pytest.raises(InputError, match="at most 0 origins"):
        backtest(shop.tables, split=split(shop.now), config=quick, rng=np.random.default_rng(0), most_origins=0)


def test_a_price_that_changed_too_long_ago_is_one_that_did_not_change(quick: DemandConfig) -> None:
    tables, now = steady_shop(10, 60), datetime(2025, 2, 20, tzinfo=UTC)
    model = fit(tables, until=now, config=quick, rng=np.random.default_rng(0))
    assert model.state.price is None
    knew = replace(model, state=replace(model.state, price=np.ones((10, 3))))
    price = at_origin(knew, tables, now + timedelta(days=7)).state.price
    assert price is not None
    np.testing.assert_array_equal(price, np.zeros((10, 3)))
