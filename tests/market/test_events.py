from __future__ import annotations

import hashlib
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal
from tests.market.people import events_of, purchases, sold, weeks

from flashlift.domain import Costs, Offer, Slot
from flashlift.market import MarketConfig, simulate
from flashlift.market.events import Window
from flashlift.market.play import Arm
from flashlift.market.population import CustomerBase, make_customers
from flashlift.schema import Events, Stores, Ties

ALL_ON = {"account_frac": 0.1, "ties_mean": 6.0, "store_frac": 0.25}


def customers_with(**on: float) -> CustomerBase:
    return make_customers(MarketConfig(n_customers=300, **on), rng=np.random.default_rng(7))  # type: ignore[arg-type]


def test_without_accounts_ties_and_stores_the_events_are_those_of_before_they_existed() -> None:
    customers = customers_with(account_frac=0.0, ties_mean=0.0, store_frac=0.0)
    events = events_of(customers, weeks(2, mean_units=2.0)[:10], seed=8)
    digest = hashlib.sha256(events.write_csv().encode()).hexdigest()
    # Computed with the commit before the one that added them.
    assert digest == "523a3c5cbacf66e4b42608b0974a7e7e8119381c2a322d86cf0fe2f6002c4b5c"


@pytest.mark.parametrize("on", [*({name: value} for name, value in ALL_ON.items()), ALL_ON])
def test_units_are_conserved_whoever_buys_them(on: dict[str, float]) -> None:
    customers = customers_with(**on)
    days = weeks(2, mean_units=2.0)
    events = events_of(customers, days, seed=8)
    np.testing.assert_array_equal(sold(events, days), [day.sold for day in days])
    assert_frame_equal(events, events_of(customers, days, seed=8))
    assert not events.equals(events_of(customers, days, seed=9))


def test_units_stay_in_windows_shorter_than_a_day() -> None:
    customers = customers_with(**ALL_ON)
    hours = (0, 8.75, 9.25, 17.9, 19.5, 24)
    pieces: list[Window] = [
        replace(day, start=day.start + timedelta(hours=a), end=day.start + timedelta(hours=b))
        for day in weeks(2, mean_units=1.0)
        for a, b in pairwise(hours)
    ]
    events = events_of(customers, pieces, seed=8)
    np.testing.assert_array_equal(sold(events, pieces), [piece.sold for piece in pieces])
    bought = purchases(events, customers)
    assert bought["store_id"].drop_nulls().len() > 100
    assert bought["account_id"].drop_nulls().len() > 20
    there = bought.filter(pl.col("store_id").is_not_null())["at"].dt.hour()
    assert there.min() >= 9  # type: ignore[operator]
    assert there.max() < 20  # type: ignore[operator]


def test_a_part_of_the_customers_keeps_its_accounts_ties_and_stores() -> None:
    customers = customers_with(**ALL_ON)
    arm = np.random.default_rng(1).integers(2, size=300)
    parts = [customers.take(arm == k) for k in range(2)]
    share = customers.demand_share(np.arange(24), arm, 2)
    np.testing.assert_allclose(share.sum(axis=0), 1.0)
    assert share.min() > 0.1
    for part in parts:
        assert part.accounts is not None
        assert part.friends is not None
        assert part.chain is not None
        ids = part.frame["customer_id"]
        business = part.frame["account_id"].is_not_null().arg_true()
        assert sorted(part.accounts.buyer.tolist()) == business.to_list()
        assert (part.activity[part.accounts.buyer] == 0).all()
        assert part.accounts.weight.sum() == pytest.approx(1.0)
        named = dict(zip(part.frame["account_id"].gather(part.accounts.buyer), part.accounts.account, strict=True))
        assert len(named) == len(set(part.accounts.account.tolist()))
        one = np.repeat(np.arange(len(ids)), np.diff(part.friends.first))
        pairs = list(zip(ids.gather(one), ids.gather(part.friends.friend), strict=True))
        assert pairs == part.friends.frame.rows()
        assert set(pairs) == {pair for pair in customers.friends.frame.rows() if set(pair) <= set(ids)}  # type: ignore[union-attr]
        days = weeks(1, mean_units=2.0)
        np.testing.assert_array_equal(sold(events_of(part, days, seed=8), days), [day.sold for day in days])
    days = weeks(2, mean_units=2.0)
    everybody = customers.take(np.ones(300, dtype=bool))
    assert_frame_equal(events_of(everybody, days, seed=8), events_of(customers, days, seed=8))


def test_a_shop_with_all_of_it_keeps_its_books() -> None:
    shop = simulate(MarketConfig.sized(20_000, **ALL_ON), seed=3)
    tables = shop.tables
    assert tables.ties is not None
    assert tables.stores is not None
    Ties.validate(tables.ties)
    Stores.validate(tables.stores)
    events = Events.validate(tables.events.collect())
    assert abs(len(events) / shop.config.n_events - 1) < 0.2
    bought = events.filter(pl.col("event") == "purchase")
    per_item = dict(bought.group_by("item_id").agg(pl.col("quantity").sum()).iter_rows())
    units = dict(zip(shop.items.frame["item_id"], shop.past.sold.sum(axis=0).tolist(), strict=True))
    assert per_item == {item_id: n for item_id, n in units.items() if n}
    assert set(bought["store_id"].drop_nulls()) <= set(tables.stores["store_id"])
    assert shop.calendar.hour_share.sum(axis=1) == pytest.approx([1.0, 1.0])


def test_the_shop_keeps_the_hours_of_its_calendar() -> None:
    shop = simulate(MarketConfig.sized(100_000, store_frac=0.6, account_frac=0.0), seed=3)
    at = shop.tables.events.filter(pl.col("event") == "purchase").select("at", "quantity").collect()
    weekday = at.filter(pl.col("at").dt.weekday() <= 5)
    share = weekday.group_by(pl.col("at").dt.hour()).agg(pl.col("quantity").sum()).sort("at")["quantity"].to_numpy()
    np.testing.assert_allclose(share / share.sum(), shop.calendar.hour_share[0], atol=0.02)


@pytest.mark.parametrize("in_arms", [False, True])
def test_a_played_plan_sells_its_units_with_all_of_it(in_arms: bool) -> None:
    shop = simulate(MarketConfig.sized(20_000, **ALL_ON), seed=3)
    start = shop.now + timedelta(days=2, hours=9)
    slots = [Slot(slot_id="s0", start=start, end=start + timedelta(hours=10), positions=5)]
    offers = [
        Offer(
            item_id=f"i{row}",
            slot_id="s0",
            discount_frac=0.3,
            price=float(shop.items.price(np.array([0.3]), np.array([row]))[0]),
            quota=100,
            expected_units=0.0,
            expected_value=0.0,
        )
        for row in np.argsort(-shop.items.rate * (shop.past.on_hand[-1] > 20))[:12].tolist()
    ]
    arms = [Arm(name="a", share=0.5, offers=tuple(offers)), Arm(name="b", share=0.5, offers=())]
    outcome = shop.run(arms if in_arms else offers, slots, Costs(), seed=1, n_futures=3)
    deals = outcome.events.filter(pl.col("event") == "purchase").join(
        pl.DataFrame([{"item_id": o.item_id, "price": o.price} for o in offers]), on=["item_id", "price"]
    )
    assert deals["quantity"].sum() == outcome.units["event_units"].sum() > 0
