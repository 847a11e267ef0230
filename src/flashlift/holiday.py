"""Public holidays of a country, as the `holidays` package knows them."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from flashlift.errors import SettingsError
from flashlift.protocols import IntArray

__all__ = ["holiday_days"]

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
