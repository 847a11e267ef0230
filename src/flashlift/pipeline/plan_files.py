"""A plan as files for people and other programs: a spreadsheet, Parquet, JSON and a calendar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import polars as pl

from flashlift import artifacts
from flashlift.errors import OutputError
from flashlift.pipeline.plan_calendar import calendar
from flashlift.pipeline.plan_json import plan_json
from flashlift.pipeline.planned import Planned
from flashlift.pipeline.spreadsheet import parquet_bytes, spreadsheet
from flashlift.settings import Settings

__all__ = ["check_places", "write_plan_files"]


def check_places(places: Sequence[Path]) -> None:
    """Refuse a file of unknown kind before any work is done.

    Raises:
        OutputError: an ending that is no kind of a plan file.
    """
    for path in places:
        if path.suffix.lower() not in FORMATS:
            raise OutputError(f"Cannot write {path}: its kind is unknown. Name a {', '.join(FORMATS)} file.")


def write_plan_files(planned: Planned, settings: Settings, places: Sequence[Path] = ()) -> None:
    """Write plan.csv, .parquet, .json and .ics into the work folder, and to other places by their ending.

    Each file is written whole or not at all; one that says the same already is left alone.

    Args:
        planned: the plan.
        settings: for the shop's name and currency and the campaign's time zone.
        places: further files.

    Raises:
        OutputError: a place cannot be written, or its ending is no kind of a plan file.
    """
    check_places(places)
    own = (settings.shop.work / f"plan{kind}" for kind in FORMATS)
    for path in (*own, *places):
        content = FORMATS[path.suffix.lower()](planned, settings)
        if not (path.is_file() and path.read_bytes() == content):
            artifacts.write_bytes(path, content)


def _csv(planned: Planned, settings: Settings) -> bytes:
    """Local times without an offset, as spreadsheets know them; the offset beside tells the hour that comes twice."""
    zone = settings.campaign.timezone
    start = pl.col("start").dt.convert_time_zone(zone)
    table = planned.table.with_columns(
        pl.col("start", "end").dt.convert_time_zone(zone).dt.strftime("%Y-%m-%d %H:%M:%S"),
        timezone=pl.lit(zone),
        utc_offset=start.dt.strftime("UTC%:z"),
        verdict=pl.lit(planned.verdict.sentence),
    )
    return spreadsheet(table).encode()


def _parquet(planned: Planned, _: Settings) -> bytes:
    return parquet_bytes(planned.table)


def _json(planned: Planned, settings: Settings) -> bytes:
    return plan_json(planned, settings).encode()


FORMATS: dict[str, Callable[[Planned, Settings], bytes]] = {
    ".csv": _csv,
    ".parquet": _parquet,
    ".json": _json,
    ".ics": calendar,
}
