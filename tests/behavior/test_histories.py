import numpy as np
import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from tests.behavior.log import START, hours, log

from flashlift.behavior.histories import Histories, count_before, gap_bucket, instant
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.schema import Items

ROWS = {
    "customer_id": ["b", "a", "b", None, "a", "b", "b"],
    "item_id": ["x", "y", "z", "x", "x", "x", "new"],
    "hours": [1.0, 2.0, 2.0, 2.0, 2.0, 3.0, 9.0],
    "price": [10.0, None, 5.0, 10.0, 20.0, 8.0, 1.0],
    "event": ["purchase", "view", "purchase", "purchase", "cart", "refund", "purchase"],
    "order_id": ["o1", None, "o1", "o2", None, "o1", None],
}


def built(**more):
    events = log(ROWS)
    vocabulary = Vocabulary.fit(events.filter(pl.col("at") < hours(5)), max_items=10)
    return vocabulary, Histories.build(events, vocabulary, before=more.pop("before", hours(99)), **more)


def test_histories_by_hand():
    vocabulary, histories = built()
    assert vocabulary.items["item_id"].to_list() == ["x", "y", "z"]
    assert vocabulary.items["usual_price"].to_list() == [10.0, None, 5.0]
    assert histories.customers == ["a", "b"]
    assert histories.offsets.tolist() == [0, 2, 6]
    assert histories.item.tolist() == [2, 1, 1, 3, 1, 0]
    paid, usual = np.array([np.nan, 20, 10, 5, 8, 1]), np.array([np.nan, 10, 10, 5, 10, np.nan])
    np.testing.assert_allclose(histories.price[:, :2], np.log(np.stack([paid, paid / usual], axis=1)), rtol=1e-6)
    assert ((histories.at - instant(START)) / 3.6e9).tolist() == [2, 2, 1, 2, 3, 9]


def test_an_order_is_one_instant_its_first_line():
    _, histories = built()
    assert histories.order_offsets.tolist() == [0, 0, 2]
    assert ((histories.order_at - instant(START)) / 3.6e9).tolist() == [1, 9]
    np.testing.assert_allclose(histories.order_value, [15.0, 1.0])


def test_categories_prices_and_labels_come_from_the_items_table_and_the_log():
    items = Items.validate(
        pl.DataFrame({"item_id": ["x", "z", "fresh"], "category": ["toys/cars", "toys/cars", "home"],
                      "list_price": [None, None, 30.0]}, schema_overrides={"list_price": pl.Float64})
        .with_columns([pl.lit(None, kind).alias(name) for name, kind in Items.create_empty().schema.items()
                       if name not in ("item_id", "category", "list_price")])
        .select(list(Items.column_names())))  # fmt: skip
    events = log(ROWS)
    vocabulary = Vocabulary.fit(events.filter(pl.col("at") < hours(5)), max_items=10, items=items)
    assert vocabulary.n_trained == 3 and vocabulary.items["item_id"].to_list() == ["x", "y", "z", "fresh"]
    assert vocabulary.values("category") == ["toys/cars", "home"]
    assert vocabulary.items["category"].to_list() == [1, 0, 1, 2]
    assert vocabulary.items["usual_price"].to_list() == [10.0, None, 5.0, 30.0]
    histories = Histories.build(events, vocabulary, before=hours(99))
    assert histories.order_category.tolist() == [1, 0]  # x and z, then an unknown item
    relative = np.log(np.array([np.nan, 20, 10, 5, 8, np.nan]) / 7.5)
    np.testing.assert_allclose(histories.price[:, 2], relative, rtol=1e-6)


def test_asked_customers_keep_their_order_and_nothing_is_read_at_the_border():
    _, histories = built(before=hours(2), customers=["nobody", "b"])
    assert histories.customers == ["nobody", "b"]
    assert histories.offsets.tolist() == [0, 0, 1]


def test_extended_vocabulary_adds_codes_behind_the_old_ones():
    vocabulary, _ = built()
    more = vocabulary.extended(["q", "x", "q", "p"])
    assert more.codes(["x", "q", "p", "z", "unheard"]).tolist() == [1, 4, 5, 3, 0]


def test_the_most_frequent_items_get_the_codes():
    events = log(ROWS)
    assert Vocabulary.fit(events, max_items=2).items["item_id"].to_list() == ["x", "new"]


@given(st.lists(st.integers(0, 20), max_size=30).map(sorted), st.integers(-1, 21), st.data())
def test_count_before_is_a_binary_search(values, limit, data):
    start = data.draw(st.integers(0, len(values)))
    stop = data.draw(st.integers(start, len(values)))
    expected = start + sum(value < limit for value in values[start:stop])
    found = count_before(np.array(values, dtype=np.int64), np.array([start]), np.array([stop]), np.array([limit]))
    assert found.tolist() == [expected]


def test_gap_buckets_double():
    assert gap_bucket(np.array([0.0, 1.0, 2.0, 4.0, 1e12])).tolist() == [0, 1, 2, 3, 27]
