"""Fold what all files of a store said into its tables: all but the events themselves."""

from __future__ import annotations

import polars as pl

from flashlift.events import catalog
from flashlift.events.cancellations import match_cancellations
from flashlift.events.lists import PLAIN_LISTS
from flashlift.events.store import Shelf
from flashlift.protocols import Progress
from flashlift.schema import Events, Items, Rejected

__all__ = ["settle"]

_MATCHED_ON = ["event_id", "customer_id", "item_id", "at", "quantity", "order_id"]


def settle(shelf: Shelf, progress: Progress) -> None:
    """Write the tables anew from all parts on the shelf."""
    progress("settle the tables", 0, 2)
    if shelf.paths("cancelled"):
        _refunds(shelf)
    progress("settle the tables", 1, 2)
    tables: dict[str, pl.DataFrame] = {}
    if values := _parts(shelf, "values"):
        tables["history"] = catalog.history_table(catalog.merged_values(values))
    items = _parts(shelf, "items")
    tables["items"] = catalog.items_table(pl.concat(items)) if items else Items.create_empty()
    if persons := _parts(shelf, "customers"):
        tables["customers"] = catalog.customers_table(pl.concat(persons))
    for name, schema in PLAIN_LISTS.items():
        if rows := _parts(shelf, name):
            together = catalog.mutual(pl.concat(rows)) if name == "ties" else pl.concat(rows)
            tables[name] = catalog.list_table(together, schema)
    for name, frame in tables.items():
        shelf.tables[name] = shelf.put(frame, "tables")
    progress("settle the tables", 2, 2)


def _parts(shelf: Shelf, kind: str) -> list[pl.DataFrame]:
    return [pl.read_parquet(path) for path in shelf.paths(kind)]


def _refunds(shelf: Shelf) -> None:
    """Match all cancellations anew, for a late file may bring the purchase of an early one."""
    cancelled = pl.concat(_parts(shelf, "cancelled"))
    pairs = cancelled.select("customer_id", "item_id").unique().lazy()
    purchases = (
        pl.concat([Events.create_empty().lazy(), *(pl.scan_parquet(shelf.folder / p.path) for p in shelf.parts)])
        .filter(pl.col("event") == "purchase")
        .select(_MATCHED_ON)
        .join(pairs, on=["customer_id", "item_id"], how="semi")
        .collect(engine="streaming")
    )
    found = match_cancellations(cancelled.select(_MATCHED_ON), purchases)
    refunds = cancelled.drop("order_id").join(found.select("event_id", "order_id"), on="event_id", how="inner")
    ordered = refunds.select(Events.column_names()).sort("at", "event_id")
    lost = cancelled.join(found, on="event_id", how="anti").select(Rejected.column_names())
    shelf.tables["refunds"] = shelf.put(Events.validate(ordered), "tables")
    shelf.tables["unmatched"] = shelf.put(Rejected.validate(lost.sort("source", "row")), "tables")
