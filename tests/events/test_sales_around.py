"""The last sale before a moment and the next one after it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from flashlift.events import sales_around
from flashlift.schema import Events, Items, Promotions, Tables

START = datetime(2024, 6, 1, tzinfo=UTC)


def test_the_last_sale_and_the_next_one() -> None:
    sales = [("a", -9, -8), ("a", -5, -3), ("a", 2, 4), ("a", 7, 9), ("b", -2, 1), ("c", 0, 1)]
    table = Promotions.validate(
        pl.DataFrame(
            {
                "item_id": [sale[0] for sale in sales],
                "start": [START + timedelta(days=sale[1]) for sale in sales],
                "end": [START + timedelta(days=sale[2]) for sale in sales],
                "price": 1.0,
                "position": 1,
                "randomized": False,
            }
        ),
        cast=True,
    )
    tables = Tables(events=Events.create_empty().lazy(), items=Items.create_empty(), promotions=table)

    def day(n: int) -> datetime:
        return START + timedelta(days=n)

    assert sales_around(tables, start=START).rows() == [
        ("a", day(-3), day(2)),
        ("b", day(1), None),  # still runs when the new one starts
        ("c", None, day(0)),
    ]
    assert sales_around(Tables(events=tables.events, items=tables.items), start=START).is_empty()
