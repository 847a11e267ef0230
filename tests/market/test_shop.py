from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from flashlift.errors import OutputError
from flashlift.market import MarketConfig, SimulatedShop, simulate
from flashlift.schema import Customers, Events, ItemHistory, Items, Promotions, SaleItems

SMALL = MarketConfig.sized(4_000)


@pytest.fixture(scope="module")
def events(shop: SimulatedShop) -> pl.DataFrame:
    return shop.tables.events.collect()


def test_same_seed_same_tables_and_another_seed_others() -> None:
    one, again, other = (simulate(SMALL, seed=s).tables for s in (5, 5, 6))
    assert_frame_equal(one.events.collect(), again.events.collect())
    for name in ("items", "history", "promotions", "customers"):
        assert_frame_equal(getattr(one, name), getattr(again, name))
    assert not one.items.equals(other.items)


def test_a_mechanism_has_its_own_random_numbers() -> None:
    plain, changed = (simulate(MarketConfig.sized(4_000, randomized_frac=f), seed=5) for f in (0.0, 0.5))
    np.testing.assert_array_equal(plain.past.state, changed.past.state)
    np.testing.assert_array_equal(plain.law.lift, changed.law.lift)
    assert_frame_equal(plain.items.frame, changed.items.frame)
    assert_frame_equal(plain.customers.frame, changed.customers.frame)
    assert not np.array_equal(plain.past.discount, changed.past.discount)


def test_tables_keep_their_schemas(shop: SimulatedShop, events: pl.DataFrame) -> None:
    Events.validate(events)
    Items.validate(shop.tables.items)
    SaleItems.validate(shop.sale_items)
    for schema, frame in (
        (ItemHistory, shop.tables.history),
        (Promotions, shop.tables.promotions),
        (Customers, shop.tables.customers),
    ):
        assert frame is not None
        schema.validate(frame)
    assert not shop.sale_items["cost_assumed"].any()
    assert not shop.sale_items["stock_assumed"].any()


def test_the_log_has_the_size_and_span_asked_for(shop: SimulatedShop, events: pl.DataFrame) -> None:
    assert abs(len(events) / shop.config.n_events - 1) < 0.15
    assert events["at"].is_sorted()
    first, last = events.select(pl.col("at").min(), last=pl.col("at").max()).row(0)
    assert shop.config.start <= first < shop.config.start + timedelta(days=1)
    assert shop.now - timedelta(days=1) < last < shop.now


def test_purchases_are_the_units_that_left_the_shelf(shop: SimulatedShop, events: pl.DataFrame) -> None:
    bought = (
        events.filter(pl.col("event") == "purchase")
        .group_by("item_id", day=(pl.col("at") - shop.config.start).dt.total_days())
        .agg(pl.col("quantity").sum(), pl.col("price").n_unique().alias("prices"))
    )
    sold = np.zeros_like(shop.past.sold)
    item = bought["item_id"].str.slice(1).cast(pl.Int64).to_numpy()
    sold[bought["day"].to_numpy(), item] = bought["quantity"].to_numpy()
    np.testing.assert_array_equal(sold, shop.past.sold)
    assert (bought["prices"] == 1).all()


def test_nothing_is_bought_off_an_empty_shelf_and_prices_are_those_of_the_history(
    shop: SimulatedShop, events: pl.DataFrame
) -> None:
    history = shop.tables.history
    assert history is not None
    told = events.filter(pl.col("event") == "purchase").join_asof(
        history.sort("at").rename({"price": "shelf_price"}), on="at", by="item_id", check_sortedness=False
    )
    assert told["on_hand"].min() > 0  # type: ignore[operator]
    assert (told["price"] == told["shelf_price"]).all()


def test_the_funnel_narrows(events: pl.DataFrame) -> None:
    count = dict(events.group_by("event").len().iter_rows())
    assert count["view"] > 5 * count["cart"]
    assert count["cart"] > count["purchase"] > count["favorite"] > 0
    assert 0 < count["uncart"] < 0.3 * count["cart"]
    assert 0.01 < count["refund"] / count["purchase"] < 0.05
    seen = events.filter(pl.col("event") == "view").select("session_id", "item_id").unique()
    bought = events.filter(pl.col("event") == "purchase")
    assert len(bought.join(seen, on=["session_id", "item_id"], how="anti")) == 0, "bought without a look"
    assert bought["order_id"].null_count() == 0
    assert bought["quantity"].max() == 2
    visits = events.filter(pl.col("session_id").is_not_null()).group_by("session_id")
    assert visits.agg(pl.col("customer_id").n_unique())["customer_id"].max() == 1


def test_refunds_follow_their_purchase(events: pl.DataFrame) -> None:
    key = ["order_id", "item_id", "customer_id", "quantity", "price"]
    refund = events.filter(pl.col("event") == "refund")
    paid = events.filter(pl.col("event") == "purchase").select(*key, paid_at="at")
    pairs = refund.join(paid, on=key, how="left")
    assert pairs["paid_at"].null_count() == 0
    assert (pairs["at"] > pairs["paid_at"]).all()


def test_customers_have_tastes_a_rhythm_and_a_weakness_for_deals(shop: SimulatedShop, events: pl.DataFrame) -> None:
    known = events.join(shop.tables.items.select("item_id", "category", "list_price"), on="item_id")
    views = known.filter(pl.col("event") == "view")
    share = (
        views.group_by("customer_id", "category")
        .len()
        .with_columns(p=pl.col("len") / pl.col("len").sum().over("customer_id"))
    )
    overall = views.group_by("category").agg(usual=pl.len() / len(views))
    often = share.filter(pl.col("len").sum().over("customer_id") >= 20).join(overall, on="category")
    favorite = often.sort("p").group_by("customer_id").last()
    assert (favorite["p"] / favorite["usual"]).median() > 3  # type: ignore[operator]
    hour = views.group_by(pl.col("at").dt.hour()).len().sort("at")["len"].to_numpy()
    assert hour[20:23].mean() > 4 * hour[3:5].mean()
    customers = shop.tables.customers
    assert customers is not None
    bought = known.filter(pl.col("event") == "purchase").join(customers, on="customer_id")
    deal = bought.group_by("segment").agg((pl.col("price") < pl.col("list_price")).mean())
    by_segment = dict(deal.iter_rows())
    assert by_segment["bargain"] > 1.5 * by_segment["loyal"]


def test_written_files_are_the_tables(shop: SimulatedShop, tmp_path: Path) -> None:
    small = simulate(SMALL, seed=5)
    small.write(tmp_path / "shop")
    tables = small.tables
    assert_frame_equal(
        Events.validate(pl.read_parquet(tmp_path / "shop" / "events.parquet"), cast=True), tables.events.collect()
    )
    assert_frame_equal(pl.read_parquet(tmp_path / "shop" / "items.parquet"), tables.items)
    for name in ("history", "promotions", "customers"):
        assert_frame_equal(pl.read_parquet(tmp_path / "shop" / f"{name}.parquet"), getattr(tables, name))


def test_an_unwritable_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="file"):
        simulate(SMALL, seed=5).write(tmp_path / "file")


def test_making_events_tells_its_progress() -> None:
    told: list[tuple[float, float]] = []
    shop = simulate(SMALL, seed=5, progress=lambda task, done, total, note="": told.append((done, total)))
    assert shop.tables
    assert told[-1] == (SMALL.days, SMALL.days)
