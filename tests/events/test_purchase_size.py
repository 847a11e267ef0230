"""How many units one customer buys of an item at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl

from flashlift.events import purchase_sizes
from flashlift.schema import Events, Items, Tables

AT = datetime(2024, 6, 1, tzinfo=UTC)


def test_a_purchase_is_what_a_customer_buys_in_a_day_and_an_anonymous_sale_is_one() -> None:
    rows = [  # item, customer, hours before, units, event
        ("a", "x", 30, 2, "purchase"), ("a", "x", 29, 3, "purchase"),  # one day: 5
        ("a", "x", 60, 1, "purchase"), ("a", "y", 29, 1, "purchase"),
        ("a", None, 29, 4, "purchase"), ("a", None, 29, 4, "purchase"),
        ("a", "z", 29, 90, "cart"), ("a", "z", -1, 90, "purchase"),
        ("b", "x", 5, 7, "purchase"), ("c", "x", 5, 7, "view"),
    ]  # fmt: skip
    events = pl.DataFrame(
        {
            "event_id": [str(k) for k in range(len(rows))],
            "customer_id": [row[1] for row in rows],
            "item_id": [row[0] for row in rows],
            "event": [row[4] for row in rows],
            "at": [AT - timedelta(hours=row[2]) for row in rows],
            "quantity": [row[3] for row in rows],
        }
    )
    missing = [name for name in Events.column_names() if name not in events.columns]
    log = Events.validate(events.with_columns(pl.lit(None).alias(name) for name in missing), cast=True)
    tables = Tables(events=log.lazy(), items=Items.create_empty())
    assert purchase_sizes(tables, at=AT).rows() == [("a", 3.0), ("b", 7.0)]
    assert purchase_sizes(tables, at=AT - timedelta(days=90)).is_empty()
