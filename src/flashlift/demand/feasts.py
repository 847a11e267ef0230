"""Public holidays of the shop's country (the `holidays` package), and the days before and after them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from flashlift.errors import SettingsError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["N_FEASTS", "feasts", "holiday_days"]

N_FEASTS = 3
_EPOCH = date(1970, 1, 1)


def holiday_days(country: str, first_day: int, last_day: int) -> IntArray:
    """Days of public holidays from the year of `first_day` to the year of `last_day`, in days since 1970-01-01, sorted.

    Args:
        country: ISO 3166 code of two letters, such as "GB".
        first_day: in days since 1970-01-01.
        last_day: the same.

    Raises:
        SettingsError: the package does not know the country.
    """
    import holidays  # a tenth of a second, and most shops do not name a country

    years = range((_EPOCH + timedelta(days=first_day)).year, (_EPOCH + timedelta(days=last_day)).year + 1)
    try:
        named = holidays.country_holidays(country, years=years)
    except NotImplementedError as error:
        raise SettingsError(
            f"No holidays are known of the country {country!r}. Give a two-letter ISO code such as 'GB', or none."
        ) from error
    return np.array(sorted((day - _EPOCH).days for day in named), dtype=np.int64)


def feasts(day: IntArray, holiday: IntArray) -> FloatArray:
    """1 on a holiday, on the day after one, and on the day before one, (n, 3).

    A day is marked once, by the first of these that holds.

    Args:
        day: in days since 1970-01-01, (n,).
        holiday: sorted days of holidays.
    """
    place = np.searchsorted(holiday, day)
    padded = np.concatenate([[np.iinfo(np.int64).min // 2], holiday, [np.iinfo(np.int64).max // 2]])
    ahead, behind = padded[place + 1] - day, day - padded[place]
    marks = [ahead == 0, behind == 1, ahead == 1]
    out = np.zeros((len(day), N_FEASTS))
    out[np.arange(len(day)), np.argmax(marks, axis=0)] = np.any(marks, axis=0)
    return out
