import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from tests.behavior.log import hours, log

from flashlift.behavior.promotions import PHASES, phase_at, phase_codes
from flashlift.schema import Promotions

SALES = pl.DataFrame(
    {
        "item_id": ["x", "x", "y"],
        "start": [hours(100), hours(200), hours(100)],
        "end": [hours(110), hours(206), hours(101)],
    }
)


def test_each_phase_by_hand():
    moments = {"none": [1.0, 75.0, 140.0], "starts within a day": [76.5, 99.0, 180.0], "live": [100.0, 105.0],
               "ends within an hour": [109.5, 205.5], "ended within a day": [110.0, 130.0, 206.0]}  # fmt: skip
    for phase, times in moments.items():
        events = log({"customer_id": ["a"] * len(times), "item_id": ["x"] * len(times), "hours": times})
        assert [PHASES[code] for code in phase_codes(events, SALES)] == [phase] * len(times), phase


def test_rows_keep_their_place_and_other_items_their_own_sales():
    events = log({"customer_id": ["a"] * 4, "item_id": ["y", "x", "z", "y"], "hours": [100.5, 100.5, 100.5, 90.0]})
    assert phase_codes(events, SALES).tolist() == [1, 3, 2, 0]  # sorted by time: y at 90, then in the order given


def test_without_promotions_there_is_no_phase():
    events = log({"customer_id": ["a"], "item_id": ["x"], "hours": [1.0]})
    assert phase_codes(events, None).tolist() == [0] == phase_codes(events, Promotions.create_empty()).tolist()


@given(
    sales=st.lists(st.tuples(st.integers(0, 200), st.integers(1, 60)), max_size=4, unique_by=lambda sale: sale[0]),
    at=st.integers(-30, 300),
)
def test_one_event_has_the_phase_that_the_frame_has(sales, at):
    spans = sorted((hours(start), hours(start + length)) for start, length in sales)
    time = pl.Datetime("us", "UTC")
    frame = pl.DataFrame([("x", *span) for span in spans], schema={"item_id": pl.String, "start": time, "end": time},
                         orient="row")  # fmt: skip
    event = pl.DataFrame({"item_id": ["x"], "at": [hours(at)]}, schema_overrides={"at": time})
    assert phase_at(spans, hours(at)) == phase_codes(event, frame)[0]
