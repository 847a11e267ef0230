"""Small made-up logs for the tests of this room."""

from datetime import UTC, datetime, timedelta

import polars as pl

from flashlift.behavior import BehaviorConfig
from flashlift.domain import Split
from flashlift.schema import Events, Items, Tables

START = datetime(2024, 1, 1, tzinfo=UTC)
SPLIT = Split(
    train_end=START + timedelta(days=60), valid_end=START + timedelta(days=90), test_end=START + timedelta(days=120)
)
TINY = BehaviorConfig(width=16, max_length=20, negatives=64, tokens_per_batch=1024, cuts=8, max_steps=30, eval_every=10)


def hours(amount):
    return START + timedelta(hours=amount)


def log(columns):
    """Events from columns: customer_id, item_id, hours (after START), event (default purchase), order_id, price."""
    frame = pl.DataFrame(columns).with_columns(
        at=pl.lit(START) + pl.duration(microseconds=(pl.col("hours") * 3.6e9).cast(pl.Int64)),
        event_id=pl.int_range(pl.len()).cast(pl.String),
        quantity=pl.lit(1, pl.Int64),
    )
    given = frame.columns
    kinds = Events.create_empty().schema.items()
    blank = [pl.lit("purchase" if name == "event" else None).cast(kind).alias(name) for name, kind in kinds
             if name not in given]  # fmt: skip
    return Events.validate(frame.with_columns(blank).select(list(Events.column_names())), cast=True).sort(
        "at", maintain_order=True
    )


def tables(events):
    return Tables(events=events.lazy(), items=Items.create_empty())


def shop(rng, *, n_customers=120, n_items=12, days=120, follow=0.9):
    """Each customer walks through the items: the next one is the last one + 1 with probability `follow`.

    Half of the customers come once a day, half once in ten days; all events are purchases.
    """
    rows = []
    for customer in range(n_customers):
        pace = 24.0 if customer % 2 else 240.0
        time, item = rng.exponential(pace), int(rng.integers(n_items))
        while time < days * 24:
            rows.append((f"c{customer}", f"i{item}", time))
            item = (item + 1) % n_items if rng.random() < follow else int(rng.integers(n_items))
            time += rng.exponential(pace)
    customer, item, time = (list(column) for column in zip(*rows, strict=True))
    return log({"customer_id": customer, "item_id": item, "hours": time})
