"""Sources to tables."""

from __future__ import annotations

from datetime import UTC, datetime, time
from importlib.resources import files

from flashlift import events, privacy
from flashlift.errors import InputError
from flashlift.protocols import Progress, silent
from flashlift.settings import Settings, SourceSettings

__all__ = ["ingest"]


def ingest(settings: Settings, progress: Progress = silent) -> events.Quality:
    """Read every source into the shop's tables. A repeated file changes nothing."""
    store = settings.shop.work / "shop"
    events.ingest(
        [_source(source, settings) for source in settings.sources],
        store,
        key=privacy.load_or_create_key(settings.key_file, forbidden=settings.shop.work),
        cleaning=_cleaning(settings),
        now=settings.cleaning.now or datetime.now(UTC),
        progress=progress,
    )
    quality = events.quality(store)
    if quality.first is None and quality.rows_read:
        rule, rows, meaning = quality.rules.select("rule", "rows", "meaning").row(0)
        raise InputError(
            f"None of the {quality.rows_read:,} rows read can be used; {rows:,} broke the rule {rule} ({meaning}). "
            f"Correct the source or its mapping, and delete {store} before the next try."
        )
    return quality


def _cleaning(settings: Settings) -> events.Cleaning:
    rules, usual = settings.cleaning, events.Cleaning()
    return events.Cleaning(
        service_codes=(*usual.service_codes, *rules.service_codes),
        max_quantity=rules.max_quantity or usual.max_quantity,
        earliest=datetime.combine(rules.earliest, time(), UTC) if rules.earliest else usual.earliest,
    )


def _source(source: SourceSettings, settings: Settings) -> events.Source:
    bundled = str(files("flashlift") / "data" / f"{source.format}.parquet")
    return events.Source(
        format=source.format,
        path=bundled if source.path == "bundled" else source.path,
        url=source.url,
        query=source.query,
        columns=source.columns,
        event_names=source.event_names,
        timezone=source.timezone,
        time_format=source.time_format,
        currency=source.currency or settings.shop.currency,
        rates=settings.cleaning.rates,
    )
