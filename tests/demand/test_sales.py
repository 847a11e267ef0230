"""Past sales: recorded against the usual price, detected without being fooled by quantity breaks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from flashlift.demand import DemandConfig
from flashlift.demand.profile import DAY_US, HourProfile, by_day
from flashlift.demand.sales import day_prices, detected_sales, recorded_sales

DAY0 = 20_000


def lines(rows: list[tuple[int, int, float, float]]) -> pl.DataFrame:
    """Rows (item, day, price, quantity), at noon."""
    frame = pl.DataFrame(rows, schema=["item", "day", "price", "quantity"], orient="row")
    return frame.with_columns(
        pl.col("day") + DAY0,
        ((pl.col("day") + DAY0) * DAY_US + DAY_US // 2).cast(pl.Datetime("us", "UTC")).alias("at"),
    )


def test_quantity_breaks_are_not_sales() -> None:
    # Large orders are cheap on every day; single units always cost 10.
    rows = [
        (0, day, price, quantity) for day in range(60) for price, quantity in ((10.0, 1.0), (10.0, 2.0), (7.0, 48.0))
    ]
    rows += [(0, day, 7.0, 48.0) for day in range(20, 40) for _ in range(3)]
    prices = day_prices(lines(rows))
    assert (prices["price"] == 10.0).all()
    assert detected_sales(prices, DemandConfig()).is_empty()


def test_a_sale_is_found_and_its_edges_are_not_counted() -> None:
    rows = [(0, day, 8.0 if 30 <= day < 37 else 10.0, 1.0) for day in range(60)]
    found = detected_sales(day_prices(lines(rows)), DemandConfig())
    assert len(found) == 1
    sale = found.row(0, named=True)
    assert sale["depth"] == pytest.approx(0.2)
    first = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=DAY0 + 30)
    assert (sale["from"], sale["to"]) == (first, first + timedelta(days=7))
    assert (sale["start"], sale["end"]) == (first + timedelta(days=1), first + timedelta(days=6))


def test_a_lasting_lower_price_is_the_new_price() -> None:
    rows = [(0, day, 8.0 if day >= 30 else 10.0, 1.0) for day in range(120)]
    assert detected_sales(day_prices(lines(rows)), DemandConfig()).is_empty()


def test_recorded_depth_is_against_the_usual_price_before() -> None:
    # Two sales; the prices paid in the first must not become the usual price of the second.
    low = {*range(20, 24), *range(40, 44)}
    rows = [(0, day, 7.0 if day in low else 10.0, 1.0) for day in range(60)]
    rows += [(1, day, 4.0, 1.0) for day in range(50, 60)]
    start = [datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=DAY0 + d) for d in (20, 40, 30)]
    promotions = pl.DataFrame(
        {
            "item": [0, 0, 1],
            "start": start,
            "end": [s + timedelta(days=4) for s in start],
            "price": [7.0, 7.0, 4.0],
            "position": [1, 2, 3],
            "randomized": [False, True, False],
        }
    ).with_columns(pl.col("start", "end").cast(pl.Datetime("us", "UTC")))
    list_prices = pl.DataFrame({"item": [0, 1], "list_price": [99.0, 5.0]})
    found = recorded_sales(promotions, day_prices(lines(rows)), list_prices, DemandConfig())
    # Item 1 was never sold before its sale: its list price counts.
    np.testing.assert_allclose(found["depth"], [0.3, 0.3, 0.2])
    assert found["randomized"].to_list() == [False, True, False]


def test_windows_are_cut_at_midnight_and_keep_their_share() -> None:
    rng = np.random.default_rng(0)
    rows = lines([(0, int(d), 1.0, 1.0) for d in rng.integers(0, 28, 400)])
    profile = HourProfile.fit(rows)
    np.testing.assert_allclose(profile.cumulative[:, -1], 1.0)
    assert (np.diff(profile.cumulative, axis=1) > 0).all(), "an hour without any share"
    noon = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=DAY0, hours=12)
    windows = pl.DataFrame({"start": [noon], "end": [noon + timedelta(days=2)]}).with_columns(
        pl.all().cast(pl.Datetime("us", "UTC"))
    )
    cut = by_day(windows, profile)
    assert cut["day"].to_list() == [DAY0, DAY0 + 1, DAY0 + 2]
    assert cut["share"][1] == pytest.approx(1.0)
    assert cut["share"][0] + cut["share"][2] == pytest.approx(1.0, abs=0.05)  # the weekdays differ a little


def test_a_weekday_that_never_sells_is_closed() -> None:
    rows = lines([(0, day, 1.0, 1.0) for day in range(84) for _ in range(10) if (DAY0 + day + 3) % 7 != 5])
    profile = HourProfile.fit(rows)
    assert (profile.cumulative[5] == 0).all()
    assert (profile.cumulative[[0, 1, 2, 3, 4, 6], -1] > 0.99).all()


def test_a_log_of_dates_says_nothing_about_hours() -> None:
    rows = lines([(0, day, 1.0, 1.0) for day in range(84) for _ in range(10)])
    midnights = rows.with_columns(pl.col("at").dt.truncate("1d"))
    np.testing.assert_allclose(np.diff(HourProfile.fit(midnights).cumulative, axis=1), 1 / 24)
