"""Read a log of any size: all of it, or the whole histories of a random sample of customers."""

from __future__ import annotations

import logging
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.behavior.histories import COLUMNS
from flashlift.schema import Events

__all__ = ["read_sample"]

log = logging.getLogger(__name__)


def read_sample(events: pl.LazyFrame, before: datetime, max_events: int, *, rng: np.random.Generator) -> pl.DataFrame:
    """Events before `before` that have a customer; of a log above `max_events`, about so many."""
    key = Events.customer_id.name
    rows = events.select(COLUMNS).filter(Events.at.col < before, Events.customer_id.col.is_not_null())
    sizes = rows.group_by(key).agg(n=pl.len()).collect(engine="streaming").sort(key)
    total = int(sizes["n"].sum())
    if total > max_events:
        mixed = sizes[rng.permutation(sizes.height)]
        chosen = mixed.filter((pl.col("n").cum_sum() <= max_events) | (pl.int_range(pl.len()) == 0))
        log.info("Using a sample of %d customers of %d, with about %d events.", chosen.height, sizes.height, max_events)
        rows = rows.join(chosen.lazy().select(key), on=key, how="semi", maintain_order="left")
    return rows.collect()
