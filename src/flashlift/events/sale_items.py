"""Items that could run in a sale, as known at one moment: list price, cost and stock, assumed where unknown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from flashlift.errors import InsufficientDataError, SettingsError
from flashlift.events.split import before
from flashlift.schema import SaleItems, Tables

__all__ = ["ItemAssumptions", "sale_items"]

RECENT_DAYS = 28  # list prices are read from the sales of so many days,
WIDE_DAYS = 90  # or of so many, for items not sold in the former
RATE_DAYS = 56  # the sales rate behind an assumed stock
COST_OBSERVATIONS = 5  # the cost is the median of so many last ones


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemAssumptions:
    """What is taken for true where the data says nothing; every use is marked in the result.

    Args:
        assumed_cost_frac: unit cost as a fraction of the list price, in [0, 1].
        assumed_cover_days: stock on hand, in days of the item's recent sales, positive.
    """

    assumed_cost_frac: float = 0.6
    assumed_cover_days: float = 28.0

    def __post_init__(self) -> None:
        if not 0 <= self.assumed_cost_frac <= 1:
            raise SettingsError(f"assumed_cost_frac is {self.assumed_cost_frac}; it must lie in [0, 1].")
        if not self.assumed_cover_days > 0:
            raise SettingsError(f"assumed_cover_days is {self.assumed_cover_days}; it must be above 0.")


def sale_items(tables: Tables, *, at: datetime, assumptions: ItemAssumptions | None = None) -> pl.DataFrame:
    """Items sold in the 90 days before `at`, with what was known of them then (schema SaleItems, by item_id).

    The list price is that of the catalog, else the one that the history of the last 28 days names most often (so that
    a sale of a few days does not pass for the list price) or named last, else the price that most order lines of the
    last 28 days paid, else of the last 90; of equals the higher. The cost is the median of the last observations of
    the history, the stock its last one; where there is none, both are the catalog's. A catalog has no dates and is
    believed at any time.

    Args:
        tables: from `open_store`.
        at: no event at or after it is read, and no history that begins after it; aware.
        assumptions: figures for what is unknown; None takes the defaults.

    Raises:
        InsufficientDataError: nothing was bought at a known price in the 90 days before `at`.
    """
    assumptions = assumptions or ItemAssumptions()
    past = before(tables.events, at)
    sold = (
        past.filter((pl.col("event") == "purchase") & (pl.col("at") >= at - timedelta(days=WIDE_DAYS)))
        .select("item_id", "at", "price", "quantity")
        .collect(engine="streaming")
    )
    paid = sold.drop_nulls("price")
    if paid.is_empty():
        raise InsufficientDataError(
            f"No purchase with a price in the {WIDE_DAYS} days before {at:%Y-%m-%d}, so no item has a list price. "
            "Choose an earlier time, or map a price."
        )
    first = past.select(pl.col("at").min()).collect(engine="streaming").item()
    items = (
        tables.items.join(_usual_prices(paid, at), on="item_id", how="inner")
        .join(_daily_units(sold, first, at), on="item_id", how="left")
        .drop("list_price", "unit_cost", "stock")
        .join(_known(tables, at), on="item_id", how="left")
        .with_columns(list_price=pl.coalesce("known_price", "usual_price"))
    )
    cover = (pl.col("daily_units").fill_null(0.0) * assumptions.assumed_cover_days).ceil().clip(1)
    result = items.select(
        "item_id",
        "title",
        pl.col("category").fill_null("other"),
        "brand",
        "list_price",
        pl.coalesce("known_cost", assumptions.assumed_cost_frac * pl.col("list_price")).alias("unit_cost"),
        pl.coalesce("known_stock", cover.cast(pl.Int64)).alias("stock"),
        pl.col("known_cost").is_null().alias("cost_assumed"),
        pl.col("known_stock").is_null().alias("stock_assumed"),
    )
    return SaleItems.validate(result.sort("item_id"), cast=True)


def _most_frequent(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    counted = rows.group_by("item_id", "price").len().sort("len", "price")
    return counted.unique("item_id", keep="last", maintain_order=True).select("item_id", pl.col("price").alias(name))


def _usual_prices(paid: pl.DataFrame, at: datetime) -> pl.DataFrame:
    """The most frequent price over order lines, from the recent days where there are any."""
    recent = paid.filter(pl.col("at") >= at - timedelta(days=RECENT_DAYS))
    both = _most_frequent(paid, "wide").join(_most_frequent(recent, "recent"), on="item_id", how="left")
    return both.select("item_id", usual_price=pl.coalesce("recent", "wide"))


def _daily_units(sold: pl.DataFrame, first: datetime, at: datetime) -> pl.DataFrame:
    """Mean units a day over the recent weeks, or over the whole log where it is shorter."""
    days = min(RATE_DAYS, max((at - first) / timedelta(days=1), 1.0))
    recent = sold.filter(pl.col("at") >= at - timedelta(days=RATE_DAYS))
    return recent.group_by("item_id").agg(daily_units=pl.col("quantity").sum() / days)


def _known(tables: Tables, at: datetime) -> pl.DataFrame:
    """Price, cost and stock that the shop itself named, in force at `at`: a history row holds from its instant on."""
    catalog = tables.items.select("item_id", "list_price", "unit_cost", "stock")
    if tables.history is None:
        return catalog.rename({"list_price": "known_price", "unit_cost": "known_cost", "stock": "known_stock"})
    past = tables.history.filter(pl.col("at") <= at).sort("item_id", "at")
    recent = past.filter(pl.col("at") >= at - timedelta(days=RECENT_DAYS)).drop_nulls("price")
    told = past.group_by("item_id", maintain_order=True).agg(
        last_price=pl.col("price").drop_nulls().last(),
        last_cost=pl.col("unit_cost").drop_nulls().tail(COST_OBSERVATIONS).median(),
        last_stock=pl.col("on_hand").drop_nulls().last(),
    )
    joined = catalog.join(told, on="item_id", how="left").join(
        _most_frequent(recent, "often"), on="item_id", how="left"
    )
    return joined.select(
        "item_id",
        known_price=pl.coalesce("list_price", "often", "last_price"),
        known_cost=pl.coalesce("last_cost", "unit_cost"),
        known_stock=pl.coalesce("last_stock", "stock"),
    )
