import base64
import hashlib

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.privacy import Key, canonical_id, pseudonymize

KEY = Key(bytes(range(32)))


def plain_pseudonym(text: str, key: Key) -> str:
    """The definition, one value at a time, with the standard library's base32."""
    digest = hashlib.blake2b(text.encode(), key=key.secret, digest_size=10, person=b"flashlift-person").digest()
    return base64.b32encode(digest).decode().lower()


@given(st.lists(st.one_of(st.none(), st.text(max_size=30))))
@settings(max_examples=60, deadline=None)
def test_pseudonyms_follow_the_definition(texts):
    ids = canonical_id(pl.Series("who", texts, dtype=pl.String))
    expected = [None if t is None else plain_pseudonym(t, KEY) for t in ids]
    found = pseudonymize(pl.Series("who", texts, dtype=pl.String), KEY)
    assert found.to_list() == expected
    assert found.name == "who"


def test_the_pseudonym_of_a_known_customer_never_changes():
    # Recorded when the format was fixed: stores written before must keep their customers.
    assert pseudonymize(pl.Series([17850]), KEY).to_list() == [plain_pseudonym("17850", KEY)] == ["bf6p5jlgcjonlwcw"]


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([17850.0]),
        pl.Series([17850.0], dtype=pl.Float32),
        pl.Series([17850]),
        pl.Series([17850], dtype=pl.UInt32),
        pl.Series(["17850"]),
        pl.Series(["17850.0"]),
        pl.Series([" 17850.00 "]),
        pl.Series(["17850"], dtype=pl.Categorical),
        pl.Series(["17850"]).str.to_decimal(scale=0),
    ],
)
def test_one_customer_in_many_types_is_one_customer(values):
    assert canonical_id(values).to_list() == ["17850"]


def test_what_differs_stays_different():
    values = ["7", "007", "7.5", "a7", "A7", "7.0.0", "1e3", "-7"]
    assert canonical_id(pl.Series(values)).to_list() == values
    assert canonical_id(pl.Series([7.5, -7.0])).to_list() == ["7.5", "-7"]


def test_nobody_stays_nobody():
    for values in (
        pl.Series([None, None]),
        pl.Series(["", "   "]),
        pl.Series([float("nan"), None]),
        pl.Series([float("inf"), float("-inf")]),
    ):
        assert pseudonymize(values, KEY).to_list() == [None, None]
    assert pseudonymize(pl.Series([], dtype=pl.String), KEY).len() == 0


def test_pseudonyms_are_unique_well_formed_and_depend_on_the_key():
    ids = pl.Series(range(50_000))
    first, second = pseudonymize(ids, KEY), pseudonymize(ids, Key(bytes(32)))
    assert first.n_unique() == second.n_unique() == 50_000
    assert first.str.contains(r"^[a-z2-7]{16}$").all()
    assert not first.is_in(second.to_list()).any()


def test_it_works_inside_an_expression():
    frame = pl.LazyFrame({"who": [1, 1, None]})
    hidden = pl.col("who").map_batches(lambda s: pseudonymize(s, KEY), return_dtype=pl.String)
    assert frame.select(hidden).collect().to_series().to_list() == [plain_pseudonym("1", KEY)] * 2 + [None]
