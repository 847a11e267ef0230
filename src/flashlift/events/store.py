"""The event store: a folder of immutable Parquet parts and one manifest that says which of them count.

    manifest.json        what was read, which parts hold it, digests
    events/              Events, sorted by time, one or more parts for each source file
    cancelled/           cancellations as read, to be matched again whenever a file arrives
    rejected/            Rejected, with the identity of each row
    seen/                what each file said about items and customers, and the rows of plain lists
    tables/              refunds, unmatched cancellations, and every table but the events

A new file only adds parts; the manifest is then replaced in one step. So a reader sees the store before or after an
ingestion and nothing between, and an ingestion that dies leaves nothing but parts nobody refers to, which the next
one sweeps away. Files have mode 0600, folders 0700, because the store holds personal data.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from functools import reduce
from importlib.metadata import version
from pathlib import Path
from typing import Any

import polars as pl

from flashlift.artifacts import FORMAT, digest, read_manifest, write_text
from flashlift.errors import ArtifactError, OutputError
from flashlift.schema import Events, Rejected, Tables

__all__ = ["KIND", "PART_KINDS", "Part", "Shelf", "open_store", "rejected_rows", "writing"]

KIND = "events"
PART_KINDS = (
    *("cancelled", "rejected", "items", "values", "customers"),
    *("promotions", "ties", "stores", "exposures", "competitors"),
)
_FOLDERS = ("events", "cancelled", "rejected", "seen", "tables")
_ORDER = [Events.at.name, Events.event_id.name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One Parquet file of events, and the time it spans."""

    path: str
    rows: int
    first: datetime
    last: datetime

    def to_json(self) -> dict[str, Any]:
        """JSON-like form."""
        return {"path": self.path, "rows": self.rows, "first": self.first.isoformat(), "last": self.last.isoformat()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Part:
        """The part that `to_json` described."""
        first, last = (datetime.fromisoformat(data[name]) for name in ("first", "last"))
        return cls(path=data["path"], rows=data["rows"], first=first, last=last)


@dataclass(slots=True, kw_only=True)
class Shelf:
    """A store open for reading, or inside `writing` for adding to it.

    Args:
        folder: where it lies.
        files: one record per file read, in the order of ingestion.
        tables: table name -> path of its current part.
        head: key fingerprint and currency.
        serial: number of the next part.
    """

    folder: Path
    files: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, str] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    serial: int = 0

    @classmethod
    def read(cls, folder: Path) -> Shelf | None:
        """The store in the folder; None where there is none.

        Raises:
            ArtifactError: there is something else, or a damaged store.
        """
        head = read_manifest(folder)
        if head is None:
            return None
        if head.get("kind") != KIND or head.get("format") != FORMAT:
            raise ArtifactError(
                f"{folder} holds {head.get('kind')!r} of format {head.get('format')}, not an event store of format "
                f"{FORMAT}. Choose another folder, or delete it and ingest again."
            )
        try:
            body = head["manifest"]
            return cls(
                folder=folder, files=body["files"], tables=body["tables"], head=body["head"], serial=body["serial"]
            )
        except (KeyError, TypeError) as error:
            raise ArtifactError(f"{folder}/manifest.json is damaged. Delete {folder} and ingest again.") from error

    @property
    def parts(self) -> list[Part]:
        """Event parts in order of time."""
        parts = [Part.from_json(part) for entry in self.files for part in entry["events"]]
        return sorted(parts, key=lambda part: (part.first, part.last, part.path))

    def paths(self, kind: str) -> list[Path]:
        """Part files of one of `PART_KINDS` of all files read; an older store may not know the kind."""
        return [self.folder / path for entry in self.files for path in entry.get(kind, [])]

    def table(self, name: str) -> pl.DataFrame | None:
        """A current table; None where nothing of that kind was ever read."""
        path = self.tables.get(name)
        return None if path is None else pl.read_parquet(self.folder / path)

    def put(self, frame: pl.DataFrame, room: str) -> str:
        """Write one part durably and return its path inside the store."""
        path = f"{room}/{self.serial:08d}.parquet"
        self.serial += 1
        target = self.folder / path
        frame.write_parquet(target)
        handle = os.open(target, os.O_RDONLY)
        try:
            os.fchmod(handle, 0o600)
            os.fsync(handle)
        finally:
            os.close(handle)
        return path

    def commit(self) -> None:
        """Make everything put since the last commit part of the store, in one step."""
        content = [[entry["digest"], entry["settings"]] for entry in self.files if entry["adds"]]
        head = {
            "format": FORMAT,
            "kind": KIND,
            "flashlift": version("flashlift"),
            "inputs": digest(sorted(content), self.head),
            "frames": [],
            "manifest": {"files": self.files, "tables": self.tables, "head": self.head, "serial": self.serial},
        }
        write_text(self.folder / "manifest.json", json.dumps(head, indent=1, sort_keys=True) + "\n")

    def sweep(self) -> None:
        """Remove parts that the manifest does not name: leftovers of an interrupted ingestion, and old tables."""
        named = set(self.tables.values()) | {part.path for part in self.parts}
        for kind in PART_KINDS:
            named |= {str(path.relative_to(self.folder)) for path in self.paths(kind)}
        for room in _FOLDERS:
            for path in (self.folder / room).glob("*.parquet"):
                if f"{room}/{path.name}" not in named:
                    path.unlink()


@contextmanager
def writing(folder: Path) -> Iterator[Shelf]:
    """Open a store for adding to it, alone; make it where there is none.

    Raises:
        OutputError: the folder cannot be written, or another ingestion is at work on it.
        ArtifactError: the folder holds something else.
    """
    try:
        if folder.exists() and not (folder / "manifest.json").exists() and _foreign(folder):
            raise OutputError(f"{folder} is not empty and no event store. Choose another folder.")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for room in _FOLDERS:
            (folder / room).mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise OutputError(f"Another ingestion is writing {folder}. Wait until it has ended.") from None
            shelf = Shelf.read(folder) or Shelf(folder=folder)
            shelf.sweep()
            yield shelf
        finally:
            os.close(lock)
    except OSError as error:
        raise OutputError(
            f"The store {folder} cannot be written: {error.strerror}. Choose a folder you may write to."
        ) from error


def open_store(store: Path) -> Tables:
    """The tables of a store. Events come sorted by `at` (then `event_id`) and are read when they are asked for.

    Raises:
        ArtifactError: there is no store in the folder, or it is damaged.
    """
    shelf = Shelf.read(store)
    if shelf is None:
        raise ArtifactError(f"There is no event store in {store}. Run the ingestion first.")
    items = shelf.table("items")
    assert items is not None
    return Tables(
        events=_events(shelf),
        items=items,
        history=shelf.table("history"),
        promotions=shelf.table("promotions"),
        customers=shelf.table("customers"),
        ties=shelf.table("ties"),
        stores=shelf.table("stores"),
        exposures=shelf.table("exposures"),
        competitors=shelf.table("competitors"),
    )


def rejected_rows(store: Path) -> pl.LazyFrame:
    """All rejected rows (schema Rejected), file by file; unmatched cancellations come last.

    Raises:
        ArtifactError: there is no store in the folder.
    """
    shelf = Shelf.read(store)
    if shelf is None:
        raise ArtifactError(f"There is no event store in {store}. Run the ingestion first.")
    names = Rejected.column_names()
    frames = [pl.scan_parquet(path).select(names) for path in shelf.paths("rejected")]
    if "unmatched" in shelf.tables:
        frames.append(pl.scan_parquet(store / shelf.tables["unmatched"]).select(names))
    return pl.concat([Rejected.create_empty().lazy(), *frames])


def _events(shelf: Shelf) -> pl.LazyFrame:
    """Parts that do not overlap in time follow each other; only those that do are merged."""
    runs: list[list[Part]] = []
    for part in shelf.parts:
        if runs and part.first <= max(other.last for other in runs[-1]):
            runs[-1].append(part)
        else:
            runs.append([part])
    ordered = [_merge([pl.scan_parquet(shelf.folder / part.path) for part in run]) for run in runs]
    events = pl.concat(ordered) if ordered else Events.create_empty().lazy()
    if "refunds" in shelf.tables:
        events = events.merge_sorted(pl.scan_parquet(shelf.folder / shelf.tables["refunds"]), _ORDER)
    return events


def _merge(frames: list[pl.LazyFrame]) -> pl.LazyFrame:
    while len(frames) > 1:
        pairs = [frames[i : i + 2] for i in range(0, len(frames), 2)]
        frames = [reduce(lambda a, b: a.merge_sorted(b, _ORDER), pair) for pair in pairs]
    return frames[0]


def _foreign(folder: Path) -> bool:
    """Whether the folder holds anything but the remains of an ingestion that never finished."""
    return any(path.name not in {*_FOLDERS, ".lock"} for path in folder.iterdir())
