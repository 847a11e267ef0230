"""Cut a log in time: whatever is learned before a border knows nothing of what happened after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from flashlift.domain import Split
from flashlift.errors import InsufficientDataError, SettingsError
from flashlift.schema import Events

__all__ = ["before", "time_split"]

_DAY = timedelta(days=1)


def before(events: pl.LazyFrame, at: datetime) -> pl.LazyFrame:
    """Events strictly earlier than `at`. Every feature as of a time starts here.

    Raises:
        SettingsError: `at` has no time zone.
    """
    if at.tzinfo is None:
        raise SettingsError(f"The time {at} has no zone. Pass an aware time, e.g. datetime(2011, 11, 1, tzinfo=UTC).")
    return events.filter(Events.at.col < at.astimezone(UTC))


def time_split(events: pl.LazyFrame, *, valid_days: int, test_days: int) -> Split:
    """Borders at midnight UTC: the last `test_days` days, the `valid_days` days before them, and all the rest.

    The test part ends with the day of the last event.

    Args:
        events: schema Events.
        valid_days: length of the validation part, at least 1.
        test_days: length of the test part, at least 1.

    Raises:
        SettingsError: a length below 1.
        InsufficientDataError: less than a day would be left to train on.
    """
    if min(valid_days, test_days) < 1:
        raise SettingsError(f"valid_days = {valid_days} and test_days = {test_days} must both be at least 1.")
    span = events.select(first=Events.at.col.min(), last=Events.at.col.max()).collect()
    first, last = span.row(0)
    if first is None:
        raise InsufficientDataError("The log holds no events, so it cannot be split. Ingest a log first.")
    test_end = last.replace(hour=0, minute=0, second=0, microsecond=0) + _DAY
    valid_end = test_end - test_days * _DAY
    train_end = valid_end - valid_days * _DAY
    if train_end - first < _DAY:
        raise InsufficientDataError(
            f"The log spans {first:%Y-%m-%d} to {last:%Y-%m-%d}, too short for {valid_days} days of validation and "
            f"{test_days} of test after at least one of training. Set split.valid_days and split.test_days to fewer "
            "days, or give a longer log."
        )
    return Split(
        train_end=train_end.astimezone(UTC), valid_end=valid_end.astimezone(UTC), test_end=test_end.astimezone(UTC)
    )
