"""In which phase of a promotion an event fell: soon, live, ending, or just over."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.schema import Events, Promotions

__all__ = ["PHASES", "phase_at", "phase_codes"]

PHASES = ("none", "starts within a day", "live", "ends within an hour", "ended within a day")
DAY, HOUR = pl.duration(days=1), pl.duration(hours=1)


def phase_codes(events: pl.DataFrame, promotions: pl.DataFrame | None) -> npt.NDArray[np.int8]:
    """Index into PHASES for each row of `events` (item_id, at), (n,); 0 where the item has no promotion near.

    A promotion that is to come counts from a day before its start: the shop's calendar is known to the shop.
    """
    if promotions is None or promotions.is_empty():
        return np.zeros(events.height, dtype=np.int8)
    key, at = Events.item_id.name, Events.at.name
    start, end = Promotions.start.name, Promotions.end.name
    sales = promotions.select(key, start, end).sort(start)
    rows = events.select(key, at).with_row_index("row").sort(at)
    rows = rows.join_asof(sales, left_on=at, right_on=start, by=key, strategy="backward", check_sortedness=False)
    coming = sales.select(key, next_start=start)
    rows = rows.join_asof(
        coming, left_on=at, right_on="next_start", by=key, strategy="forward", check_sortedness=False,
        allow_exact_matches=False,
    )  # fmt: skip
    left, until = pl.col(end) - pl.col(at), pl.col("next_start") - pl.col(at)
    zero = pl.duration()
    code = (
        pl.when((left > zero) & (left <= HOUR)).then(3)
        .when(left > HOUR).then(2)
        .when(until <= DAY).then(1)
        .when((left <= zero) & (left > -DAY)).then(4)
        .otherwise(0)
    )  # fmt: skip
    return rows.select("row", code=code).sort("row")["code"].to_numpy().astype(np.int8)


def phase_at(sales: Sequence[tuple[datetime, datetime]], at: datetime) -> int:
    """The same for one event: index into PHASES from the (start, end) of its promotions, sorted."""
    begun = [end for start, end in sales if start <= at]
    left = begun[-1] - at if begun else timedelta(days=-1)
    if left > timedelta(0):
        return 3 if left <= timedelta(hours=1) else 2
    coming = next((start for start, _ in sales if start > at), None)
    if coming is not None and coming - at <= timedelta(days=1):
        return 1
    return 4 if left > timedelta(days=-1) else 0
