"""From sources to the store: what a repeated, a grown or an overlapping file adds, and nothing else."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from flashlift.artifacts import digest
from flashlift.errors import SettingsError
from flashlift.events.clean import Cleaning
from flashlift.events.formats import expand
from flashlift.events.mapping import column_map
from flashlift.events.read import Feed, feeds, open_feed
from flashlift.events.reading import Reading
from flashlift.events.settle import settle
from flashlift.events.source import Source
from flashlift.events.store import Shelf, writing
from flashlift.privacy import Key
from flashlift.protocols import Progress, silent

__all__ = ["FileReport", "IngestReport", "ingest"]

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileReport:
    """What one file or query brought.

    Args:
        source: its name.
        table: the table it fills.
        rows: rows read; 0 where the file was known.
        accepted: rows that are new in the store.
        cancellations: rows that cancel; whether they find their purchase is settled over all files.
        rejected: rows that broke a rule of their own.
        already_stored: rows that an earlier file brought.
        known: the same bytes were ingested before, and nothing was read.
    """

    source: str
    table: str
    rows: int
    accepted: int
    cancellations: int
    rejected: int
    already_stored: int
    known: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestReport:
    """What an ingestion brought, file by file."""

    files: tuple[FileReport, ...]

    @property
    def changed(self) -> bool:
        """Whether the store's tables may differ from before."""
        return any(f.accepted or f.cancellations or f.rejected for f in self.files)

    def to_polars(self) -> pl.DataFrame:
        """One row per file."""
        names = list(FileReport.__dataclass_fields__)
        return pl.DataFrame({name: [getattr(f, name) for f in self.files] for name in names})

    def __str__(self) -> str:
        return str(self.to_polars())


def ingest(
    sources: Sequence[Source],
    store: Path,
    *,
    key: Key,
    cleaning: Cleaning | None = None,
    now: datetime,
    progress: Progress = silent,
) -> IngestReport:
    """Read sources into a store, adding to what it holds.

    A file whose bytes were read before is skipped; rows that another file brought before are left out; so an ingestion
    can be repeated at will. Nothing changes in the store until everything has been read.

    Args:
        sources: what to read, in this order.
        store: folder of the store.
        key: the shop's secret; always the same for one store.
        cleaning: figures of the cleaning rules; None takes the defaults.
        now: nothing may have happened later; aware.
        progress: told about rows read.

    Raises:
        InputError: a source cannot be read as it is described.
        SettingsError: contradicting definitions, another key, or other settings for a file that was read before.
        OutputError: the store cannot be written.
        ArtifactError: the folder holds something else.
    """
    cleaning = cleaning or Cleaning()
    if now.tzinfo is None:
        raise SettingsError("now has no time zone; pass an aware time, e.g. datetime.now(UTC).")
    if not sources:
        raise SettingsError("There is no source to ingest. Name at least one.")
    plain = [one for source in sources for one in expand(source)]
    todo = [feed for source in plain for feed in feeds(source)]
    with writing(store) as shelf:
        _check_head(shelf, plain, key)
        reports = [_add(feed, shelf, key=key, cleaning=cleaning, now=now, progress=progress) for feed in todo]
        if not all(report.known for report in reports):
            settle(shelf, progress)
            shelf.commit()
    log.info("%d of %d files were new to the store", sum(not r.known for r in reports), len(reports))
    return IngestReport(files=tuple(reports))


def _check_head(shelf: Shelf, sources: Sequence[Source], key: Key) -> None:
    if shelf.head.setdefault("key", key.fingerprint) != key.fingerprint:
        raise SettingsError(
            f"The store {shelf.folder} was written with another key, so its customers would not be recognized. "
            "Use that key, or ingest everything into a new store."
        )
    before = shelf.head.get("currency")
    currencies = {s.currency.upper() for s in sources if s.currency} | ({before} if before else set())
    if len(currencies) > 1:
        raise SettingsError(
            f"The sources and the store {shelf.folder} name several shop currencies ({', '.join(sorted(currencies))}). "
            "Set the same currency for all, and give rates from the others to it."
        )
    shelf.head["currency"] = next(iter(currencies), None)


def _add(feed: Feed, shelf: Shelf, *, key: Key, cleaning: Cleaning, now: datetime, progress: Progress) -> FileReport:
    """Read one file into new parts of the shelf, unless it is known."""
    settings = digest(feed.source.meaning(), cleaning.meaning())
    role = sorted(feed.source.columns)  # an adapter may read one file for two tables
    for entry in shelf.files:
        if feed.digest is not None and entry["digest"] == feed.digest and entry["role"] == role:
            if entry["settings"] != settings:
                raise SettingsError(
                    f"{feed.name} was ingested into {shelf.folder} before with other settings of its mapping or "
                    "cleaning. Restore them, or delete the store and ingest again."
                )
            return _report(entry, feed.name, known=True)
    opened = open_feed(feed)
    columns = column_map(feed.source, opened.schema, opened.sampled, place=feed.name)
    if "currency" in columns.ours and feed.source.currency is None:
        raise SettingsError(
            f"{feed.name} maps a column of currencies, but the shop's currency is not set. "
            'Set currency = "EUR" (or yours), and rates for the others.'
        )
    reading = Reading(feed=feed, columns=columns, shelf=shelf, key=key, cleaning=cleaning, now=now)
    total = opened.count()
    for batch in opened.batches(columns.needed):
        reading.take(batch)
        progress(f"read {feed.name}", reading.rows, total or reading.rows + 1)
    entry = {**reading.finish(), "role": role, "settings": settings}
    progress(f"read {feed.name}", reading.rows, reading.rows)
    if feed.digest is not None or entry["adds"]:
        shelf.files.append(entry)
    return _report(entry, feed.name, known=False)


def _report(entry: dict[str, Any], name: str, *, known: bool) -> FileReport:
    figures = {k: 0 if known else entry[k] for k in ("rows", "accepted", "cancellations", "already_stored")}
    rejected = 0 if known else sum(entry["rules"].values())
    return FileReport(source=name, table=entry["table"], rejected=rejected, known=known, **figures)
