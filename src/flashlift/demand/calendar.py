"""What the calendar tells of the day that is forecast, beside its weekday: public holidays, and the year before."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flashlift.demand.feasts import feasts
from flashlift.demand.season import Season
from flashlift.protocols import FloatArray, IntArray

__all__ = ["FADE_DAYS", "N_YEAR_AGO", "Calendar"]

N_YEAR_AGO = 6
FADE_DAYS = 20.0
"""Horizon over which what the last days tell wears off, in days."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calendar:
    """Columns of the baseline that no shop without holidays and without a second year has.

    Args:
        season: a year ago; None where the log is too short.
        holiday: sorted days of public holidays, in days since 1970-01-01; empty where no country is named.
    """

    season: Season | None
    holiday: IntArray

    def year_ago(self, category: IntArray, origin_day: IntArray, horizon: IntArray) -> FloatArray:
        """Changes of a year ago for items of a category (-1: unknown), (n, N_YEAR_AGO); (n, 0) without a season."""
        if self.season is None:
            return np.zeros((len(category), 0))
        changes = self.season.changes(category, origin_day, horizon)
        return np.concatenate([changes, changes[:, :2] * np.exp(-horizon / FADE_DAYS)[:, None]], axis=1)

    def marks(self, day: IntArray) -> FloatArray:
        """Marks of holidays and of the days beside them, (n, 3); (n, 0) where no country is named."""
        return feasts(day, self.holiday) if len(self.holiday) else np.zeros((len(day), 0))

    def lately(self) -> Calendar:
        """What forecasts made at the end of the log need."""
        return self if self.season is None else replace(self, season=self.season.lately())
