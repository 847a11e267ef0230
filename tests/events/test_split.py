from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.errors import InsufficientDataError, SettingsError
from flashlift.events import before, time_split


def at(*times):
    return pl.LazyFrame({"at": pl.Series(times, dtype=pl.Datetime("us", "UTC"))})


TIMES = st.lists(st.datetimes(min_value=datetime(2018, 1, 1), max_value=datetime(2019, 1, 1)), min_size=2, max_size=30)


@given(TIMES, st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=60, deadline=None)
def test_parts_cover_the_log_and_never_touch(times, valid_days, test_days):
    times = [t.replace(tzinfo=UTC) for t in times]
    events = at(*times)
    try:
        split = time_split(events, valid_days=valid_days, test_days=test_days)
    except InsufficientDataError:
        assert max(times) - min(times) < timedelta(days=valid_days + test_days + 1)
        return
    assert split.valid_end - split.train_end == timedelta(days=valid_days)
    assert split.test_end - split.valid_end == timedelta(days=test_days)
    assert max(times) < split.test_end <= max(times) + timedelta(days=1)
    assert all(
        t.time() == datetime.min.time() and t.tzinfo is UTC for t in (split.train_end, split.valid_end, split.test_end)
    )
    assert split.train_end - min(times) >= timedelta(days=1)
    assert before(events, split.train_end).collect().height == sum(t < split.train_end for t in times)


def test_an_event_at_a_border_belongs_to_the_later_part():
    border = datetime(2019, 1, 2, tzinfo=UTC)
    assert before(at(border - timedelta(microseconds=1), border), border).collect().height == 1


def test_a_border_in_another_zone_is_the_same_instant():
    border = datetime.fromisoformat("2019-01-02T09:00:00+09:00")
    assert (
        before(at(datetime(2019, 1, 1, 23, tzinfo=UTC), datetime(2019, 1, 2, tzinfo=UTC)), border).collect().height == 1
    )


def test_what_cannot_be_split_is_named():
    events = at(datetime(2019, 1, 1, tzinfo=UTC), datetime(2019, 1, 5, tzinfo=UTC))
    with pytest.raises(
        InsufficientDataError, match="2019-01-01 to 2019-01-05, too short for 3 days of validation and 2 of test"
    ):
        time_split(events, valid_days=3, test_days=2)
    with pytest.raises(InsufficientDataError, match="no events"):
        time_split(at(), valid_days=1, test_days=1)
    with pytest.raises(SettingsError, match="valid_days = 0"):
        time_split(events, valid_days=0, test_days=1)
    with pytest.raises(SettingsError, match="no zone"):
        before(events, datetime(2019, 1, 1))
