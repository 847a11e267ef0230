from datetime import datetime, timedelta

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.events.cancellations import match_cancellations

TYPES = {
    "event_id": pl.String,
    "customer_id": pl.String,
    "item_id": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "quantity": pl.Int64,
    "order_id": pl.String,
}


def table(rows, prefix):
    start = datetime(2019, 1, 1)
    return pl.DataFrame(
        [
            {
                "event_id": f"{prefix}{n:03d}",
                "customer_id": c,
                "item_id": i,
                "at": start + timedelta(hours=h),
                "quantity": q,
                "order_id": o,
            }
            for n, (c, i, h, q, o) in enumerate(rows)
        ],
        schema=TYPES,
    )


def plain_match(cancellations: pl.DataFrame, purchases: pl.DataFrame) -> dict[str, tuple[str, str | None]]:
    """The rule as one would do it by hand, one cancellation after the other."""
    left = {row["event_id"]: row["quantity"] for row in purchases.iter_rows(named=True)}
    found = {}

    def turn(row):
        order = row["order_id"]
        return row["at"], -row["quantity"], order is not None, order or "", row["event_id"]

    for c in sorted(cancellations.iter_rows(named=True), key=turn):
        fits = [
            p
            for p in purchases.iter_rows(named=True)
            if c["customer_id"] is not None
            and p["customer_id"] == c["customer_id"]
            and p["item_id"] == c["item_id"]
            and p["at"] < c["at"]
            and left[p["event_id"]] >= c["quantity"]
        ]
        if fits:
            best = max(
                fits,
                key=lambda p: (c["order_id"] is not None and p["order_id"] == c["order_id"], *turn(p)),
            )
            left[best["event_id"]] -= c["quantity"]
            found[c["event_id"]] = (best["event_id"], best["order_id"])
    return found


ROWS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", None]),
        st.sampled_from(["x", "y"]),
        st.integers(0, 8),
        st.integers(1, 5),
        st.sampled_from(["o1", "o2", None]),
    ),
    max_size=14,
)


def test_at_one_instant_the_smallest_that_is_large_enough_is_taken_whatever_the_ids():
    cancellations = table([("ann", "x", 2, 1, None), ("ann", "x", 2, 5, None)], "c")
    for bought in (
        [("ann", "x", 1, 5, None), ("ann", "x", 1, 1, None)],
        [("ann", "x", 1, 1, None), ("ann", "x", 1, 5, None)],
    ):
        assert len(match_cancellations(cancellations, table(bought, "p"))) == 2


@given(ROWS, ROWS, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_matching_agrees_with_the_plain_rule_in_any_order_of_rows(cancelled, bought, random):
    cancellations, purchases = table(cancelled, "c"), table(bought, "p")
    expected = plain_match(cancellations, purchases)
    places = list(range(len(cancelled)))
    random.shuffle(places)
    for rows in (cancellations, cancellations[places]):
        found = match_cancellations(rows, purchases)
        assert {e: (p, o) for e, p, o in found.iter_rows()} == expected


def test_one_purchase_serves_several_cancellations_until_it_is_used_up():
    purchases = table([("ann", "x", 0, 5, "o1")], "p")
    cancellations = table([("ann", "x", 1, 3, None), ("ann", "x", 2, 3, None), ("ann", "x", 3, 2, None)], "c")
    assert sorted(match_cancellations(cancellations, purchases)["event_id"]) == ["c000", "c002"]


def test_nothing_to_match():
    assert match_cancellations(table([], "c"), table([], "p")).is_empty()
    assert match_cancellations(table([("ann", "x", 1, 1, None)], "c"), table([], "p")).is_empty()
