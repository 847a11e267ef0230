from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.errors import SettingsError
from flashlift.events import sessionize

START = datetime(2019, 1, 1, tzinfo=UTC)
TYPES = {
    "event_id": pl.String,
    "customer_id": pl.String,
    "at": pl.Datetime("us", "UTC"),
    "order_id": pl.String,
    "session_id": pl.String,
}
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["ann", "bob", None]),
        st.integers(0, 200),
        st.sampled_from([None, "o1"]),
        st.sampled_from([None, None, "given"]),
    ),
    max_size=25,
)


def frame(rows):
    return pl.DataFrame(
        [
            (f"e{n}", who, START + timedelta(minutes=m), order, session)
            for n, (who, m, order, session) in enumerate(rows)
        ],
        schema=TYPES,
        orient="row",
    )


def plain_sessions(rows: pl.DataFrame, gap: float) -> list[str]:
    """One customer after the other, one event after the other."""
    names = {}
    for who in {r["customer_id"] for r in rows.iter_rows(named=True)}:
        last = start = None
        mine = [r for r in rows.sort("at").iter_rows(named=True) if r["customer_id"] == who]
        for row in mine:
            if row["session_id"] is not None:
                names[row["event_id"]] = row["session_id"]
            elif who is None:
                names[row["event_id"]] = f"order-{row['order_id']}" if row["order_id"] else f"event-{row['event_id']}"
            else:
                if last is None or row["at"] - last > timedelta(minutes=gap):
                    start = row["at"]
                last = row["at"]
                names[row["event_id"]] = f"{who}-{int(start.timestamp() * 1000)}"
    return [names[e] for e in rows["event_id"]]


@given(ROWS, st.sampled_from([5.0, 30.0, 61.0]))
@settings(max_examples=80, deadline=None)
def test_sessions_agree_with_the_plain_rule(rows, gap):
    events = frame(rows)
    found = sessionize(events.lazy(), gap).collect()
    assert found.drop("session_id").equals(events.drop("session_id"))
    assert found["session_id"].to_list() == plain_sessions(events, gap)


@given(ROWS)
@settings(max_examples=40, deadline=None)
def test_later_events_and_other_orders_change_no_session(rows):
    events = frame(rows)
    by_event = {r["event_id"]: r["session_id"] for r in sessionize(events.lazy()).collect().iter_rows(named=True)}
    later = pl.concat([frame([("ann", 10_000, None, None)]).with_columns(event_id=pl.lit("late")), events.reverse()])
    again = {r["event_id"]: r["session_id"] for r in sessionize(later.lazy()).collect().iter_rows(named=True)}
    assert {k: again[k] for k in by_event} == by_event


def test_a_gap_must_be_positive():
    with pytest.raises(SettingsError, match="gap_minutes is 0"):
        sessionize(frame([]).lazy(), 0)
