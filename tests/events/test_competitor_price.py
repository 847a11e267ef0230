"""The lowest of the last prices of other sellers."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from flashlift.events import competitor_prices
from flashlift.schema import Competitors, Events, Items, Tables

AT = datetime(2024, 6, 1, tzinfo=UTC)


def test_each_sellers_last_price_counts_for_four_weeks() -> None:
    looks = [
        ("a", "x", 10, 5.0), ("a", "x", 2, 8.0), ("a", "y", 27, 7.0), ("a", "z", 29, 1.0), ("a", "y", -1, 1.0),
        ("b", "x", 40, 3.0), ("c", "x", 0, 2.0),
    ]  # fmt: skip
    table = Competitors.validate(
        pl.DataFrame(
            {
                "item_id": [look[0] for look in looks],
                "at": [AT - timedelta(days=look[2]) for look in looks],
                "seller": [look[1] for look in looks],
                "price": [look[3] for look in looks],
            }
        ),
        cast=True,
    )
    tables = Tables(events=Events.create_empty().lazy(), items=Items.create_empty(), competitors=table)
    assert competitor_prices(tables, at=AT).rows() == [("a", 7.0)]
    without = Tables(events=tables.events, items=tables.items)
    assert competitor_prices(without, at=AT).is_empty()
