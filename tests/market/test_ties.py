from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.market.people import events_of, purchases, weeks

from flashlift.market import MarketConfig
from flashlift.market.population import CustomerBase, make_customers
from flashlift.market.ties import Friends
from flashlift.schema import Ties

MEAN = 8.0
HOUR_US = 3_600_000_000


@pytest.fixture(scope="module")
def customers() -> CustomerBase:
    return make_customers(MarketConfig(n_customers=400, ties_mean=MEAN), rng=np.random.default_rng(1))


@pytest.fixture(scope="module")
def friends(customers: CustomerBase) -> Friends:
    assert customers.friends is not None
    return customers.friends


@pytest.fixture(scope="module")
def bought(customers: CustomerBase) -> pl.DataFrame:
    return purchases(events_of(customers, weeks(6, mean_units=1.5), seed=2), customers)


@settings(deadline=None, max_examples=30)
@given(n=st.integers(20, 300), mean=st.floats(0.1, 2.0), seed=st.integers(0, 2**32 - 1))
def test_ties_are_mutual_and_as_many_as_asked_for(n: int, mean: float, seed: int) -> None:
    customers = make_customers(MarketConfig(n_customers=n, ties_mean=mean), rng=np.random.default_rng(seed))
    assert customers.friends is not None
    ties = Ties.validate(customers.friends.frame)
    pairs = set(ties.rows())
    assert len(pairs) == len(ties) == 2 * round(n * mean / 2)
    assert {(friend, customer) for customer, friend in pairs} == pairs
    assert all(customer != friend for customer, friend in pairs)
    assert customers.friends.first[-1] == len(ties)


def test_friends_are_alike_clustered_and_some_have_many() -> None:
    n = 2_000
    customers = make_customers(MarketConfig(n_customers=n, ties_mean=MEAN), rng=np.random.default_rng(1))
    friends = customers.friends
    assert friends is not None
    degree = np.diff(friends.first)
    one, other = np.repeat(np.arange(n), degree), friends.friend
    assert (customers.region[one] == customers.region[other]).mean() > 0.8
    alike = (customers.taste[one] * customers.taste[other]).sum(axis=1).mean()
    assert alike > 2 * (customers.taste @ customers.taste.T).mean()
    known = np.zeros((n, n))
    known[one, other] = 1.0
    closed = (known @ known * known).sum() / (degree * (degree - 1)).sum()
    assert closed > 30 * MEAN / n  # in a random graph of that density: MEAN / n
    assert degree.max() > 5 * MEAN
    assert degree.var() > 2 * MEAN  # of Poisson degrees: MEAN


def near_in_time(bought: pl.DataFrame, known: np.ndarray, rng: np.random.Generator | None) -> int:
    """Pairs of purchases of one item by friends less than two days apart; `rng` shuffles the buyers of each item."""
    total = 0
    for (_,), of_item in bought.group_by("item_id", maintain_order=True):
        who = of_item["customer_id"].str.slice(1).cast(pl.Int64).to_numpy()
        who = who if rng is None else rng.permutation(who)
        at = of_item["at"].to_physical().to_numpy()
        near = np.abs(at[:, None] - at[None]) < 48 * HOUR_US
        total += int((known[np.ix_(who, who)] & near).sum()) // 2
    return total


def test_friends_buy_the_same_item_close_in_time(
    customers: CustomerBase, friends: Friends, bought: pl.DataFrame
) -> None:
    n = len(customers.region)
    known = np.zeros((n, n), dtype=bool)
    known[np.repeat(np.arange(n), np.diff(friends.first)), friends.friend] = True
    plain = make_customers(MarketConfig(n_customers=n), rng=np.random.default_rng(1))
    unmoved = purchases(events_of(plain, weeks(6, mean_units=1.5), seed=2), plain)
    rng = np.random.default_rng(3)
    chance = np.array([near_in_time(bought, known, rng) for _ in range(99)])
    assert near_in_time(bought, known, None) > max(chance.max(), 1.5 * chance.mean())
    # The same people in the same shop without word of mouth: an ordinary draw of the permutation.
    still = np.array([near_in_time(unmoved, known, rng) for _ in range(99)])
    assert still.min() <= near_in_time(unmoved, known, None) <= still.max()


def test_word_of_mouth_comes_after_a_purchase_and_through_social_channels(
    friends: Friends, bought: pl.DataFrame
) -> None:
    later = bought.select("customer_id", "item_id", "at", "channel").with_row_index()
    first = bought.select(friend_id="customer_id", item_id="item_id", before="at")
    heard = later.join(friends.frame, on="customer_id").join(first, on=["friend_id", "item_id"])
    recent = (pl.col("at") > pl.col("before")) & (pl.col("at") - pl.col("before") < pl.duration(days=4))
    moved = later.with_columns(moved=pl.col("index").is_in(heard.filter(recent)["index"].unique().implode()))
    share = dict(moved.group_by("channel").agg(pl.col("moved").mean()).iter_rows())
    assert share["social"] > 0.5
    assert share["social"] > 5 * max(share["app"], share["web"])
    count = dict(moved.group_by("channel").len().iter_rows())
    assert count["social"] > 0.15 * len(moved)  # 0.08 of usual channels and 0.05 of strays without ties
