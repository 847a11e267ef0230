"""From values as a source has them to typed ones: instants in UTC, numbers, identifiers; null where unreadable."""

from __future__ import annotations

import polars as pl

from flashlift.errors import SettingsError
from flashlift.events.source import EPOCH_UNITS
from flashlift.privacy import canonical_id

__all__ = ["instants", "kinds", "numbers", "present", "texts"]

_INSTANT = pl.Datetime("us", "UTC")
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "ns": 1e-3}
# "%+" is ISO 8601 with an offset; the others have none. A doubtful order of day and month is not guessed.
_ZONED = ("%+",)
_NAIVE = (
    "%Y-%m-%d %H:%M:%S%.f",
    "%Y-%m-%dT%H:%M:%S%.f",
    "%Y-%m-%d %H:%M",
    "%Y-%m-%dT%H:%M",
    "%Y-%m-%d",
)


def present(values: pl.Series) -> pl.Series:
    """True where the source has a value at all: not null and not blank."""
    filled = values.is_not_null()
    return filled & (values.str.strip_chars() != "").fill_null(value=False) if values.dtype == pl.String else filled


def texts(values: pl.Series) -> pl.Series:
    """Identifiers and texts in their canonical form; see `flashlift.privacy.canonical_id`."""
    return canonical_id(values)


def numbers(values: pl.Series) -> pl.Series:
    """Finite numbers as floats; anything else is null. Thousands separators and decimal commas are not guessed."""
    plain = values.str.strip_chars() if values.dtype == pl.String else values
    numeric = plain.cast(pl.Float64, strict=False)
    return pl.select(pl.when(numeric.is_finite()).then(numeric).alias(values.name)).to_series()


def kinds(values: pl.Series, names: dict[str, str]) -> pl.Series:
    """Our names of events; null where a name is unknown. Case and surrounding blanks do not matter."""
    lower = values.cast(pl.String).str.strip_chars().str.to_lowercase()
    return lower.replace_strict(list(names), list(names.values()), default=None, return_dtype=pl.String)


def instants(values: pl.Series, *, timezone: str, time_format: str | None) -> pl.Series:
    """Times in UTC at microseconds.

    Args:
        values: datetimes, dates, epoch numbers, YYYYMMDD numbers or text.
        timezone: zone of times without one.
        time_format: see `Source`.

    Raises:
        SettingsError: the zone or the format is not known.
    """
    try:
        return _instants(values, timezone, time_format).alias(values.name)
    except pl.exceptions.ComputeError as error:
        raise SettingsError(
            f"Times cannot be read with timezone {timezone!r} and time_format {time_format!r} "
            f"({str(error).splitlines()[0]}). Use an IANA zone such as Europe/London and strftime codes."
        ) from error


def _instants(values: pl.Series, timezone: str, time_format: str | None) -> pl.Series:
    if isinstance(values.dtype, pl.Datetime) or values.dtype == pl.Date:
        return _to_utc(values.cast(pl.Datetime("us", getattr(values.dtype, "time_zone", None))), timezone)
    if values.dtype.is_numeric():
        return _epochs(values, timezone, time_format)
    if values.dtype == pl.Null:
        return values.cast(_INSTANT)
    text = values.cast(pl.String).str.strip_chars()
    if time_format in EPOCH_UNITS:
        return _epochs(text.cast(pl.Float64, strict=False), timezone, time_format)
    if time_format is not None:
        return _to_utc(text.str.to_datetime(time_format, strict=False, time_unit="us", ambiguous="earliest"), timezone)
    return _detect(text, timezone)


def _detect(text: pl.Series, timezone: str) -> pl.Series:
    """Each value by the first format that fits it, so that no row depends on its neighbors."""
    found = _epochs(text.cast(pl.Int64, strict=False), timezone, None)
    dashed = text.str.replace_all("/", "-", literal=True)
    missing = text.null_count()
    for pattern in (*_NAIVE, *_ZONED):
        if found.null_count() == missing:
            break
        zone = "UTC" if pattern in _ZONED else None
        read = dashed.str.to_datetime(pattern, strict=False, time_unit="us", time_zone=zone)
        found = found.zip_with(found.is_not_null(), _to_utc(read, timezone))
    return found


def _epochs(values: pl.Series, timezone: str, unit: str | None) -> pl.Series:
    v = pl.col("v")
    if unit is not None:
        factor = _MICROSECONDS.get(unit)
        if factor is None:
            raise SettingsError(
                f"time_format {unit!r} does not fit times that are numbers. Use one of {', '.join(EPOCH_UNITS)}."
            )
        micros = (v * factor).round().cast(pl.Int64, strict=False)
        return pl.DataFrame({"v": values}).select(micros.cast(_INSTANT)).to_series()
    size = v.abs()
    micros = (
        pl.when(size < 1e11)
        .then((v * 1_000_000).round())
        .when(size < 1e14)
        .then((v * 1_000).round())
        .when(size < 1e17)
        .then(v.round() if values.dtype.is_float() else v)
        .otherwise(v // 1_000)
        .cast(pl.Int64, strict=False)
    )
    frame = pl.DataFrame({"v": values if values.dtype.is_float() else values.cast(pl.Int64)})
    epochs = frame.select(micros.cast(_INSTANT)).to_series()
    as_date = frame["v"].is_between(19_000_101, 21_001_231) & (frame["v"] == frame["v"].floor())
    if not as_date.any():
        return epochs
    days = (
        frame["v"].cast(pl.Int64, strict=False).cast(pl.String).str.to_datetime("%Y%m%d", strict=False, time_unit="us")
    )
    return _to_utc(days, timezone).zip_with(as_date, epochs)


def _to_utc(times: pl.Series, timezone: str) -> pl.Series:
    if getattr(times.dtype, "time_zone", None) is not None:
        return times.dt.convert_time_zone("UTC")

    def local(t: pl.Series) -> pl.Series:
        zoned = t.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
        return zoned.dt.convert_time_zone("UTC")

    first = local(times)
    if first.null_count() == times.null_count():
        return first
    # 02:30 of a clock change that skips 02:00-03:00 is the instant that the new clock calls 03:30.
    return first.zip_with(first.is_not_null(), local(times.dt.offset_by("1h")))
