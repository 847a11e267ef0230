"""How a day's demand is spread over its hours, so that windows of hours can be cut out of days."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.protocols import FloatArray, IntArray

__all__ = ["DAY_US", "HourProfile", "by_day"]

DAY_US = 86_400_000_000
"""Microseconds in a day; day numbers count days since 1970-01-01 (a Thursday), UTC."""

_HOUR_US = DAY_US // 24
_EVEN_SHARE = 0.02  # part of the demand spread evenly, so that no hour is impossible
_BUSY_LINES = 500  # from here on a weekday without any line is closed, not unlucky
_PSEUDO_LINES = 100.0  # weight of the shop's usual day against the weekday's own


@dataclass(frozen=True, slots=True, kw_only=True)
class HourProfile:
    """Cumulative share of a day's demand by weekday (Monday first) and hour, (7, 25): 0 at midnight, 1 at the next.

    A weekday on which a busy shop never sold anything is closed: its shares are all 0.
    """

    cumulative: FloatArray

    @classmethod
    def fit(cls, lines: pl.DataFrame) -> HourProfile:
        """Profile of order lines (column `at`), smoothed toward the shop's usual day.

        A log of dates alone, where every line has the same time of day, says nothing of hours: they get equal shares.
        """
        hours = lines.select(
            pl.col("at").dt.weekday().cast(pl.Int64).alias("weekday") - 1, pl.col("at").dt.hour().cast(pl.Int64)
        )
        counts = np.zeros((7, 24))
        np.add.at(counts, (hours["weekday"].to_numpy(), hours["at"].to_numpy()), 1.0)
        if lines.height > 1 and lines["at"].dt.time().n_unique() == 1:
            counts = np.repeat(counts.sum(1, keepdims=True) / 24, 24, axis=1)
        usual = (1 - _EVEN_SHARE) * counts.sum(0) / max(counts.sum(), 1.0) + _EVEN_SHARE / 24
        smooth = counts + _PSEUDO_LINES * usual / usual.sum()
        share = (1 - _EVEN_SHARE) * smooth / smooth.sum(1, keepdims=True) + _EVEN_SHARE / 24
        share[(counts.sum(1) == 0) & (counts.sum() >= _BUSY_LINES)] = 0.0
        return cls(cumulative=np.concatenate([np.zeros((7, 1)), np.cumsum(share, axis=1)], axis=1))

    def always_open(self) -> HourProfile:
        """The same with even hours on closed weekdays, to measure windows on them."""
        closed = self.cumulative[:, -1:] == 0
        return HourProfile(cumulative=np.where(closed, np.linspace(0.0, 1.0, 25), self.cumulative))

    def share(self, day: IntArray, start_us: IntArray, end_us: IntArray) -> FloatArray:
        """Share of the day's demand in [start_us, end_us), microseconds since that midnight."""
        weekday = (day + 3) % 7

        def passed(at: IntArray) -> FloatArray:
            at = np.clip(at, 0, DAY_US)
            hour = np.minimum(at // _HOUR_US, 23)
            part = (at - hour * _HOUR_US) / _HOUR_US
            before = self.cumulative[weekday, hour]
            return np.asarray(before + part * (self.cumulative[weekday, hour + 1] - before))

        return np.maximum(passed(end_us) - passed(start_us), 0.0)


def by_day(windows: pl.DataFrame, profile: HourProfile) -> pl.DataFrame:
    """Cut windows (`start`, `end`) at midnights.

    Returns:
        One row per window and day: `window` (row number in `windows`), `day` (days since 1970-01-01), `share` of that
        day's demand inside the window, in [0, 1] (0 on closed weekdays).
    """
    start = windows["start"].dt.epoch("us").to_numpy().astype(np.int64)
    end = windows["end"].dt.epoch("us").to_numpy().astype(np.int64)
    first = start // DAY_US
    n_days = np.where(end > start, (end - 1) // DAY_US - first + 1, 0)
    window = np.repeat(np.arange(len(start)), n_days)
    offset = np.arange(n_days.sum()) - np.repeat(np.cumsum(n_days) - n_days, n_days)
    day = first[window] + offset
    share = profile.share(day, start[window] - day * DAY_US, end[window] - day * DAY_US)
    return pl.DataFrame({"window": window, "day": day, "share": share})
