"""How many units of an item one customer buys at once: what turns units sold into buyers."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from flashlift.events.split import before
from flashlift.schema import Events, SaleFacts, Tables

__all__ = ["purchase_sizes"]


def purchase_sizes(tables: Tables, *, at: datetime) -> pl.DataFrame:
    """Mean units per purchase of items that were ever bought: item_id, units_per_purchase (schema SaleFacts).

    A purchase is all that one customer buys of the item on one day (UTC); an anonymous sale is a purchase of its own.

    Args:
        tables: from `open_store`.
        at: no event at or after it is read.
    """
    item, customer, units = Events.item_id.name, Events.customer_id.name, Events.quantity.col.sum()
    bought = before(tables.events, at).filter(Events.event.col == "purchase")
    named = bought.filter(Events.customer_id.col.is_not_null())
    by_day = named.group_by(item, customer, Events.at.col.dt.date().alias("day")).agg(units.alias("units"))
    alone = bought.filter(Events.customer_id.col.is_null()).select(item, Events.quantity.col.alias("units"))
    sizes = pl.concat([by_day.select(item, "units"), alone]).group_by(item)
    return sizes.agg(pl.col("units").mean().alias(SaleFacts.units_per_purchase.name)).sort(item).collect()
