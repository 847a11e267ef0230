"""What other sellers ask for an item at one moment."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl

from flashlift.schema import Competitors, SaleFacts, Tables

__all__ = ["competitor_prices"]

LASTS_DAYS = 28  # a price that was not looked up again for four weeks may no longer hold


def competitor_prices(tables: Tables, *, at: datetime) -> pl.DataFrame:
    """The lowest of the sellers' last prices, of items that have one: item_id, competitor_price (schema SaleFacts).

    Args:
        tables: from `open_store`.
        at: no price looked up at or after it is read, and none that is four weeks old.
    """
    name = SaleFacts.competitor_price.name
    if tables.competitors is None:
        return pl.DataFrame(schema={SaleFacts.item_id.name: pl.String, name: pl.Float64})
    held = (Competitors.at.col < at) & (Competitors.at.col >= at - timedelta(days=LASTS_DAYS))
    last = tables.competitors.filter(held).sort(Competitors.at.name).group_by("item_id", "seller", maintain_order=True)
    asked = last.agg(Competitors.price.col.last())
    return asked.group_by("item_id").agg(Competitors.price.col.min().alias(name)).sort("item_id")
