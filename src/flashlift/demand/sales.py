"""Past sales of the shop: when an item was cheaper than usual or shown in a promotion, and by how much.

The table of promotions says it where the shop keeps one. Otherwise sales are detected from paid prices. In many logs
one item is paid at several prices on one day because larger quantities are cheaper, so the price of a day is the
most frequent price among lines of small quantity (at most the item's median quantity), and only a price that stays
at least `min_depth` below the median of the previous 56 days for several days counts.
"""

from __future__ import annotations

from typing import Literal

import polars as pl

from flashlift.demand.config import DemandConfig
from flashlift.demand.profile import DAY_US

__all__ = ["day_prices", "detected_sales", "recorded_sales", "sold_in_sales"]

REFERENCE_DAYS = 56
_LONGEST_SALE_DAYS = 28  # a lower price that lasts longer is the new price
_MIN_PRICE_DAYS = 3


def day_prices(lines: pl.DataFrame) -> pl.DataFrame:
    """Most frequent small-quantity price of each item and day with a sale: `item`, `day`, `price`, sorted."""
    return (
        lines.filter(pl.col("price").is_not_null())
        .filter(pl.col("quantity") <= pl.col("quantity").median().over("item"))
        .group_by("item", "day", "price")
        .agg(pl.len().alias("lines"))
        .sort("item", "day", "lines", "price")
        .group_by("item", "day", maintain_order=True)
        .agg(pl.col("price").last())
    )


def _midnight(day: pl.Expr) -> pl.Expr:
    return (day * DAY_US).cast(pl.Datetime("us", "UTC"))


def _reference(prices: pl.DataFrame, closed: Literal["left", "right"]) -> pl.DataFrame:
    rolled = (
        prices.with_columns(pl.col("day").cast(pl.Int64))
        .rolling("day", period=f"{REFERENCE_DAYS}i", group_by="item", closed=closed)
        .agg(pl.col("price").median().alias("reference"), pl.len().alias("price_days"))
    )
    return prices.with_columns(rolled["reference"], rolled["price_days"])


def recorded_sales(
    promotions: pl.DataFrame, prices: pl.DataFrame, list_prices: pl.DataFrame, config: DemandConfig
) -> pl.DataFrame:
    """Sales from the table of promotions (with its `item` numbers), each with its depth against the usual price.

    The usual price is the median paid price of the 56 days up to the last day with a sale before the start,
    promotion days left out; the list price where nothing was paid yet. `depth` is null where the price of the
    promotion is not known.
    """
    sales = promotions.with_columns((pl.col("start").dt.epoch("us") // DAY_US).alias("day")).sort(
        "day", "item", maintain_order=True
    )
    span = sales.select("item", "day", ((pl.col("end").dt.epoch("us") - 1) // DAY_US).alias("last")).sort(
        "day", "item", maintain_order=True
    )
    usual = (
        prices.with_columns(pl.col("day").cast(pl.Int64))
        .sort("day", "item", maintain_order=True)
        .join_asof(span.rename({"day": "first"}), left_on="day", right_on="first", by="item", check_sortedness=False)
        .filter(pl.col("last").is_null() | (pl.col("day") > pl.col("last")))
        .select("item", "day", "price")
        .sort("item", "day", maintain_order=True)
    )
    known = _reference(usual, "right").select("item", "day", "reference").sort("day", "item", maintain_order=True)
    return (
        sales.with_columns((pl.col("day") - 1).alias("before"))
        .join_asof(known, left_on="before", right_on="day", by="item", check_sortedness=False)
        .join(list_prices, on="item", how="left")
        .with_columns(pl.coalesce("reference", "list_price").alias("reference"))
        .with_columns((1 - pl.col("price") / pl.col("reference")).clip(lower_bound=0.0).alias("depth"))
        .select(
            "item",
            "start",
            "end",
            "depth",
            "position",
            "randomized",
            pl.col("start").alias("from"),
            pl.col("end").alias("to"),
        )
        .sort("item", "start", "end", "depth", "position")
    )


def detected_sales(prices: pl.DataFrame, config: DemandConfig) -> pl.DataFrame:
    """Sales found in paid prices.

    `from` to `to` is the whole run of low prices. Its first and last days are known only because something was
    bought on them, so counting them would overstate the response; `start` to `end` holds the days strictly between,
    whose sales are unaffected by that selection.
    """
    marked = _reference(prices, "left").with_columns((1 - pl.col("price") / pl.col("reference")).alias("depth"))
    low = (pl.col("depth") >= config.min_depth) & (pl.col("price_days") >= _MIN_PRICE_DAYS)
    return (
        marked.with_columns(
            low.fill_null(False).alias("low"), pl.col("price").shift(-1).over("item").alias("next_price")
        )
        .with_columns(pl.struct("item", "low").rle_id().alias("run"))
        .filter("low")
        .group_by("run", maintain_order=True)
        .agg(
            pl.col("item").first(),
            pl.col("day").min().alias("first"),
            pl.col("day").max().alias("last"),
            pl.col("depth").median(),
            (pl.col("next_price") / pl.col("price")).last().alias("rise"),
        )
        # A price that does not rise again is the new price, or a sale still running.
        .filter(pl.col("rise") > 1.0 + config.min_depth / 2)
        .filter((pl.col("last") - pl.col("first")).is_between(2, _LONGEST_SALE_DAYS))
        .with_columns(pl.col("first").cast(pl.Int64), pl.col("last").cast(pl.Int64))
        .select(
            "item",
            _midnight(pl.col("first") + 1).alias("start"),
            _midnight(pl.col("last")).alias("end"),
            "depth",
            pl.lit(None, dtype=pl.Int64).alias("position"),
            pl.lit(False).alias("randomized"),
            _midnight(pl.col("first")).alias("from"),
            _midnight(pl.col("last") + 1).alias("to"),
        )
        .sort("item", "start", maintain_order=True)
    )


def sold_in_sales(sales: pl.DataFrame, empty: pl.DataFrame, lines: pl.DataFrame) -> pl.DataFrame:
    """Add the units bought in each sale, up to the first moment without stock.

    Counting a Poisson process up to the moment when a limit is reached, with the time up to then as exposure, keeps
    the likelihood of the whole: a sold-out sale is neither dropped nor read as weak.
    """
    open_sales = (
        sales.sort("start", "item", maintain_order=True)
        .with_columns(pl.col("start").alias("sale_start"))
        .join_asof(
            empty.rename({"end": "empty_end"}).sort("start", "item", maintain_order=True),
            on="start",
            by="item",
            strategy="backward",
            check_sortedness=False,
        )
        .filter(pl.col("empty_end").is_null() | (pl.col("empty_end") <= pl.col("sale_start")))
        .drop("empty_end")
        .join_asof(
            empty.select("item", pl.col("start").alias("sold_out")).sort("sold_out", maintain_order=True),
            left_on="start",
            right_on="sold_out",
            by="item",
            strategy="forward",
            check_sortedness=False,
        )
        .with_columns(
            pl.when(pl.col("sold_out") < pl.col("end")).then("sold_out").otherwise("end").alias("end"),
        )
        .drop("sale_start", "sold_out")
        .filter(pl.col("end") > pl.col("start"))
        .with_row_index("sale")
    )
    bought = (
        lines.select("item", "at", "quantity")
        .join_asof(
            open_sales.select("sale", "item", "start", "end"),
            left_on="at",
            right_on="start",
            by="item",
            check_sortedness=False,
        )
        .filter(pl.col("at") <= pl.col("end"))
        .group_by("sale")
        .agg(pl.col("quantity").sum().alias("units"))
    )
    return (
        open_sales.join(bought, on="sale", how="left", maintain_order="left")
        .with_columns(pl.col("units").fill_null(0.0))
        .drop("sale")
        .sort("item", "start", maintain_order=True)
    )
