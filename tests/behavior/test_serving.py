from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from tests.behavior.log import SPLIT, hours, log

from flashlift.behavior import Live
from flashlift.behavior.histories import instant
from flashlift.errors import InputError

AT = SPLIT.valid_end
ITEMS = [f"i{k}" for k in range(12)]


@pytest.fixture(scope="module")
def live(model, events):
    return Live.prepare(model, events, AT)


@pytest.mark.parametrize("customer", ["c0", "c1", "nobody"])
def test_one_customer_gets_the_answers_of_the_frames(live, model, events, customer):
    history = live.history(events, customer, AT)
    score = live.score(history, live.candidates(ITEMS), AT)
    np.testing.assert_allclose(score, model.score(events, [customer], AT, ITEMS)[0], rtol=1e-4, atol=1e-4)
    some = live.candidates(ITEMS[5:7])
    np.testing.assert_allclose(live.score(history, some, AT), score[5:7], rtol=1e-4, atol=1e-4)
    probability = live.purchase_probability(history, AT, [24.0, 100.0])
    expected = model.purchase_probability(events, [customer], AT, [24.0, 100.0])[0]
    np.testing.assert_allclose(probability, expected, rtol=1e-5)


def test_a_history_grown_event_by_event_is_that_of_the_log(live, model, events):
    own = events.filter((pl.col("customer_id") == "c1") & (pl.col("at") < AT))
    grown = live.history(events, "c1", own["at"][-9])
    for row in own[-9:].sample(fraction=1.0, shuffle=True, seed=0).iter_rows(named=True):  # out of order
        live.add(grown, "purchase", row["item_id"], row["at"])
    whole = live.history(events, "c1", AT)
    for name in ("at", "item", "kind", "order_at", "order_offsets", "offsets"):
        np.testing.assert_array_equal(getattr(grown.coded, name), getattr(whole.coded, name))
    candidates = live.candidates(ITEMS)
    np.testing.assert_array_equal(live.score(grown, candidates, AT), live.score(whole, candidates, AT))


def test_lines_of_one_order_begin_one_purchase(live, events):
    history = live.history(events, "nobody", AT)
    for order, minutes in (("a", 0), ("a", 1), ("b", 2), (None, 3)):
        live.add(history, "purchase", "i1", AT + timedelta(minutes=minutes), order_id=order)
    live.add(history, "view", "i1", AT + timedelta(minutes=4))
    assert len(history) == 5 and len(history.coded.order_at) == 3


def test_orders_of_the_log_keep_what_is_known_of_them(live, model):
    earlier = log({"customer_id": ["c"] * 2, "item_id": ["i1", "i2"], "hours": [1.0, 5.0], "price": [3.0, 7.0]})
    history = live.history(earlier, "c", AT)
    live.add(history, "purchase", "i1", hours(3), price=4.0)
    live.add(history, "purchase", "i3", hours(5), price=4.0)  # at the instant of an order that began
    assert history.coded.order_at.tolist() == [instant(hours(h)) for h in (1, 3, 5)]
    np.testing.assert_array_equal(history.coded.order_value, np.float32([3.0, np.nan, 7.0]))


def test_events_of_one_instant_keep_their_order(live, events):
    history = live.history(events, "nobody", AT)
    for item in ("i3", "i1", "i2"):
        live.add(history, "view", item, AT)
    assert history.coded.item.tolist() == live.candidates(["i3", "i1", "i2"]).codes.tolist()


def test_a_hundred_thousand_events_and_an_unknown_item(live):
    n = 100_000
    many = log({"customer_id": ["c"] * n, "item_id": [f"i{k % 12}" for k in range(n)],
                "hours": np.linspace(0, 2000, n).tolist()})  # fmt: skip
    history = live.history(many, "c", AT)
    live.add(history, "view", "never heard of", AT, price=3.0)
    score = live.score(history, live.candidates([*ITEMS, "never heard of"]), AT + timedelta(seconds=1))
    assert len(history) == n + 1
    assert np.isfinite(score[:12]).all() and score[12] == -np.inf


def test_what_is_no_event_is_named(live, events):
    with pytest.raises(InputError, match="no event 'stroke'"):
        live.add(live.history(events, "c1", AT), "stroke", "i1", hours(1))
