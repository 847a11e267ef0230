from datetime import UTC, datetime

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.events.identity import IDENTITY, row_ids

ROW = st.fixed_dictionaries(
    {
        "customer_id": st.one_of(st.none(), st.text(max_size=20)),
        "item_id": st.one_of(st.none(), st.text(min_size=1, max_size=20)),
        "at": st.one_of(st.none(), st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2040, 1, 1))),
        "price": st.one_of(st.none(), st.floats(allow_nan=False, allow_infinity=False)),
        "quantity": st.one_of(st.none(), st.integers(-5, 5).map(float)),
        "order_id": st.one_of(st.none(), st.text(max_size=40)),
    }
)
TYPES = {
    "customer_id": pl.String,
    "item_id": pl.String,
    "at": pl.Datetime("us"),
    "price": pl.Float64,
    "quantity": pl.Float64,
    "order_id": pl.String,
}


def frame(rows):
    return pl.DataFrame(rows, schema=TYPES)


@given(st.lists(ROW, min_size=1, max_size=12), st.integers(0, 11))
@settings(max_examples=100, deadline=None)
def test_rows_share_an_identity_exactly_when_they_are_equal(rows, cut):
    table = frame(rows)
    ids = row_ids(table)
    # Empty text and null are both "nothing"; readers make null of blank text anyway.
    same = [tuple(None if v == "" else v for v in row) for row in table.iter_rows()]
    for i, a in enumerate(same):
        for j, b in enumerate(same):
            assert (ids[i] == ids[j]) == (a == b)
    assert row_ids(table[cut:]).to_list() == ids[cut:].to_list()


def test_the_form_and_the_value_stay():
    # Recorded when the format was fixed: a store must recognize the rows it holds.
    table = frame(
        [
            {
                "customer_id": "c",
                "item_id": "a",
                "at": datetime(2019, 1, 1),
                "price": 2.5,
                "quantity": 1.0,
                "order_id": None,
            }
        ]
    )
    assert row_ids(table).to_list() == ["57916ce4fc3ad7e7ce6d40f5"]


def test_a_missing_column_is_a_null_column():
    table = pl.DataFrame({"item_id": ["a", "bb"], "price": [1.0, None]})
    wide = table.with_columns(pl.lit(None, dtype=pl.String).alias(c) for c in IDENTITY if c not in table.columns)
    assert row_ids(table).to_list() == row_ids(wide).to_list()
    assert row_ids(table.with_columns(order_id=pl.lit(None))).to_list() == row_ids(table).to_list()


def test_values_in_other_columns_are_other_rows():
    one = pl.DataFrame({"item_id": ["a"], "order_id": ["b"]})
    other = pl.DataFrame({"item_id": ["b"], "order_id": ["a"]})
    assert row_ids(one).item() != row_ids(other).item()


def test_no_collisions_among_many_similar_rows():
    n = 300_000
    index = pl.int_range(n, eager=True)
    table = pl.DataFrame({"item_id": (index // 1000).cast(pl.String), "order_id": (index % 1000).cast(pl.String)})
    assert row_ids(table).n_unique() == n
    zoned = pl.DataFrame({"at": index.cast(pl.Datetime("us", "UTC")), "price": index / 7})
    assert row_ids(zoned).n_unique() == n
    assert row_ids(zoned).str.contains("^[0-9a-f]{24}$").all()
    assert row_ids(zoned.head(0)).len() == 0


def test_the_zone_of_an_instant_does_not_matter():
    at = datetime(2019, 1, 1, tzinfo=UTC)
    utc = pl.DataFrame({"at": pl.Series([at]).dt.convert_time_zone("UTC")})
    tokyo = pl.DataFrame({"at": utc["at"].dt.convert_time_zone("Asia/Tokyo")})
    assert row_ids(utc).item() == row_ids(tokyo).item()
