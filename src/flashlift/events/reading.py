"""One file on its way into the store, batch by batch: events, rejected rows, and what was said on the side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import polars as pl

from flashlift.artifacts import digest
from flashlift.errors import InputError
from flashlift.events import catalog
from flashlift.events.clean import Cleaning, broken_rules, event_frame, item_values, typed_rows
from flashlift.events.lists import PLAIN_LISTS, list_rows, plain_rows
from flashlift.events.mapping import CUSTOMER_COLUMNS, ITEM_COLUMNS, ColumnMap
from flashlift.events.parse import texts
from flashlift.events.read import Feed
from flashlift.events.store import PART_KINDS, Part, Shelf
from flashlift.privacy import Key
from flashlift.schema import Events

__all__ = ["Reading"]

# Where every row of a file breaks one of these, the mapping is wrong; a short later file may simply hold bad rows.
_WRONG_MAPPING = {
    "unreadable_time": ("at", "its at is never a time", "Map the right column, or set time_format"),
    "unreadable_price": ("price", "its price is never a number", "Map the right column, or compute it with REPLACE"),
    "unreadable_quantity": ("quantity", "its quantity is never a number", "Map the right column"),
    "missing_item": ("item_id", "its item_id is always missing", "Map the right column"),
    "unknown_event": ("event", "its event is never a known kind", "Name it in event_names"),
    "in_future": ("at", "all of it lies in the future", "Check time_format, timezone and the clock"),
}
_WRONG_MAPPING_ROWS = 10


@dataclass(slots=True, kw_only=True)
class Reading:
    """Takes the batches of one feed in order; `finish` gives the record for the manifest."""

    feed: Feed
    columns: ColumnMap
    shelf: Shelf
    key: Key
    cleaning: Cleaning
    now: datetime
    rows: int = 0
    accepted: int = 0
    cancellations: int = 0
    already_stored: int = 0
    values_dropped: int = 0
    rules: Counter[str] = field(default_factory=Counter)
    examples: dict[str, tuple[int, Any]] = field(default_factory=dict)
    before: list[Part] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    held: pl.DataFrame = field(default_factory=Events.create_empty)
    paths: dict[str, list[str]] = field(default_factory=lambda: {kind: [] for kind in PART_KINDS})
    records: dict[str, list[pl.DataFrame]] = field(
        default_factory=lambda: {kind: [] for kind in ("items", "values", "customers")}
    )

    def __post_init__(self) -> None:
        self.before = self.shelf.parts

    def take(self, batch: pl.DataFrame) -> None:
        """Read one batch.

        Raises:
            InputError: a column expression cannot be evaluated.
        """
        raw, own = self.columns.apply(batch, self.key)
        numbered = pl.int_range(self.rows, self.rows + raw.height, dtype=pl.Int64, eager=True).alias("row")
        if self.columns.table == "events":
            self._take_events(raw, own, numbered)
        else:
            self._take_list(raw, own, numbered)
        self.rows += batch.height

    def finish(self) -> dict[str, Any]:
        """Write what is left and describe the file.

        Raises:
            InputError: the file holds no rows, or all its rows break one rule that speaks of a wrong mapping.
        """
        if self.rows == 0:
            raise InputError(f"{self.feed.name} is empty: it holds no rows. Remove it, or check how it was written.")
        self._refuse_wrong_mapping()
        self._put_events(self.held)
        for kind, records in self.records.items():
            if records:
                merge = catalog.merged_values if kind == "values" else catalog.merged
                self.paths[kind].append(self.shelf.put(merge(records), "seen"))
        events = [part.to_json() for part in self.parts]
        return {
            "source": self.feed.name,
            "table": self.columns.table,
            "digest": self.feed.digest or digest(self.feed.name, events, dict(self.rules)),
            "rows": self.rows,
            "accepted": self.accepted,
            "cancellations": self.cancellations,
            "already_stored": self.already_stored,
            "values_dropped": self.values_dropped,
            "rules": dict(sorted(self.rules.items())),
            "adds": bool(self.accepted or self.cancellations or self.rules),
            "events": events,
            **self.paths,
        }

    def _take_events(self, raw: pl.DataFrame, own: pl.DataFrame, numbered: pl.Series) -> None:
        rows = typed_rows(raw, self.feed.source)
        priced = "price" in self.columns.ours
        rule = broken_rules(rows, own, cleaning=self.cleaning, now=self.now, priced=priced)
        rows = rows.with_columns(numbered, rule)
        stored = self._is_stored(rows)
        repeated = ~rows["event_id"].is_first_distinct() | self._is_repeated(rows)
        rows = rows.with_columns(rule=pl.when(repeated).then(pl.lit("duplicate")).otherwise("rule")).filter(~stored)
        self.already_stored += int(stored.sum())
        self._reject(rows.filter(pl.col("rule").is_not_null()), raw)
        good = rows.filter(pl.col("rule").is_null())
        events = event_frame(good)
        cancels = events["event"] == "refund"
        self._cancel(events.filter(cancels), good.filter(cancels), raw)
        self.accepted += int((~cancels).sum())
        self._observe(events.filter(~cancels), good.filter(~cancels), raw)
        self._write(events.filter(~cancels))

    def _is_stored(self, rows: pl.DataFrame) -> pl.Series:
        """Rows that an earlier file brought: accepted then, or rejected then and again."""
        given = "event_id" in self.columns.ours
        ids = _ids(rows, [self.shelf.folder / p.path for p in _overlapping(self.before, rows, given)], given)
        ids |= _ids(rows, self.shelf.paths("cancelled"), given=True)
        broken = rows["rule"].is_not_null()
        again = _ids(rows.filter(broken), self.shelf.paths("rejected"), given=True)
        return rows["event_id"].is_in(list(ids)) | (broken & rows["event_id"].is_in(list(again)))

    def _is_repeated(self, rows: pl.DataFrame) -> pl.Series:
        """Rows that an earlier batch of this file brought."""
        given = "event_id" in self.columns.ours
        ids = _ids(rows, [self.shelf.folder / p.path for p in _overlapping(self.parts, rows, given)], given)
        others = [self.shelf.folder / path for kind in ("cancelled", "rejected") for path in self.paths[kind]]
        ids |= _ids(rows, others, given=True)
        return rows["event_id"].is_in([*ids, *self.held["event_id"]])

    def _reject(self, rows: pl.DataFrame, raw: pl.DataFrame) -> None:
        if rows.is_empty():
            return
        for name, count in rows["rule"].value_counts().iter_rows():
            self.rules[name] += count
            if name in _WRONG_MAPPING and name not in self.examples:
                row, column = rows.filter(pl.col("rule") == name)["row"][0], _WRONG_MAPPING[name][0]
                self.examples[name] = (row, raw[column][row - self.rows])
        self.paths["rejected"].append(self.shelf.put(self._as_read(rows, raw), "rejected"))

    def _cancel(self, events: pl.DataFrame, rows: pl.DataFrame, raw: pl.DataFrame) -> None:
        if events.is_empty():
            return
        self.cancellations += events.height
        kept = self._as_read(rows.with_columns(rule=pl.lit("cancellation_without_purchase")), raw).drop("event_id")
        self.paths["cancelled"].append(
            self.shelf.put(pl.concat([Events.validate(events), kept], how="horizontal"), "cancelled")
        )

    def _as_read(self, rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
        """Rows as schema Rejected, with their identity. Only mapped columns: others may hold personal data."""
        content = raw[rows["row"] - self.rows].select(pl.struct(pl.all()).struct.json_encode()).to_series()
        return rows.select(pl.lit(self.feed.name).alias("source"), "row", "rule", content.alias("content"), "event_id")

    def _observe(self, events: pl.DataFrame, rows: pl.DataFrame, raw: pl.DataFrame) -> None:
        """Keep what accepted rows say about items and customers."""
        raw = raw[rows["row"] - self.rows]
        values, dropped = item_values(raw)
        self.values_dropped += dropped
        words = [texts(raw[c]) for c in ITEM_COLUMNS if c in raw.columns and c not in values.columns]
        said = events.select("item_id", "at").with_columns(words)
        from_title = bool(self.feed.source.category_from_title)
        self.records["items"].append(catalog.item_records(said, rank=0, from_title=from_title))
        if values.width:
            money = [values[c] * rows["rate"] for c in ("list_price", "unit_cost") if c in values.columns]
            named = events.select("item_id", "at").with_columns(*values.with_columns(money))
            self.records["values"].append(catalog.value_records(named, daily=True))
        if persons := [texts(raw[c]) for c in CUSTOMER_COLUMNS if c in raw.columns]:
            known = events.select("customer_id", "at").with_columns(persons)
            self.records["customers"].append(catalog.person_records(known, rank=0))

    def _write(self, events: pl.DataFrame) -> None:
        """Write a part. Its last instant waits for the next one, so that the parts of a sorted file do not overlap."""
        events = pl.concat([self.held, events])
        if events.is_empty():
            return
        last = events["at"].max()
        self.held = events.filter(pl.col("at") == last)
        self._put_events(events.filter(pl.col("at") < last))

    def _put_events(self, events: pl.DataFrame) -> None:
        if events.is_empty():
            return
        events = Events.validate(events.sort("at", "event_id"))
        path = self.shelf.put(events, "events")
        self.parts.append(Part(path=path, rows=events.height, first=events["at"][0], last=events["at"][-1]))

    def _take_list(self, raw: pl.DataFrame, own: pl.DataFrame, numbered: pl.Series) -> None:
        """Rows of any table but events."""
        table = self.columns.table
        rows, dropped = list_rows(raw, own, self.feed.source, table)
        self.values_dropped += dropped
        marked = rows.with_columns(numbered, event_id=pl.lit(None, dtype=pl.String))
        self._reject(marked.filter(pl.col("rule").is_not_null()), raw)
        good = rows["rule"].is_null()
        rows, raw = rows.filter(good), raw.filter(good)
        self.accepted += rows.height
        rank = len(self.shelf.files) + 1  # a later list is believed before an earlier one
        if table == "items":
            flag = bool(self.feed.source.category_from_title)
            self.records["items"].append(catalog.item_records(rows, rank=rank, from_title=flag))
        elif table == "customers":
            self.records["customers"].append(catalog.person_records(rows, rank=rank))
        elif table == "history":
            self.records["values"].append(catalog.value_records(rows, daily=False))
        elif table in PLAIN_LISTS:
            found, unusable = plain_rows(rows, raw, table)
            self.values_dropped += unusable
            self.paths[table].append(self.shelf.put(found, "seen"))

    def _refuse_wrong_mapping(self) -> None:
        first = not any(entry["table"] == "events" for entry in self.shelf.files)
        few = self.rows < _WRONG_MAPPING_ROWS and not first
        if few or self.accepted or self.cancellations or self.already_stored:
            return
        broken = self.rows - self.rules["duplicate"]
        for rule, (column, what, fix) in _WRONG_MAPPING.items():
            if self.rules[rule] == broken:
                row, value = self.examples[rule]
                raise InputError(
                    f"No row of {self.feed.name} can be used: {what}, "
                    f"e.g. {column} = {value!r} in row {row + 1}. {fix}."
                )


def _overlapping(parts: Sequence[Part], rows: pl.DataFrame, given: bool) -> list[Part]:
    """Parts that may hold one of the rows: a derived identity includes the time, a given one may come with any."""
    if given:
        return list(parts)
    if rows["at"].null_count() == rows.height:
        return []
    low, high = cast("datetime", rows["at"].min()), cast("datetime", rows["at"].max())
    return [part for part in parts if part.first <= high and part.last >= low]


def _ids(rows: pl.DataFrame, paths: Sequence[Path], given: bool) -> set[str]:
    """Identities among `rows` that the parts hold."""
    if not paths or rows.is_empty():
        return set()
    parts = pl.scan_parquet(list(paths))
    if not given:
        parts = parts.filter(pl.col("at").is_between(rows["at"].min(), rows["at"].max()))
    found = parts.select("event_id").join(rows.select("event_id").lazy(), on="event_id", how="semi")
    return set(found.collect(engine="streaming").to_series())
