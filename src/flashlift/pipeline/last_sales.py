"""A sale beside the shop's earlier ones: recorded promotions by the day they began, and earlier debriefs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.experiments.debrief import Debrief
from flashlift.protocols import FloatArray
from flashlift.schema import Events, Promotions, SaleItems, Tables

__all__ = ["SCHEMA", "last_sales", "this_sale"]

MOST = 8
SCHEMA: dict[str, type[pl.DataType] | pl.DataType] = {
    "sale": pl.String,
    "start": pl.Datetime("us", "UTC"),
    "days": pl.Float64,
    "offers": pl.Int64,
    "discount_frac": pl.Float64,
    "units": pl.Float64,
    "gross_sales": pl.Float64,
    "contribution": pl.Float64,
    "sell_through": pl.Float64,
    "incremental_units": pl.Float64,
}
"""One row per sale; a null is what the log does not tell."""


def this_sale(found: Debrief, incremental_units: float) -> dict[str, object]:
    """The row of a debriefed sale."""
    actual = dict(found.totals.select("figure", "actual").iter_rows())
    ran = found.offers.filter(pl.col("status") != "not run")
    off = 1.0 - ran["price"] / ran["list_price"]
    return {
        "sale": "this sale",
        "start": found.start,
        "days": (found.end - found.start) / timedelta(days=1),
        "offers": ran.height,
        "discount_frac": off.mean(),
        "units": actual["units sold"],
        "gross_sales": actual["gross sales"],
        "contribution": actual["contribution in the slots"],
        "sell_through": actual["sell-through"],
        "incremental_units": incremental_units,
    }


def last_sales(
    tables: Tables, items: pl.DataFrame, lift: Callable[[Sequence[str], FloatArray], FloatArray], *, before: datetime
) -> pl.DataFrame:
    """The last days on which recorded promotions began, the newest first; no rows where none is recorded.

    Contribution is units x (price paid - unit cost of now), refunds not subtracted. Incremental units are those that
    the demand model's response says the discount brought: units x (1 - 1 / lift). Quotas of past sales are not known.

    Args:
        tables: the shop.
        items: table SaleItems; promotions of other items are left out.
        lift: of known items at as many discounts; nan where it is not known.
        before: start of the sale to compare.
    """
    if tables.promotions is None:
        return pl.DataFrame(schema=SCHEMA)
    key, start, end = Promotions.item_id.name, Promotions.start.name, Promotions.end.name
    facts = items.select(key, SaleItems.list_price.name, SaleItems.unit_cost.name)
    past = tables.promotions.filter(Promotions.end.col <= before).join(facts, on=key)
    days = past[start].dt.date().unique().sort(descending=True).head(MOST)
    past = past.filter(pl.col(start).dt.date().is_in(days.implode())).with_row_index("sale_row")
    if past.is_empty():
        return pl.DataFrame(schema=SCHEMA)
    past = past.join(_sold(tables, past), on="sale_row", how="left", maintain_order="left").with_columns(
        pl.col("units", "gross").fill_null(0.0)
    )
    paid = pl.col("gross") / pl.col("units")
    past = past.with_columns(
        off=(1.0 - pl.when(pl.col("units") > 0).then(paid).otherwise(Promotions.price.col) / pl.col("list_price"))
    )
    discount = past["off"].fill_null(0.0).to_numpy().clip(0.0, 0.95)
    factor = np.maximum(lift(past[key].to_list(), discount), 1.0)
    past = past.with_columns(new=pl.col("units") * (1.0 - 1.0 / pl.Series(factor)))
    by_day = past.group_by(pl.col(start).dt.date().alias("day")).agg(
        pl.col(start).min(),
        days=(pl.col(end) - pl.col(start)).mean().dt.total_seconds() / 86_400,
        offers=pl.len(),
        discount_frac=pl.col("off").mean(),
        units=pl.col("units").sum(),
        gross_sales=pl.col("gross").sum(),
        contribution=(pl.col("gross") - pl.col("units") * pl.col(SaleItems.unit_cost.name)).sum(),
        incremental_units=pl.col("new").sum(),
    )
    named = by_day.sort(start, descending=True).with_columns(
        sale=pl.format("promotions of {}", "day"), sell_through=pl.lit(None, pl.Float64)
    )
    return named.select(list(SCHEMA)).cast(pl.Schema(SCHEMA))


def _sold(tables: Tables, past: pl.DataFrame) -> pl.DataFrame:
    """Units and money of each recorded promotion."""
    bought = tables.events.filter(
        Events.event.col == "purchase",
        Events.at.col >= past["start"].min(),
        Events.at.col < past["end"].max(),
        Events.price.col.is_not_null(),
    ).select("item_id", "at", "price", "quantity")
    windows = past.lazy().select("sale_row", "item_id", "start", "end")
    inside = bought.join(windows, on="item_id").filter(pl.col("at") >= pl.col("start"), pl.col("at") < pl.col("end"))
    return (
        inside.group_by("sale_row")
        .agg(
            units=pl.col("quantity").sum().cast(pl.Float64),
            gross=(pl.col("price") * pl.col("quantity")).sum(),
        )
        .collect()
    )
