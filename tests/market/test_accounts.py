from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.market.people import events_of, purchases, weeks

from flashlift.market import MarketConfig
from flashlift.market.accounts import make_accounts, take_lots
from flashlift.market.population import CustomerBase, make_customers
from flashlift.market.rhythm import OFFICE_HOURS
from flashlift.schema import Customers

FRAC = 0.1


@pytest.fixture(scope="module")
def customers() -> CustomerBase:
    return make_customers(MarketConfig(n_customers=500, account_frac=FRAC), rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def bought(customers: CustomerBase) -> pl.DataFrame:
    return purchases(events_of(customers, weeks(4, mean_units=6.0), seed=2), customers)


@given(
    sold=st.lists(st.integers(0, 40), min_size=1, max_size=30),
    units=st.integers(0, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_lots_are_taken_from_what_is_sold(sold: list[int], units: int, seed: int) -> None:
    item, quantity = take_lots(np.array(sold), units, rng=np.random.default_rng(seed))
    assert len(set(item.tolist())) == len(item)
    assert (quantity >= 2).all()
    assert (quantity <= np.array(sold)[item]).all()
    assert quantity.sum() <= units


@given(n=st.integers(2, 200), frac=st.floats(0.0, 0.99), seed=st.integers(0, 2**32 - 1))
def test_an_account_has_several_people_and_the_share_is_met(n: int, frac: float, seed: int) -> None:
    accounts = make_accounts(frac, np.ones(n), rng=np.random.default_rng(seed))
    if accounts is None:
        assert int(frac * n) < 2
        return
    assert len(set(accounts.buyer.tolist())) == int(frac * n)
    people = np.bincount(accounts.account)
    assert people.min() >= 2
    assert people.max() <= 7
    np.testing.assert_array_equal(accounts.account[accounts.founder], accounts.account)


def test_customers_show_their_account(customers: CustomerBase) -> None:
    frame = Customers.validate(customers.frame)
    business = frame["account_id"].is_not_null()
    assert business.sum() == FRAC * len(frame)
    assert ((frame["segment"] == "business") == business).all()
    regions = frame.filter(business).group_by("account_id").agg(pl.col("region").n_unique())
    assert (regions["region"] == 1).all()


def test_private_customers_are_those_of_a_shop_without_accounts(customers: CustomerBase) -> None:
    plain = make_customers(MarketConfig(n_customers=500), rng=np.random.default_rng(1)).frame
    private = customers.frame["account_id"].is_null()
    assert customers.frame.filter(private).equals(plain.filter(private))


def test_businesses_order_on_weekdays_in_office_hours(bought: pl.DataFrame) -> None:
    orders = bought.filter(pl.col("segment") == "business")
    assert len(orders) > 200
    assert (orders["at"].dt.weekday() <= 5).all()
    hour = orders["at"].dt.hour()
    assert (hour >= OFFICE_HOURS[0]).all()
    assert (hour < OFFICE_HOURS[1]).all()


def test_businesses_buy_their_share_of_the_units_of_weekdays(customers: CustomerBase, bought: pl.DataFrame) -> None:
    assert customers.accounts is not None
    weekday = bought.filter(pl.col("at").dt.weekday() <= 5)
    n, share = weekday["quantity"].sum(), customers.accounts.unit_frac
    units = weekday.filter(pl.col("segment") == "business")["quantity"].sum()
    days = weekday["at"].dt.date().n_unique()
    # Four standard deviations, and at most one unit a day that fills no lot.
    assert -days < units - n * share + 4 * (n * share * (1 - share)) ** 0.5
    assert units - n * share < 4 * (n * share * (1 - share)) ** 0.5


def test_orders_of_businesses_are_large_and_little_looked_at(customers: CustomerBase) -> None:
    events = events_of(customers, weeks(4, mean_units=6.0), seed=2)
    bought = purchases(events, customers).with_columns(business=pl.col("segment") == "business")
    per_order = bought.group_by("business", "order_id").agg(lines=pl.len(), units=pl.col("quantity").sum())
    averages = per_order.group_by("business").agg(pl.col("lines", "units").mean())
    mean = {business: (lines, units) for business, lines, units in averages.iter_rows()}
    assert bought.filter("business")["quantity"].mean() > 3  # type: ignore[operator]
    assert bought.filter("business")["quantity"].min() == 2
    assert mean[True][0] > 2
    assert mean[True][1] > 4 * mean[False][1]
    views = events.filter(pl.col("event") == "view").join(
        bought.select("session_id", "business").unique(), on="session_id"
    )
    looked = dict(views.group_by("business").len().iter_rows())
    assert looked[True] / per_order["business"].sum() == pytest.approx(mean[True][0])  # one view per line
    assert looked[False] / (~per_order["business"]).sum() > 3 * mean[False][0]
    assert events["at"].max() - events["at"].min() > timedelta(days=27)
