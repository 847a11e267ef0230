from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from tests.market.people import events_of, purchases, weeks

from flashlift.market import MarketConfig
from flashlift.market.population import CustomerBase, make_customers
from flashlift.market.rhythm import STORE_HOURS
from flashlift.market.words import REGIONS
from flashlift.schema import Stores

FRAC = 0.3


@pytest.fixture(scope="module")
def customers() -> CustomerBase:
    return make_customers(MarketConfig(n_customers=500, store_frac=FRAC), rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def events(customers: CustomerBase) -> pl.DataFrame:
    return events_of(customers, weeks(4, mean_units=4.0), seed=2, refund_frac=0.1)


def test_every_region_has_stores(customers: CustomerBase) -> None:
    assert customers.chain is not None
    stores = Stores.validate(customers.chain.frame)
    assert len(stores) == 3 * len(REGIONS)
    used = set(zip(customers.region.tolist(), customers.chain.home.tolist(), strict=True))
    assert len(used) == len(stores), "a store has customers of one region, and each store has some"


def test_the_share_bought_in_stores_is_the_share_asked_for(events: pl.DataFrame, customers: CustomerBase) -> None:
    bought = purchases(events, customers)
    n = bought["quantity"].sum()
    there = bought.filter(pl.col("store_id").is_not_null())["quantity"].sum()
    assert abs(there - n * FRAC) < 4 * (n * FRAC * (1 - FRAC)) ** 0.5


def test_in_a_store_people_only_buy_and_bring_back_in_opening_hours(events: pl.DataFrame) -> None:
    there = events.filter(pl.col("store_id").is_not_null())
    assert set(there["event"]) == {"purchase", "refund"}
    assert ((events["channel"] == "store") == events["store_id"].is_not_null()).all()
    assert there["session_id"].null_count() == len(there)
    hour = there["at"].dt.hour()
    assert (hour >= STORE_HOURS[0]).all()
    assert (hour < STORE_HOURS[1]).all()
    assert there["order_id"].null_count() == 0


def test_customers_go_to_one_store_of_their_region(events: pl.DataFrame) -> None:
    there = events.filter(pl.col("store_id").is_not_null())
    assert (there.group_by("customer_id").agg(pl.col("store_id").n_unique())["store_id"] == 1).all()
    nth = there["store_id"].str.slice(1).cast(pl.Int64) // 3
    assert (pl.Series(REGIONS).gather(nth) == there["region"]).all()


def test_what_is_brought_back_was_bought_in_that_store_before(events: pl.DataFrame) -> None:
    key = ["order_id", "item_id", "customer_id", "quantity", "price", "store_id", "channel"]
    there = events.filter(pl.col("store_id").is_not_null())
    refund = there.filter(pl.col("event") == "refund")
    pairs = refund.join(there.filter(pl.col("event") == "purchase").select(*key, paid_at="at"), on=key, how="left")
    assert len(refund) > 50
    assert pairs["paid_at"].null_count() == 0
    assert (pairs["at"] > pairs["paid_at"]).all()
