"""Sales of an item around a planned one, from the record of promotions."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from flashlift.schema import Promotions, SaleFacts, Tables

__all__ = ["sales_around"]


def sales_around(tables: Tables, *, start: datetime) -> pl.DataFrame:
    """When the sale of each item before a moment ended, and when its next one starts.

    Args:
        tables: from `open_store`.
        start: of the sale to plan. A promotion that began before it counts as the last one, even if it still runs;
            one that begins later, as an announced one does, as the next.

    Returns:
        item_id, last_sale_end, next_sale_start (schema SaleFacts), a row for each item with a promotion.
    """
    last, following = SaleFacts.last_sale_end.name, SaleFacts.next_sale_start.name
    if tables.promotions is None:
        moment = pl.Datetime("us", "UTC")
        return pl.DataFrame(schema={SaleFacts.item_id.name: pl.String, last: moment, following: moment})
    begun = Promotions.start.col < start
    ends = Promotions.end.col.filter(begun).max().alias(last)
    starts = Promotions.start.col.filter(~begun).min().alias(following)
    return tables.promotions.group_by(Promotions.item_id.name).agg(ends, starts).sort(Promotions.item_id.name)
