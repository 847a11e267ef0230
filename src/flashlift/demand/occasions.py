"""What customers look at in one visit and buy in one order, as rows of items."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from flashlift.schema import Events

__all__ = ["read_lines", "read_looks"]

_PAUSE = timedelta(minutes=30)  # ends a visit
_LONGEST_VISIT = 30  # items; a longer one is cut into several
_MOST_LOOKS = 5_000_000  # the latest ones


def read_looks(events: pl.LazyFrame, item_ids: list[str], since: datetime, until: datetime) -> pl.DataFrame:
    """First look of each customer at each item: `occasion` (number of the visit), `item`, `day`; sorted by occasion.

    Only first looks, so that nobody makes a pair alone. A visit is a session, or else what a customer looks at without
    a pause of half an hour; of very long logs the latest looks.
    """
    who = pl.coalesce("customer_id", "session_id").hash().alias("who")
    visit = pl.coalesce("session_id", "customer_id").hash().alias("visit")
    looks = (
        events.filter(pl.col("event").is_in(["view", "click"]) & pl.col("at").is_between(since, until, closed="left"))
        .filter(pl.col("customer_id").is_not_null() | pl.col("session_id").is_not_null())
        .select(who, visit, _numbered(item_ids), "at")
        .drop_nulls("item")
        .tail(_MOST_LOOKS)
        .collect(engine="streaming")
        .sort("at", maintain_order=True)
        .unique(["who", "item"], keep="first", maintain_order=True)
        .sort("visit", "at", maintain_order=True)
    )
    pause = (pl.col("at") - pl.col("at").shift()).over("visit") > _PAUSE
    opens = pause.fill_null(True).cum_sum()
    nth = pl.int_range(pl.len()).over(opens) // _LONGEST_VISIT
    return looks.select(pl.struct(opens, nth.alias("nth")).rle_id().alias("occasion"), "item", _day())


def read_lines(events: pl.LazyFrame, item_ids: list[str], since: datetime, until: datetime) -> pl.DataFrame:
    """Items of each order, once: `occasion` (number of the order), `who`, `item`, `day`; by customer and time.

    Without an order number, what a customer buys on one day is an order.
    """
    alone = pl.format("{} {}", "customer_id", pl.col("at").dt.date())
    lines = (
        events.filter((pl.col("event") == "purchase") & pl.col("at").is_between(since, until, closed="left"))
        .filter(pl.col("order_id").is_not_null() | pl.col("customer_id").is_not_null())
        .select(
            pl.col("customer_id").hash().alias("who"),
            pl.col("customer_id").is_not_null().alias("known"),
            pl.coalesce("order_id", alone).hash().alias("order"),
            _numbered(item_ids),
            "at",
        )
        .drop_nulls("item")
        .group_by("order", "item")
        .agg(pl.col("at").min(), pl.col("who").first(), pl.col("known").first())
        .collect(engine="streaming")
    )
    begin = pl.col("at").min().over("order")
    return (
        lines.with_columns(begin)
        .sort("who", "at", "order", "item")
        .select(pl.col("order").rle_id().alias("occasion"), pl.when("known").then("who").alias("who"), "item", _day())
    )


def _numbered(item_ids: list[str]) -> pl.Expr:
    return pl.col("item_id").cast(pl.Enum(item_ids), strict=False).to_physical().cast(pl.Int64).alias("item")


def _day() -> pl.Expr:
    return pl.col(Events.at.name).dt.epoch("d").cast(pl.Int64).alias("day")
