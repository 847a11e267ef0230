"""The log as one frame, a row per item and day: what the estimators of the scoreboard learn from.

Only whole UTC days before `case.now` are in it, and nothing that happened later is read. A day counts as sold out if
its shelf was empty at its start or at any time up to its end: what was bought on it is at most what was wanted.
"""

from __future__ import annotations

import json
from datetime import timedelta

import polars as pl

from benchmarks.profit_captured.case import Case
from flashlift.errors import InputError
from flashlift.schema import Tables

__all__ = ["build_panel", "in_order"]


def build_panel(case: Case) -> pl.DataFrame:
    """One row per item and day since the item's arrival, sorted by item_id and day.

    Columns: `item_id`; `day` (its date), `day_number` (0 is the first day of the log), `weekday` (1 is Monday);
    `units` bought (refunds ignored); `price` at midnight, or the lowest of a promotion that touches the day;
    `list_price`; `discount` (1 - price / list price, at least 0); `in_promotion`; `depth` (the discount in a promotion,
    0 outside); `position` (the best one, null outside); `on_hand` at midnight; `sold_out`; `category`, `brand`, `kind`.
    An item arrives with its first row of history or its first purchase.

    Raises:
        InputError: the shop keeps no history of prices and stock, or no table of promotions.
    """
    tables = case.tables
    if tables.history is None or tables.promotions is None:
        raise InputError(
            "The tables lack the history of prices and stock or the promotions, which every estimator of the "
            "scoreboard reads. Score a shop that keeps both."
        )
    units = _units(case)
    history = tables.history.filter(pl.col("at") <= case.now)
    promoted = _promoted(case, tables.promotions)
    return (
        _item_days(case, units, history)
        .join(units, on=["item_id", "day"], how="left")
        .join(promoted, on=["item_id", "day"], how="left")
        .join(_emptied(history), on=["item_id", "day"], how="left")
        .join_asof(_midnights(history), on="day", by="item_id", check_sortedness=False)
        .join(_items(tables), on="item_id", how="left")
        .with_columns(
            pl.col("units").fill_null(0),
            pl.coalesce("promotion_price", "price", "list_price").alias("price"),
            pl.col("in_promotion").fill_null(value=False),
            (pl.col("emptied").fill_null(value=False) | (pl.col("on_hand") == 0).fill_null(value=False)).alias(
                "sold_out"
            ),
        )
        .with_columns((1.0 - pl.col("price") / pl.col("list_price")).clip(lower_bound=0.0).alias("discount"))
        .select(
            "item_id",
            "day",
            (pl.col("day") - pl.col("day").min()).dt.total_days().alias("day_number"),
            pl.col("day").dt.weekday().alias("weekday"),
            "units",
            "price",
            "list_price",
            "discount",
            "in_promotion",
            pl.when("in_promotion").then("discount").otherwise(0.0).alias("depth"),
            "position",
            "on_hand",
            "sold_out",
            "category",
            "brand",
            "kind",
        )
        .sort("item_id", "day")
    )


def in_order(case: Case, frame: pl.DataFrame) -> pl.DataFrame:
    """One row per item of `case.items`, in its order; null where `frame` (unique in item_id) has none."""
    return case.items.select("item_id").join(frame, on="item_id", how="left", maintain_order="left")


def _midnight(case: Case) -> pl.Expr:
    """First instant that is no longer part of a whole day before `case.now`."""
    return pl.lit(case.now.replace(hour=0, minute=0, second=0, microsecond=0)).cast(pl.Datetime("us", "UTC"))


def _units(case: Case) -> pl.DataFrame:
    return (
        case.tables.events.filter((pl.col("event") == "purchase") & (pl.col("at") < _midnight(case)))
        .group_by("item_id", pl.col("at").dt.date().alias("day"))
        .agg(pl.col("quantity").sum().alias("units"))
        .collect()
    )


def _item_days(case: Case, units: pl.DataFrame, history: pl.DataFrame) -> pl.DataFrame:
    """item_id and day, sorted by day as the search for the price of a day needs it."""
    seen = pl.concat([units.select("item_id", "day"), history.select("item_id", pl.col("at").dt.date().alias("day"))])
    arrival = (
        case.tables.items.select("item_id")
        .join(seen, on="item_id")
        .group_by("item_id")
        .agg(pl.col("day").min().alias("first"))
    )
    last = case.now.date() - timedelta(days=1)
    return (
        arrival.filter(pl.col("first") <= last)
        .select("item_id", pl.date_ranges("first", pl.lit(last)).alias("day"))
        .explode("day")
        .sort("day", "item_id")
    )


def _promoted(case: Case, promotions: pl.DataFrame) -> pl.DataFrame:
    """Days touched by a promotion; of several on one day, the lowest price and the best position."""
    return (
        promotions.filter(pl.col("start") < _midnight(case))
        .with_columns(pl.min_horizontal("end", _midnight(case)).alias("end"))
        .filter(pl.col("end") > pl.col("start"))
        .select(
            "item_id",
            "price",
            "position",
            pl.date_ranges(pl.col("start").dt.date(), (pl.col("end") - pl.duration(microseconds=1)).dt.date()).alias(
                "day"
            ),
        )
        .explode("day")
        .group_by("item_id", "day")
        .agg(
            pl.col("price").min().alias("promotion_price"),
            pl.col("position").min(),
            pl.lit(value=True).alias("in_promotion"),
        )
    )


def _midnights(history: pl.DataFrame) -> pl.DataFrame:
    """Price and stock known at a day's first instant: rows of history within a day tell of the next day."""
    return (
        history.sort("at")
        .select("item_id", (pl.col("at") - pl.duration(microseconds=1)).dt.date().alias("before"), "price", "on_hand")
        .with_columns((pl.col("before") + pl.duration(days=1)).alias("day"))
        .group_by("item_id", "day", maintain_order=True)
        .agg(pl.col("price", "on_hand").last())
        .sort("day")
    )


def _emptied(history: pl.DataFrame) -> pl.DataFrame:
    """Days that ended with, or had in between, an empty shelf."""
    return (
        history.filter(pl.col("on_hand") == 0)
        .select("item_id", (pl.col("at") - pl.duration(microseconds=1)).dt.date().alias("day"))
        .unique()
        .with_columns(pl.lit(value=True).alias("emptied"))
    )


def _items(tables: Tables) -> pl.DataFrame:
    kinds = [_kind(*row) for row in tables.items.select("title", "attributes").iter_rows()]
    return tables.items.select(
        "item_id",
        "list_price",
        pl.col("category").fill_null(""),
        pl.col("brand").fill_null(""),
        pl.Series("kind", kinds, dtype=pl.String),
    )


def _kind(title: str | None, attributes: str | None) -> str:
    """Product type: what the shop calls it, else the last word of the title."""
    told = json.loads(attributes or "{}").get("kind")
    return str(told) if told else (title or "").rpartition(" ")[2]
