"""Sessions where the log names none: a customer's events until the next long pause."""

from __future__ import annotations

from datetime import timedelta

import polars as pl

from flashlift.errors import SettingsError

__all__ = ["sessionize"]


def sessionize(events: pl.LazyFrame, gap_minutes: float = 30.0) -> pl.LazyFrame:
    """Fill `session_id` where it is null; given sessions and the order of rows stay as they are.

    A session ends when its customer does nothing for longer than the gap. Its name is the customer's pseudonym and
    the instant it began, so it does not change when later events arrive. An anonymous sale is a session of its own:
    its order, or the event alone. Events with a given session do not shape the others.

    Args:
        events: schema Events, in any order.
        gap_minutes: longest pause within a session, in minutes, positive.

    Raises:
        SettingsError: a gap that is not positive.
    """
    if not gap_minutes > 0:
        raise SettingsError(f"gap_minutes is {gap_minutes}; a pause must be longer than 0 minutes.")
    open_rows = pl.col("session_id").is_null() & pl.col("customer_id").is_not_null()
    pause = (pl.col("at") - pl.col("at").shift(1)).over("customer_id")
    begins = pause.is_null() | (pause > timedelta(minutes=gap_minutes))
    start = pl.when(begins).then("at").forward_fill().over("customer_id")
    named = (
        events.select("event_id", "customer_id", "at", "session_id")
        .filter(open_rows)
        .sort("customer_id", "at")
        .select("event_id", session_found=pl.format("{}-{}", "customer_id", start.dt.epoch("ms")))
    )
    alone = pl.coalesce(pl.format("order-{}", "order_id"), pl.format("event-{}", "event_id"))
    return (
        events.join(named, on="event_id", how="left", maintain_order="left")
        .with_columns(session_id=pl.coalesce("session_id", "session_found", alone))
        .drop("session_found")
    )
