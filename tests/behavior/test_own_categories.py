"""What a history says of categories, beside a plain count."""

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.behavior.log import hours, log

from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.own_categories import own_categories
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.schema import Items

CATEGORY = {"a": "x", "b": "x", "c": "y", "d": None}
BLANK = Items.create_empty()
ITEMS = pl.concat(
    [BLANK, pl.DataFrame({"item_id": list(CATEGORY), "category": list(CATEGORY.values())})], how="diagonal"
)
EVENTS = st.lists(
    st.tuples(st.sampled_from("pq"), st.sampled_from("abcd"), st.sampled_from(["view", "purchase"])), min_size=1
)


def plain(rows, customer, at):
    """Category -> ln(1 + events), ln(1 + purchases), whether last, whether of the last order, by going through rows."""
    own = [(CATEGORY[item], kind) for hour, (who, item, kind) in enumerate(rows) if who == customer and hour < at]
    orders = [category for category, kind in own if kind == "purchase"]
    known = [(category, kind) for category, kind in own if category]
    found = {}
    for category in {category for category, _ in known}:
        kinds = [kind for other, kind in known if other == category]
        counts = np.log1p([len(kinds), kinds.count("purchase")])
        found[category] = [*counts, float(known[-1][0] == category), float(orders[-1:] == [category])]
    return found


@settings(deadline=None, max_examples=60)
@given(EVENTS, st.integers(0, 12))
def test_own_categories_equal_a_plain_count(rows, at):
    who, item, kind = (list(column) for column in zip(*rows, strict=True))
    events = log({"customer_id": who, "item_id": item, "event": kind, "hours": [float(k) for k in range(len(rows))]})
    vocabulary = Vocabulary.fit(events, max_items=9, items=ITEMS)
    histories = Histories.build(events, vocabulary, before=hours(9999))
    everybody = np.arange(histories.n_customers)
    asked = Snapshots(customer=everybody, at=np.full(len(everybody), instant(hours(at))))
    own, names = own_categories(histories, asked), vocabulary.values("category")
    told = {name: {} for name in histories.customers}
    for row, code, values in zip(*own, strict=True):
        told[histories.customers[row]][names[code - 1]] = values
    for name in histories.customers:
        expected = plain(rows, name, at)
        assert told[name].keys() == expected.keys()
        for category, values in expected.items():
            np.testing.assert_allclose(told[name][category], values, rtol=1e-6)
