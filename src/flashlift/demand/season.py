"""What the shop did a year ago between the day of forecasting and the day that is forecast.

A season is not named but copied: 364 days back, so that weekdays and most feasts fall together, how did units around
the target compare with units before the origin? Rates of the item's category, each shrunk to the shop's own change as
a gamma-Poisson posterior mean, because one category's week of one year is mostly accident. How far the past year is
to be believed, and how much less so at short horizons, is learned with the rest of the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["KNOWN", "Season"]

YEAR = 364
KNOWN = 3
"""Column of the changes that is 1 where there is a year behind."""

_BEFORE, _LONG_BEFORE = 28, 84  # days before the origin that the target is compared with
_NEAR, _AROUND = 3, 14  # days on either side of the target
_LENT = 30.0  # purchases that the shop lends to a category
_LEAST_DAYS = YEAR + _BEFORE + 182  # a log that holds half a year of days with a year behind them


@dataclass(frozen=True, slots=True, kw_only=True)
class Season:
    """Running sums by category, the shop last, (n_categories + 1, n_days + 1).

    Args:
        first_day: day of the first column, in days since 1970-01-01.
        units: units of normal days.
        days: normal days of its items.
        lump: usual units per purchase of the shop.
    """

    first_day: int
    units: FloatArray
    days: FloatArray
    lump: float

    @classmethod
    def of(cls, first_day: int, units: FloatArray, days: FloatArray, lump: float) -> Season | None:
        """The season of a log; None where it is shorter than a year and a half."""
        return None if units.shape[1] <= _LEAST_DAYS else cls(first_day=first_day, units=units, days=days, lump=lump)

    def lately(self) -> Season:
        """What forecasts made at the end of the log need."""
        first = max(self.units.shape[1] - 1 - YEAR - _LONG_BEFORE, 0)
        return Season(
            first_day=self.first_day + first, units=self.units[:, first:], days=self.days[:, first:], lump=self.lump
        )

    def changes(self, group: IntArray, origin_day: IntArray, horizon: IntArray) -> FloatArray:
        """Log changes of a year ago, (n, 4): to the target's week, to its month, into the origin, and 1 where known.

        Args:
            group: category of each item; -1 for the shop.
            origin_day: day of forecasting, in days since 1970-01-01, (n,).
            horizon: the target is the `horizon`-th day from it on, (n,).
        """
        origin = origin_day - YEAR - self.first_day
        target = origin + horizon - 1
        long_before = (origin - _LONG_BEFORE, origin)
        windows = (
            (target - _NEAR, target + _NEAR + 1),
            (target - _AROUND, target + _AROUND + 1),
            (origin - _BEFORE, origin),
        )
        shop = np.full_like(group, -1)
        week, month, before = (
            np.log(self._change(group, window, long_before, self._change(shop, window, long_before, 1.0)))
            for window in windows
        )
        known = origin >= _BEFORE
        return np.where(known[:, None], np.stack([week - before, month - before, before, np.ones(len(group))], 1), 0.0)

    def _change(
        self,
        group: IntArray,
        window: tuple[IntArray, IntArray],
        base: tuple[IntArray, IntArray],
        prior: FloatArray | float,
    ) -> FloatArray:
        """Rate in a window over that in another, shrunk to the prior."""
        units, days = self._within(self.units, group, window), self._within(self.days, group, window)
        base_units, base_days = self._within(self.units, group, base), self._within(self.days, group, base)
        lent = _LENT * self.lump
        expected = days * base_units / np.maximum(base_days, 1e-9)
        told = np.where(base_units > lent, units, 0.0)  # a category that began lately says nothing of its season
        return np.asarray((told + lent) / (np.where(base_units > lent, expected, 0.0) + lent / prior))

    def _within(self, running: FloatArray, group: IntArray, window: tuple[IntArray, IntArray]) -> FloatArray:
        begin, end = (np.clip(edge, 0, running.shape[1] - 1) for edge in window)
        return np.asarray(running[group, end] - running[group, begin])
