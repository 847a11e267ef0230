from datetime import timedelta

import numpy as np
import polars as pl
from tests.behavior.language.shops import SPLIT, shop
from tests.behavior.log import START, log

from flashlift.behavior.language.texts import item_texts
from flashlift.behavior.language.visits import Visits

TEXTS = pl.DataFrame({"item_id": ["a", "b", "c"], "text": ["mug", "lamp", ""]})


def build(events, texts=TEXTS, end=START + timedelta(days=100)):
    return Visits.build(events.lazy(), texts, end=end, prices_until=end, rng=np.random.default_rng(0))


def test_a_visit_is_told_in_order_with_its_price_cuts():
    events = log(
        {
            "customer_id": ["x"] * 5 + ["y"],
            "item_id": ["a", "a", "b", "c", "b", "b"],
            "event": ["view", "purchase", "view", "view", "purchase", "view"],
            "hours": [1, 2, 3, 3, 50, 4],
            "price": [10.0, 10.0, 5.0, 1.0, 4.0, 5.0],
        }
    )
    frame = build(events).frame
    assert frame["sentence"].to_list() == [
        "view mug; purchase mug; view lamp",
        "view lamp",
        "purchase lamp [price cut 20 %]",
    ]
    assert frame["before"].to_list() == [None, None, "view mug; purchase mug; view lamp"]


def test_nothing_after_the_end_is_read():
    tables = shop()
    texts = tables.items.select("item_id").with_columns(text=pl.Series(item_texts(tables.items)))
    events = tables.events.collect()
    early = events.filter(pl.col("at") < SPLIT.train_end)
    assert early.height < events.height
    assert build(events, texts, SPLIT.train_end).frame.equals(build(early, texts, SPLIT.train_end).frame)


def test_strangers_are_other_customers_at_about_the_same_time():
    tables = shop()
    texts = tables.items.select("item_id").with_columns(text=pl.Series(item_texts(tables.items)))
    visits = build(tables.events.collect(), texts)
    rows = np.arange(visits.frame.height)
    found = visits.strangers(rows, rng=np.random.default_rng(0))
    owner = visits.frame["customer_id"].to_numpy()
    assert (found >= 0).mean() > 0.99
    assert (owner[found[found >= 0]] != owner[rows[found >= 0]]).all()
    assert np.abs(found - rows)[found >= 0].max() <= 50


def test_of_a_large_log_whole_customers_are_told(monkeypatch):
    tables = shop()
    texts = tables.items.select("item_id").with_columns(text=pl.Series(item_texts(tables.items)))
    events = tables.events.collect()
    whole = build(events, texts).frame
    monkeypatch.setattr("flashlift.behavior.language.visits.MAX_EVENTS", events.height // 2)
    part = build(events, texts).frame
    assert 0 < part.height < whole.height
    kept = whole.filter(pl.col("customer_id").is_in(part["customer_id"].unique().implode()))
    assert part.sort("customer_id", "start").equals(kept.sort("customer_id", "start"))


def test_an_anonymous_log_tells_nothing():
    events = log({"customer_id": [None, None], "item_id": ["a", "b"], "hours": [1, 2]})
    assert build(events.with_columns(pl.col("customer_id").cast(pl.String))).frame.is_empty()


def test_a_customer_alone_has_no_strangers():
    events = log({"customer_id": ["x"] * 4, "item_id": ["a"] * 4, "hours": [1, 30, 60, 90]})
    assert (build(events).strangers(np.arange(4), rng=np.random.default_rng(0)) == -1).all()
