"""When people buy: hours of the day by kind of customer, days of the week, seasons of the year by category."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = [
    "KINDS",
    "OFFICE",
    "OFFICE_HOURS",
    "STORE",
    "STORE_HOURS",
    "Calendar",
    "hour_profiles",
    "hours_by_part",
    "hours_within",
    "seconds_of_day",
    "shop_calendar",
]

# Peaks of each kind of customer's day on weekdays: (hour, width in hours, weight); a little is bought at any hour.
KINDS: dict[str, tuple[tuple[float, float, float], ...]] = {
    "early": ((7.5, 1.2, 0.6), (12.5, 1.5, 0.2), (18.0, 2.0, 0.2)),
    "office": ((12.3, 1.0, 0.5), (17.5, 2.0, 0.3), (21.0, 1.5, 0.2)),
    "evening": ((20.5, 1.6, 0.8), (13.0, 2.0, 0.2)),
    "night": ((23.0, 1.5, 0.6), (1.0, 1.2, 0.3), (16.0, 3.0, 0.1)),
}
_WEEKDAY = np.array([0.95, 0.92, 0.93, 0.97, 1.08, 1.18, 0.97])  # Monday first; mean 1
_WEEKEND_DELAY = 1.5  # hours that a peak moves on Saturday and Sunday

# Share of each hour in what businesses order and in what stores sell, (24,), and the hours [from, until) they are open.
OFFICE_HOURS, STORE_HOURS = (8, 18), (9, 20)
OFFICE, STORE = np.zeros(24), np.zeros(24)
OFFICE[slice(*OFFICE_HOURS)] = (0.07, 0.12, 0.14, 0.12, 0.06, 0.09, 0.13, 0.12, 0.09, 0.06)
STORE[slice(*STORE_HOURS)] = (0.04, 0.07, 0.09, 0.11, 0.09, 0.08, 0.08, 0.11, 0.14, 0.12, 0.07)


def hour_profiles() -> FloatArray:
    """Share of each hour in a customer's day, (2: weekday and weekend, n_kinds, 24); rows sum to 1."""
    hour = np.arange(24) + 0.5
    profiles = np.full((2, len(KINDS), 24), 0.008)
    for weekend in (0, 1):
        for kind, peaks in enumerate(KINDS.values()):
            for center, width, weight in peaks:
                apart = np.abs(hour - center - _WEEKEND_DELAY * weekend)
                apart = np.minimum(apart, 24.0 - apart)  # the clock is a circle
                profiles[weekend, kind] += weight / width * np.exp(-0.5 * (apart / width) ** 2)
    return np.asarray(profiles / profiles.sum(axis=2, keepdims=True))


def hours_within(day: datetime, start: datetime, end: datetime) -> FloatArray:
    """Part of each hour of the day beginning at `day` that lies in [start, end), (24,) in [0, 1]."""
    lower = (start - day) / timedelta(hours=1)
    upper = (end - day) / timedelta(hours=1)
    hour = np.arange(24.0)
    return np.asarray(np.clip(np.minimum(hour + 1.0, upper) - np.maximum(hour, lower), 0.0, 1.0))


def seconds_of_day(profile: FloatArray, row: IntArray, within: FloatArray, rng: np.random.Generator) -> FloatArray:
    """A second of the day for each entry of `row`, drawn by that row of `profile` within a part of the day.

    Args:
        profile: weight of each hour, (n_rows, 24).
        row: rows of `profile`, (n,).
        within: part of each hour that may be drawn, (24,).
        rng: of the draw.
    """
    cumulative = (profile * within).cumsum(axis=1)
    place = rng.random(len(row)) * cumulative[row, -1]
    hour = (place[:, None] >= cumulative[row]).sum(axis=1).clip(0, 23)
    first = np.flatnonzero(within)[0]
    offset = np.where(hour == first, 1.0 - within[hour], 0.0)  # the first hour may have begun before the window
    return np.asarray(3600.0 * (hour + offset + rng.random(len(row)) * within[hour]))


def hours_by_part(kind: IntArray, activity: FloatArray) -> FloatArray:
    """Share of each hour in what is sold online, to businesses and in stores, (2: weekday and weekend, 3, 24)."""
    weight = np.bincount(kind, activity, minlength=len(KINDS))
    online = np.einsum("k,wkh->wh", weight / weight.sum(), hour_profiles())
    return np.stack([online, *(np.tile(part, (2, 1)) for part in (OFFICE, STORE))], axis=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Expected demand over time, relative to a normal day of the item.

    Args:
        hour_share: share of each hour in the shop's day, (2: weekday and weekend, 24).
        amplitude: height of each category's season, as a fraction.
        peak: day of the year at which it is highest.
    """

    hour_share: FloatArray
    amplitude: FloatArray
    peak: FloatArray

    def day_factor(self, day: datetime) -> FloatArray:
        """Factor of the day's weekday and season, (n_categories,)."""
        angle = 2.0 * np.pi * (day.timetuple().tm_yday - self.peak) / 365.25
        return np.asarray(_WEEKDAY[day.weekday()] * (1.0 + self.amplitude * np.cos(angle)))

    def share(self, day: datetime, start: datetime, end: datetime) -> float:
        """Share of the demand of the day beginning at `day` that falls into [start, end)."""
        return float(self.hour_share[int(day.weekday() >= 5)] @ hours_within(day, start, end))

    def shares(self, windows: Sequence[tuple[datetime, datetime]], days: Sequence[datetime]) -> FloatArray:
        """`share` of every window in every day, (n_windows, n_days)."""
        return np.array([[self.share(day, *window) for day in days] for window in windows]).reshape(-1, len(days))


def shop_calendar(
    kind: IntArray, activity: FloatArray, parts: FloatArray, n_categories: int, *, rng: np.random.Generator
) -> Calendar:
    """The shop's rhythm is that of its customers.

    Args:
        kind: of each customer, as index into `KINDS`.
        activity: of each customer.
        parts: share of units sold online, to businesses and in stores, (2: weekday and weekend, 3); rows sum to 1.
        n_categories: number of categories, each with its season.
        rng: of the seasons.
    """
    return Calendar(
        hour_share=np.einsum("wp,wph->wh", parts, hours_by_part(kind, activity)),
        amplitude=rng.uniform(0.05, 0.35, n_categories),
        peak=rng.uniform(0.0, 365.0, n_categories),
    )
