"""The sequences as the event log of a shop, so that the library's own training reads them as any other log.

The sets have an order and no times. Every sequence ends at the same moment: the last item stands one second before
`END`, the one before it two seconds, and so on, so that the splits by time of the library are the leave-one-out splits.
The events are views: made-up times say nothing of when somebody buys, so that only the next item is learned.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from benchmarks.next_item.sequences import LeaveOneOut, Sequences
from flashlift.domain import Split
from flashlift.schema import EVENT_KINDS, Events, Items, Tables

__all__ = ["END", "SPLIT", "customer_ids", "item_ids", "moment", "tables"]

END = datetime(2020, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SPLIT = Split(train_end=END - 2 * SECOND, valid_end=END - SECOND, test_end=END)


def customer_ids(sequences: Sequences) -> list[str]:
    """Id of each user, (n_users,)."""
    return [f"u{user:07d}" for user in range(sequences.n_users)]


def item_ids(sequences: Sequences) -> list[str]:
    """Id of each item, (n_items,)."""
    return [f"i{item:07d}" for item in range(sequences.n_items)]


def moment(split: LeaveOneOut) -> datetime:
    """When the answer is asked for: what the split knows is before it, and nothing else."""
    return END - split.held * SECOND


def tables(sequences: Sequences) -> Tables:
    """Events (views, without price) and items (titles where the set has them) of the whole sequences."""
    left = sequences.offsets[1:][sequences.user] - np.arange(len(sequences.items))
    people = pl.Series(customer_ids(sequences)).gather(sequences.user)
    goods = pl.Series(item_ids(sequences))
    events = pl.DataFrame(
        {
            Events.event_id.name: [f"e{place}" for place in range(len(sequences.items))],
            Events.customer_id.name: people,
            Events.item_id.name: goods.gather(sequences.items),
            Events.event.name: pl.Series(["view"]).new_from_index(0, len(people)).cast(pl.Enum(EVENT_KINDS)),
            Events.at.name: pl.Series(-1_000_000 * left).cast(pl.Duration("us")) + END,
            Events.quantity.name: pl.Series([1]).new_from_index(0, len(people)),
        }
    )
    goods_table = pl.DataFrame({Items.item_id.name: goods, Items.title.name: sequences.titles or [None] * len(goods)})
    return Tables(
        events=pl.concat([Events.create_empty(), events], how="diagonal_relaxed").sort(Events.at.name).lazy(),
        items=pl.concat([Items.create_empty(), goods_table], how="diagonal_relaxed"),
    )
