"""Tables that are lists, not logs: catalogs, item histories, promotions, customers."""

from __future__ import annotations

import polars as pl

from flashlift.events.clean import item_values
from flashlift.events.parse import instants, numbers, texts
from flashlift.events.source import Source
from flashlift.schema import Promotions

__all__ = ["list_rows", "promotion_rows"]

_REQUIRED = {
    "items": ("item_id",),
    "history": ("item_id", "at"),
    "customers": ("customer_id",),
    "promotions": ("item_id", "start", "end"),
}
_HISTORY = {"price": "list_price", "on_hand": "stock"}
_TIMES = ("at", "start", "end")
_NUMBERS = ("price", "position", "randomized", "list_price", "unit_cost", "stock", "on_hand")


def list_rows(raw: pl.DataFrame, own: pl.DataFrame, source: Source, table: str) -> tuple[pl.DataFrame, int]:
    """Typed rows with the `rule` each one breaks (null: none), and how many item values cannot be used.

    The only rule besides the source's own: `incomplete_<table>`, where a column that identifies the row is missing.
    A list without times has `at` null.
    """
    if table == "history":  # the names of schema ItemHistory do as well
        raw = raw.rename({theirs: ours for theirs, ours in _HISTORY.items() if theirs in raw and ours not in raw})
    rows = pl.DataFrame([texts(column) for column in raw if column.name not in (*_TIMES, *_NUMBERS)])
    zone = source.timezone or "UTC"
    times = [instants(raw[c], timezone=zone, time_format=source.time_format) for c in _TIMES if c in raw.columns]
    values, dropped = item_values(raw)
    rows = rows.with_columns(*times, *values)
    if "at" not in rows.columns:
        rows = rows.with_columns(at=pl.lit(None, dtype=pl.Datetime("us", "UTC")))
    incomplete = pl.any_horizontal(pl.col(c).is_null() for c in _REQUIRED[table])
    rule = pl.coalesce(
        pl.when(incomplete).then(pl.lit(f"incomplete_{table}")),
        *(pl.when(own[name]).then(pl.lit(name)) for name in own.columns),
    )
    return rows.with_columns(rule=rule), dropped


def promotion_rows(rows: pl.DataFrame, raw: pl.DataFrame) -> pl.DataFrame:
    """Rows as schema Promotions; a promotion that does not say so was not drawn by lot."""

    def number(name: str) -> pl.Series:
        return numbers(raw[name]) if name in raw.columns else pl.Series(name, [None] * rows.height, dtype=pl.Float64)

    price, position = number("price"), number("position")
    frame = rows.select("item_id", "start", "end").with_columns(
        pl.select(pl.when(price > 0).then(price).alias("price")).to_series(),
        pl.select(pl.when(position >= 1).then(position).cast(pl.Int64).alias("position")).to_series(),
        randomized=(_flags(raw["randomized"]) if "randomized" in raw.columns else pl.lit(value=False)),
    )
    return frame.select(Promotions.column_names())


def _flags(values: pl.Series) -> pl.Series:
    return (
        values.cast(pl.String)
        .str.strip_chars()
        .str.to_lowercase()
        .is_in(["true", "1", "1.0", "yes"])
        .fill_null(value=False)
    )
