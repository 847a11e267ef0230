"""Regular prices: a lasting change is noticed, a sale and one odd price are not, and units follow."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from tests.demand.conftest import QUICK, make_events, make_items, steady_shop

from flashlift.demand import fit
from flashlift.demand.panel import build_panel
from flashlift.demand.regular_price import price_changes, regular_prices
from flashlift.demand.state import History
from flashlift.schema import Tables

START = datetime(2025, 1, 1, tzinfo=UTC)


def paid(item: list[int], day: list[int], price: list[float]) -> pl.DataFrame:
    return pl.DataFrame({"item": item, "day": day, "price": price}).sort("item", "day")


def test_a_lasting_change_is_carried_on_and_an_odd_price_is_not() -> None:
    days = list(range(10))
    prices = paid([0] * 10 + [1] * 2, [*days, 102, 105], [10, 10, 10, 7, 10, 10, 12, 12, 12, 12, 5, 5])
    prices = prices.with_columns(pl.when(pl.col("day") < 100).then(pl.col("day") + 100).otherwise("day").alias("day"))
    found = price_changes(regular_prices(prices, np.zeros((2, 12), dtype=bool), 100))
    assert found is not None
    up = np.log(1.2)
    # One day at 7 leaves the median of three where it was; 12 is believed on its second day.
    np.testing.assert_allclose(found[0], [0, 0, 0, 0, 0, 0, 0, up, up, up, up, up], atol=1e-6)
    assert not found[1].any()


def test_prices_of_sales_are_left_out() -> None:
    touched = np.zeros((1, 10), dtype=bool)
    touched[0, 4:8] = True
    prices = paid([0] * 10, list(range(10)), [10.0] * 4 + [6.0] * 4 + [10.0] * 2)
    assert price_changes(regular_prices(prices, touched, 0)) is None


def test_a_shop_whose_prices_never_change_has_none() -> None:
    panel = build_panel(steady_shop(5, 60), START + timedelta(days=60), QUICK)
    assert panel.price is None
    assert History(panel).state(np.arange(5), np.full(5, 60)).price is None


@pytest.fixture(scope="module")
def repriced() -> tuple[Tables, np.ndarray, np.ndarray]:
    """Sixty items whose prices change by up to a third at random, for good, every 50 days; elasticity -1.5."""
    rng = np.random.default_rng(1)
    n = 60
    price = np.exp(np.repeat(rng.uniform(-0.3, 0.3, (n, 4)), 50, axis=1))
    rate = 3.0 * price**-1.5
    counts = rng.poisson(rate)
    item, day = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    at = [START + timedelta(days=int(d), hours=12) for d in day]
    events = make_events([f"i{k:03d}" for k in item], at, (10 * price)[item, day].round(2).tolist(), [1] * len(at))
    return Tables(events=events.lazy(), items=make_items(n)), price, rate


def test_units_follow_a_new_price_at_once(repriced: tuple[Tables, np.ndarray, np.ndarray]) -> None:
    tables, price, rate = repriced
    until = START + timedelta(days=154)  # four days after the last change
    model = fit(tables, until=until, config=QUICK, rng=np.random.default_rng(0))
    blocks = model.daily_units(until.date(), 28, n_draws=50, rng=np.random.default_rng(0))
    told = np.concatenate([block.mean((1, 2)) for block in blocks])
    change = np.log(price[:, 160] / price[:, 140])
    slope = np.polyfit(change, np.log(told / rate[:, 140]), 1)[0]
    assert -1.8 < slope < -0.7  # -1.5 is the truth; levels of the old price would say about -0.1
    assert model.baseline.coefficients[-3:].sum() < -0.3


def test_state_tells_the_price_against_its_own_past(repriced: tuple[Tables, np.ndarray, np.ndarray]) -> None:
    panel = build_panel(repriced[0], START + timedelta(days=200), QUICK)
    assert panel.price is not None
    item, origin = np.array([3, 7, 11]), np.array([60, 120, 200])
    told = History(panel).state(item, origin).price
    assert told is not None
    for k, (i, o) in enumerate(zip(item, origin, strict=True)):
        now = panel.price[i, o - 1]
        plain = [now - panel.price[i, max(o - w, 0) : o].mean() for w in (28, 84, 10_000)]
        np.testing.assert_allclose(told[k], plain, atol=1e-4)
