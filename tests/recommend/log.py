"""Tiny logs for the tests of this room."""

from datetime import UTC, datetime, timedelta

import polars as pl

from flashlift.schema import Events

START = datetime(2024, 1, 1, tzinfo=UTC)


def log(rows, regions=None):
    """Events from (hours after START, customer, item, event)."""
    frame = pl.DataFrame(
        [
            {
                "event_id": str(number),
                "customer_id": customer,
                "item_id": item,
                "event": event,
                "at": START + timedelta(hours=hours),
                "quantity": 1,
                "region": (regions or {}).get(customer),
            }
            for number, (hours, customer, item, event) in enumerate(rows)
        ],
        schema_overrides={"region": pl.String},
    )
    kinds = Events.create_empty().schema.items()
    blank = [pl.lit(None).cast(kind).alias(name) for name, kind in kinds if name not in frame.columns]
    return Events.validate(frame.with_columns(blank), cast=True).sort("at", maintain_order=True)
