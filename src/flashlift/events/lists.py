"""Tables that are lists, not logs: catalogs, item histories, customers, promotions, ties, stores and the like."""

from __future__ import annotations

from collections.abc import Mapping

import dataframely as dy
import polars as pl

from flashlift.events.clean import in_shop_currency, item_values
from flashlift.events.parse import instants, numbers, present, texts
from flashlift.events.source import Source
from flashlift.schema import Competitors, Exposures, Promotions, Stores, Ties

__all__ = ["PLAIN_LISTS", "list_rows", "plain_rows"]

# Lists whose rows are the rows of our table; the others are folded item by item or customer by customer.
PLAIN_LISTS: Mapping[str, type[dy.Schema]] = {
    "promotions": Promotions,
    "ties": Ties,
    "stores": Stores,
    "exposures": Exposures,
    "competitors": Competitors,
}
_REQUIRED = {
    "items": ("item_id",),
    "history": ("item_id", "at"),
    "customers": ("customer_id",),
    "promotions": ("item_id", "start", "end"),
    "ties": ("customer_id", "friend_id"),
    "stores": ("store_id",),
    "exposures": ("exposure_id", "customer_id", "item_id", "at"),
    "competitors": ("item_id", "at", "seller"),
}
_HISTORY = {"price": "list_price", "on_hand": "stock"}
_TIMES = ("at", "start", "end")
_SOUND = {
    "price": pl.col("price") > 0,
    "position": pl.col("position") >= 1,
    "lat": pl.col("lat").is_between(-90, 90),
    "lon": pl.col("lon").is_between(-180, 180),
    "propensity": (pl.col("propensity") > 0) & (pl.col("propensity") <= 1),
    "stock_left": pl.col("stock_left") >= 0,
}
_RULES: Mapping[str, Mapping[str, pl.Expr]] = {
    "ties": {"self_tie": pl.col("customer_id") == pl.col("friend_id")},
    "competitors": {
        "unreadable_price": pl.col("price").is_null(),
        "zero_price": pl.col("price") == 0,
        "negative_price": pl.col("price") < 0,
        "unknown_currency": pl.col("unrated"),
    },
}
_NUMBERS = (*_SOUND, "randomized", "list_price", "unit_cost", "stock", "on_hand")


def list_rows(raw: pl.DataFrame, own: pl.DataFrame, source: Source, table: str) -> tuple[pl.DataFrame, int]:
    """Typed rows with the `rule` each one breaks (null: none), and how many item values cannot be used.

    Besides the source's own rules: `incomplete_<table>`, where a column that identifies the row is missing,
    `self_tie`, and those of a competitor's price, which stands in the shop's currency. A list without times has `at`
    null.
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
    if table == "competitors":
        rows = rows.with_columns(in_shop_currency(raw, source))
    incomplete = pl.any_horizontal(pl.col(c).is_null() for c in _REQUIRED[table])
    rule = pl.coalesce(
        pl.when(incomplete).then(pl.lit(f"incomplete_{table}")),
        *(pl.when(broken).then(pl.lit(name)) for name, broken in _RULES.get(table, {}).items()),
        *(pl.when(own[name]).then(pl.lit(name)) for name in own.columns),
    )
    return rows.with_columns(rule=rule), dropped


def plain_rows(rows: pl.DataFrame, raw: pl.DataFrame, table: str) -> tuple[pl.DataFrame, int]:
    """Rows in the schema of a plain list, and how many of their figures cannot be used and are null.

    A promotion that does not say so was not drawn by lot.

    Args:
        rows: typed, none of them breaks a rule; see `list_rows`.
        raw: the same rows as the source has them.
        table: a key of `PLAIN_LISTS`.
    """
    schema = PLAIN_LISTS[table].create_empty().schema
    columns, dropped = [], 0
    for name, dtype in schema.items():
        if name in rows.columns:
            columns.append(rows[name])
        elif name not in raw.columns:
            nothing = [False if dtype == pl.Boolean else None] * rows.height
            columns.append(pl.Series(name, nothing, dtype=dtype))
        elif name in _SOUND:
            figure = numbers(raw[name]).to_frame().select(pl.when(_SOUND[name]).then(pl.col(name))).to_series()
            dropped += int((present(raw[name]) & figure.is_null()).sum())
            columns.append(figure.cast(dtype))
        else:
            columns.append(_flags(raw[name]))
    return pl.DataFrame(columns), dropped


def _flags(values: pl.Series) -> pl.Series:
    return (
        values.cast(pl.String)
        .str.strip_chars()
        .str.to_lowercase()
        .is_in(["true", "1", "1.0", "yes"])
        .fill_null(value=False)
    )
