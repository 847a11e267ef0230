from datetime import UTC, date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.errors import SettingsError
from flashlift.events.parse import instants, kinds, numbers, present
from flashlift.events.source import EVENT_NAMES
from flashlift.schema import EVENT_KINDS

MORNING = datetime(2010, 12, 1, 8, 26, tzinfo=UTC)


def one(value, *, zone="UTC", form=None, dtype=None):
    return instants(pl.Series([value], dtype=dtype), timezone=zone, time_format=form).item()


@pytest.mark.parametrize(
    "value",
    [
        datetime(2010, 12, 1, 8, 26),
        MORNING,
        MORNING.astimezone(timezone(timedelta(hours=9))),
        "2010-12-01 08:26:00",
        "2010-12-01T08:26:00",
        "2010/12/01 08:26",
        "2010-12-01 08:26:00.000000",
        "2010-12-01 08:26:00 UTC",
        "2010-12-01T08:26:00Z",
        "2010-12-01T17:26:00+09:00",
        "2010-12-01 03:26:00-0500",
        " 2010-12-01T08:26 ",
        int(MORNING.timestamp()),
        float(MORNING.timestamp()),
        int(MORNING.timestamp()) * 1_000,
        int(MORNING.timestamp()) * 1_000_000,
        int(MORNING.timestamp()) * 1_000_000_000,
        str(int(MORNING.timestamp())),
        str(int(MORNING.timestamp() * 1_000)),
    ],
)
def test_one_instant_in_many_forms(value):
    assert one(value) == MORNING


@pytest.mark.parametrize("value", [date(2010, 12, 1), "2010-12-01", "2010/12/01", 20101201, "20101201", 20101201.0])
def test_a_day_is_its_midnight_in_the_shops_zone(value):
    assert one(value, zone="Asia/Tokyo") == datetime(2010, 11, 30, 15, tzinfo=UTC)


@pytest.mark.parametrize("value", ["3/4/2011 8:26", "yesterday", "", "2010-13-01", "2010-12-01 25:00", None, 20101399])
def test_what_is_no_time_or_doubtful_is_null(value):
    assert one(value) is None


def test_a_given_format_decides():
    assert one("3/4/2011 8:26", form="%d/%m/%Y %H:%M") == datetime(2011, 4, 3, 8, 26, tzinfo=UTC)
    assert one("3/4/2011 8:26", form="%m/%d/%Y %H:%M") == datetime(2011, 3, 4, 8, 26, tzinfo=UTC)
    assert one("2011-04-03 08:26 +0200", form="%Y-%m-%d %H:%M %z") == datetime(2011, 4, 3, 6, 26, tzinfo=UTC)
    assert one(1_500, form="ms") == datetime(1970, 1, 1, 0, 0, 1, 500_000, tzinfo=UTC)
    assert one("1500", form="s") == datetime(1970, 1, 1, 0, 25, tzinfo=UTC)
    assert one("2011-04-03", form="%d/%m/%Y") is None


def test_a_wrong_zone_or_unit_is_an_error():
    with pytest.raises(SettingsError, match="Mars/Olympus"):
        one(datetime(2011, 1, 1), zone="Mars/Olympus")
    with pytest.raises(SettingsError, match="does not fit"):
        one(5, form="%Y")


@pytest.mark.parametrize(
    ("local", "utc"),
    [
        # London 2011: clocks go from 01:00 to 02:00 on 27 March and from 02:00 back to 01:00 on 30 October.
        (datetime(2011, 3, 27, 0, 59), datetime(2011, 3, 27, 0, 59)),
        (datetime(2011, 3, 27, 1, 30), datetime(2011, 3, 27, 1, 30)),  # skipped: read as 02:30 summer time
        (datetime(2011, 3, 27, 2, 0), datetime(2011, 3, 27, 1, 0)),
        (datetime(2011, 10, 30, 0, 59), datetime(2011, 10, 29, 23, 59)),
        (datetime(2011, 10, 30, 1, 30), datetime(2011, 10, 30, 0, 30)),  # twice: the earlier one
        (datetime(2011, 10, 30, 2, 0), datetime(2011, 10, 30, 2, 0)),
    ],
)
def test_clock_changes_are_deterministic(local, utc):
    for value in (local, local.isoformat(" ")):
        assert one(value, zone="Europe/London") == utc.replace(tzinfo=UTC)


@given(
    st.datetimes(min_value=datetime(1996, 1, 1), max_value=datetime(2035, 1, 1)),
    st.sampled_from(["Europe/London", "America/New_York", "Asia/Shanghai", "Australia/Lord_Howe", "UTC"]),
)
@settings(max_examples=80, deadline=None)
def test_local_times_agree_with_zoneinfo(local, zone):
    # fold=0 is the earlier of two; of a skipped time zoneinfo keeps the offset before the change, as we do.
    assert one(local, zone=zone) == local.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def test_rows_do_not_depend_on_their_neighbors():
    values = ["2010-12-01", "2010-12-01 08:26:00", "1291191960", "2010-12-01T08:26:00Z", "x", None, "2010/12/01"]
    together = instants(pl.Series(values), timezone="UTC", time_format=None).to_list()
    assert together == [one(v, dtype=pl.String) for v in values]


def test_numbers_are_finite_or_null():
    assert numbers(pl.Series([" 2.50", "2,50", "", None, "nan", "inf", "-3", "£2", "1e2"])).to_list() == [
        2.5,
        *[None] * 5,
        -3.0,
        None,
        100.0,
    ]
    assert numbers(pl.Series([1.5, float("nan"), float("inf")])).to_list() == [1.5, None, None]
    assert numbers(pl.Series([3, None])).to_list() == [3.0, None]


def test_present_means_not_blank():
    assert present(pl.Series(["a", " ", "", None])).to_list() == [True, False, False, False]
    assert present(pl.Series([0, None])).to_list() == [True, False]


def test_names_of_events():
    assert set(EVENT_NAMES.values()) == set(EVENT_KINDS)
    found = kinds(
        pl.Series(["PV", " addtocart ", "transaction", "fav", "remove_from_cart", "return", "?", None]),
        dict(EVENT_NAMES),
    )
    assert found.to_list() == ["view", "cart", "purchase", "favorite", "uncart", "refund", None, None]
