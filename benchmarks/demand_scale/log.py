"""A generated log of any number of items: heavy-tailed popularity, recorded sales, sell-outs; no customer behavior."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl

from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import EVENT_KINDS, Events, ItemHistory, Items, Promotions, Tables

__all__ = ["NOW", "generate", "tables"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 180
PURCHASES, VIEWS_EACH = 20.0, 2.0  # per item in all; per purchase
ELASTICITY, LIFT = 2.5, 1.6
OPENS, CLOSES = 8 * 3600, 22 * 3600  # seconds of the day
GENERATED = 2_000  # items at a time
ROW_GROUP = 100_000

_BEGIN = pl.lit(NOW - timedelta(days=DAYS)).cast(pl.Datetime("us", "UTC"))


def generate(folder: Path, n_items: int) -> None:
    """Write the tables of a shop, from one seed."""
    rng = np.random.default_rng(0)
    popularity = rng.lognormal(0.0, 1.5, n_items)
    weight = PURCHASES / DAYS * popularity / popularity.mean()
    names = pl.Series("item_id", [f"i{k:06d}" for k in range(n_items)])
    items = _items(names, rng)
    price = items["list_price"].to_numpy()
    sales, empty = _sales(price, rng), _sold_out(n_items, rng)
    parts = []
    for first in range(0, n_items, GENERATED):
        rows = np.arange(first, min(first + GENERATED, n_items))
        parts.append(_events(rows, weight[rows], price[rows], sales, empty, rng))
    _named(pl.concat(parts).sort("at", "item"), names, rng).write_parquet(
        folder / "events.parquet", row_group_size=ROW_GROUP
    )
    items.write_parquet(folder / "items.parquet")
    _promotions(sales, names).write_parquet(folder / "promotions.parquet")
    _history(empty, names).write_parquet(folder / "history.parquet")


def _items(names: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    """Categories of about 200 items, with brands and kinds (the last word of the title) inside them."""
    n = len(names)
    category = rng.integers(0, max(5, n // 200), n)
    price = rng.lognormal(3.0, 0.8, n).round(2) + 1.0
    kind, brand = rng.integers(0, 20, n), rng.integers(0, 8, n)
    frame = pl.DataFrame(
        {
            "item_id": names,
            "title": [f"Thing of kind{k}" for k in kind],
            "category": [f"c{c}" for c in category],
            "brand": [f"b{c}-{b}" for c, b in zip(category, brand, strict=True)],
            "list_price": price,
            "unit_cost": (0.6 * price).round(2),
            "stock": np.full(n, 1000),
            "attributes": pl.Series([None] * n, dtype=pl.String),
        }
    )
    return Items.validate(frame)


def _sales(price: FloatArray, rng: np.random.Generator) -> pl.DataFrame:
    """None to four past sales of whole days per item: `item`, `first` day, `days`, `depth`, `price` and the rest."""
    count = rng.integers(0, 5, len(price))
    item = np.repeat(np.arange(len(price)), count)
    nth = np.arange(len(item)) - np.repeat(np.cumsum(count) - count, count)
    n = len(item)
    depth = rng.choice(np.arange(0.05, 0.45, 0.05), n)
    return pl.DataFrame(
        {
            "item": item,
            "first": 20 + 38 * nth + rng.integers(0, 30, n),
            "days": rng.integers(1, 8, n),
            "depth": depth,
            "price": np.round(price[item] * (1.0 - depth), 2),
            "position": rng.integers(1, 21, n),
            "randomized": rng.random(n) < 0.1,
        }
    )


def _sold_out(n_items: int, rng: np.random.Generator) -> pl.DataFrame:
    """Every fifth item is once without stock, from some `second` of the log on, for `seconds`."""
    item = np.flatnonzero(rng.random(n_items) < 0.2)
    day = rng.integers(30, DAYS - 10, len(item))
    return pl.DataFrame(
        {
            "item": item,
            "second": 86_400 * day + rng.integers(OPENS, CLOSES, len(item)),
            "seconds": 86_400 * rng.integers(1, 8, len(item)),
        }
    )


def _events(
    rows: IntArray,
    weight: FloatArray,
    price: FloatArray,
    sales: pl.DataFrame,
    empty: pl.DataFrame,
    rng: np.random.Generator,
) -> pl.DataFrame:
    """Purchases and views of some items: `item`, `second`, `bought`, `price`."""
    here = sales.filter(pl.col("item").is_between(rows[0], rows[-1]))
    depth = np.zeros((len(rows), DAYS))
    shown = np.zeros((len(rows), DAYS), dtype=bool)
    item, first, days, off = (here[name].to_numpy() for name in ("item", "first", "days", "depth"))
    for k in range(int(days.max(initial=0))):
        on = days > k
        cell = item[on] - rows[0], first[on] + k
        depth[cell], shown[cell] = off[on], True
    mean = weight[:, None] * np.where(shown, LIFT, 1.0) * (1.0 - depth) ** -ELASTICITY
    parts = []
    for bought, rate in ((True, mean), (False, VIEWS_EACH * mean)):
        row, day = (a.ravel() for a in np.indices(mean.shape))
        times = rng.poisson(rate).ravel()
        row, day = row.repeat(times), day.repeat(times)
        paid = np.round(price[row] * (1.0 - depth[row, day]), 2)
        second = 86_400 * day + rng.integers(OPENS, CLOSES, len(row))
        quantity = 1 + rng.geometric(0.7, len(row)) // 2 if bought else np.ones(len(row), dtype=np.int64)
        parts.append(
            pl.DataFrame(
                {
                    "item": rows[row],
                    "second": second,
                    "bought": np.full(len(row), bought),
                    "price": paid,
                    "quantity": quantity,
                }
            )
        )
    gone = pl.concat(parts).join(empty.rename({"second": "from"}), on="item", how="left")
    sold_out = pl.col("bought") & (pl.col("second") - pl.col("from")).is_between(0, pl.col("seconds"))
    at = (_BEGIN + pl.duration(seconds="second")).alias("at")
    return gone.filter(~sold_out.fill_null(False)).select("item", at, "bought", "price", "quantity")


def _named(events: pl.DataFrame, names: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    n = len(events)
    customer = pl.Series(rng.integers(0, max(1, n // 20), n))
    absent = pl.lit(None, dtype=pl.String)
    kind = pl.when("bought").then(pl.lit("purchase")).otherwise(pl.lit("view")).cast(pl.Enum(list(EVENT_KINDS)))
    return events.with_columns(
        pl.int_range(n).cast(pl.String).alias("event_id"),
        ("u" + customer.cast(pl.String)).alias("customer_id"),
        names[events["item"]],
        kind.alias("event"),
        pl.lit("EUR").alias("currency"),
        *(absent.alias(name) for name in ("order_id", "session_id", "exposure_id", "channel", "region", "store_id")),
    ).select(Events.column_names())


def _promotions(sales: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    frame = sales.select(
        names[sales["item"]],
        (_BEGIN + pl.duration(days="first")).alias("start"),
        (_BEGIN + pl.duration(days=pl.col("first") + pl.col("days"))).alias("end"),
        "price",
        "position",
        "randomized",
    )
    return Promotions.validate(frame)


def _history(empty: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Stock of every item when the log begins, and around its sell-out."""
    start = pl.DataFrame({"item": np.arange(len(names))}).select(
        "item", _BEGIN.alias("at"), pl.lit(100).alias("on_hand")
    )
    out = empty.select("item", (_BEGIN + pl.duration(seconds="second")).alias("at"), pl.lit(0).alias("on_hand"))
    back = empty.select(
        "item",
        (_BEGIN + pl.duration(seconds=pl.col("second") + pl.col("seconds"))).alias("at"),
        pl.lit(100).alias("on_hand"),
    )
    rows = pl.concat([start, out, back]).sort("item", "at")
    absent = pl.lit(None, dtype=pl.Float64)
    return ItemHistory.validate(
        rows.select(
            names[rows["item"]],
            "at",
            absent.alias("price"),
            absent.alias("unit_cost"),
            pl.col("on_hand").cast(pl.Int64),
        )
    )


def tables(folder: Path) -> Tables:
    """The tables of `generate`, the events not read yet."""
    return Tables(
        events=pl.scan_parquet(folder / "events.parquet"),
        **{name: pl.read_parquet(folder / f"{name}.parquet") for name in ("items", "history", "promotions")},
    )
