from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from flashlift.errors import InsufficientDataError, SettingsError
from flashlift.events import ItemAssumptions, Source, open_store, sale_items
from flashlift.schema import SaleItems, Tables

AT = datetime(2019, 6, 1, tzinfo=UTC)


def days_ago(*days):
    return [(AT - timedelta(days=d)).replace(tzinfo=None) for d in days]


@pytest.fixture
def tables(tmp_path, log, read):
    def call(rows, **fields) -> Tables:
        read(log(rows, **fields))
        return open_store(tmp_path / "store")

    return call


def item(frame, item_id="x"):
    return frame.filter(pl.col("item_id") == item_id).row(0, named=True)


def test_the_list_price_is_the_most_frequent_of_the_recent_lines(tables):
    rows = {"at": days_ago(1, 2, 3, 4, 5, 40, 41, 42), "price": [8.0, 10.0, 10.0, 8.0, 7.0, 12.0, 12.0, 12.0]}
    found = sale_items(tables(rows), at=AT)
    SaleItems.validate(found)
    assert item(found)["list_price"] == 10.0  # of 8 and 10, twice each, the higher; 12 is too old


def test_older_sales_speak_where_recent_ones_are_missing(tables):
    rows = {"item_id": ["x", "y", "z"], "at": days_ago(89, 91, 1), "price": [5.0, 5.0, 5.0]}
    assert sale_items(tables(rows), at=AT)["item_id"].to_list() == ["x", "z"]


def test_assumptions_are_marked_and_computed(tables):
    rows = {"at": days_ago(1, 10, 20, 60), "price": [10.0] * 4, "quantity": [3, 4, 5, 100]}
    found = item(
        sale_items(tables(rows), at=AT, assumptions=ItemAssumptions(assumed_cost_frac=0.7, assumed_cover_days=14))
    )
    assert found["unit_cost"] == pytest.approx(7.0, rel=1e-12)
    assert found["stock"] == 3  # 14 x 12 / 56 units a day
    assert (found["cost_assumed"], found["stock_assumed"], found["category"]) == (True, True, "other")


def test_a_short_log_does_not_dilute_the_rate(tables):
    found = item(
        sale_items(
            tables({"at": days_ago(7, 1), "price": [1.0, 1.0], "quantity": [10, 4]}),
            at=AT,
            assumptions=ItemAssumptions(assumed_cover_days=7),
        )
    )
    assert found["stock"] == 14


def test_an_item_sold_long_ago_still_has_one_unit(tables):
    rows = {"item_id": ["x", "y"], "at": days_ago(80, 100), "price": [1.0, 1.0]}
    assert item(sale_items(tables(rows), at=AT))["stock"] == 1


def test_given_figures_are_believed_as_of_the_time(tables):
    rows = {
        "at": days_ago(30, 20, 10, -1),
        "price": [9.0] * 4,
        "list_price": [11.0, 12.0, 13.0, 99.0],
        "unit_cost": [5.0, 7.0, 6.0, 99.0],
        "stock": [50, 40, 30, 99],
    }
    found = item(sale_items(tables(rows), at=AT))
    assert (found["list_price"], found["unit_cost"], found["stock"]) == (13.0, 6.0, 30)
    assert (found["cost_assumed"], found["stock_assumed"]) == (False, False)


def test_a_history_row_that_begins_at_the_time_is_in_force(tmp_path, log, read):
    rows = {"item_id": ["x"] * 3, "at": days_ago(1, 0, -1), "on_hand": [5, 3, 9]}
    pl.DataFrame(rows).write_parquet(tmp_path / "h.parquet")
    read(log({"at": days_ago(3), "price": [10.0]}), Source(format="parquet", path=tmp_path / "h.parquet"))
    assert item(sale_items(open_store(tmp_path / "store"), at=AT))["stock"] == 3


def test_a_short_sale_does_not_pass_for_the_list_price(tables):
    rows = {"at": days_ago(9, 8, 7, 1), "price": [10.0, 10.0, 10.0, 6.0], "list_price": [10.0, 10.0, 10.0, 6.0]}
    assert item(sale_items(tables(rows), at=AT))["list_price"] == 10.0


def test_an_old_history_names_the_price_last(tables):
    rows = {"at": days_ago(50, 40, 30), "price": [9.0] * 3, "list_price": [11.0, 11.0, 12.0]}
    assert item(sale_items(tables(rows), at=AT))["list_price"] == 12.0


def test_the_cost_is_the_median_of_the_last_five(tables):
    costs = [100.0, 1.0, 2.0, 3.0, 50.0, 4.0]
    rows = {"at": days_ago(*range(6, 0, -1)), "price": [9.0] * 6, "unit_cost": costs}
    assert item(sale_items(tables(rows), at=AT))["unit_cost"] == 3.0


def test_what_is_known_only_later_is_assumed(tables):
    rows = {"at": days_ago(3, -1), "price": [10.0, 10.0], "unit_cost": [None, 1.0], "stock": [None, 1]}
    found = item(sale_items(tables(rows), at=AT))
    assert (found["unit_cost"], found["cost_assumed"], found["stock_assumed"]) == (6.0, True, True)


def test_an_undated_catalog_is_believed(tmp_path, log, read):
    pl.DataFrame(
        {
            "item_id": ["x", "never"],
            "list_price": [20.0, 1.0],
            "unit_cost": [8.0, 1.0],
            "stock": [0, 1],
            "category": ["home", "home"],
        }
    ).write_csv(tmp_path / "c.csv")
    read(log({"at": days_ago(3), "price": [10.0]}), Source(format="csv", path=tmp_path / "c.csv"))
    found = sale_items(open_store(tmp_path / "store"), at=AT)
    assert found["item_id"].to_list() == ["x"]
    assert item(found) | {"title": None, "brand": None} == item(found)
    assert (item(found)["list_price"], item(found)["unit_cost"], item(found)["stock"], item(found)["category"]) == (
        20.0,
        8.0,
        0,
        "home",
    )


def test_nothing_at_or_after_the_time_matters(tmp_path, log, read):
    """Two logs that agree before the time give the same items, whatever happens later."""
    past = {
        "item_id": ["x", "y", "x"],
        "at": days_ago(1, 2, 3),
        "price": [3.0, 4.0, 5.0],
        "unit_cost": [1.0, None, 2.0],
        "quantity": [1, 2, 3],
    }
    future = {
        "item_id": ["x", "z", "y"],
        "at": days_ago(0, -1, -2),
        "price": [9.0, 9.0, 9.0],
        "unit_cost": [8.0, 8.0, 8.0],
        "quantity": [9, 9, 9],
    }
    read(log(past, "past.parquet"), store=tmp_path / "short")
    read(log({k: past[k] + future[k] for k in past}, "all.parquet"), store=tmp_path / "long")
    short, long = (sale_items(open_store(tmp_path / s), at=AT) for s in ("short", "long"))
    assert short.equals(long)


def test_refunds_and_views_are_no_sales(tables):
    rows = {
        "item_id": ["x", "x", "v"],
        "at": days_ago(5, 2, 1),
        "price": [10.0, 10.0, 10.0],
        "event": ["buy", "refund", "view"],
        "customer_id": ["a", "a", "a"],
    }
    assert sale_items(tables(rows), at=AT)["item_id"].to_list() == ["x"]


def test_a_log_without_prices_is_refused(tables):
    with pytest.raises(InsufficientDataError, match="No purchase with a price in the 90 days before 2019-06-01"):
        sale_items(tables({"at": days_ago(1)}), at=AT)


def test_impossible_assumptions_are_refused():
    with pytest.raises(SettingsError, match=r"assumed_cost_frac is 1.5"):
        ItemAssumptions(assumed_cost_frac=1.5)
    with pytest.raises(SettingsError, match="assumed_cover_days is 0"):
        ItemAssumptions(assumed_cover_days=0)
