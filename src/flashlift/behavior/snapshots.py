"""A snapshot is a customer at an instant: what is known of them then, and when they buy next."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.behavior.histories import Histories
from flashlift.protocols import FloatArray, IntArray

__all__ = ["HOUR", "N_FACTS", "Snapshots", "facts", "hours_to_purchase", "next_order", "spent", "spread_snapshots"]

HOUR = 3_600_000_000  # microseconds
DAY = 24 * HOUR
EVENT_DAYS = (1, 7, 30, 90)
ORDER_DAYS = (7, 30, 90)
N_FACTS = 4 + len(EVENT_DAYS) + len(ORDER_DAYS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshots:
    """Row k asks about customer[k] (row of the histories) at the instant at[k] (microseconds, UTC)."""

    customer: IntArray
    at: IntArray

    def take(self, rows: IntArray) -> Snapshots:
        """The snapshots of these rows, in their order."""
        return Snapshots(customer=self.customer[rows], at=self.at[rows])

    @property
    def hour(self) -> IntArray:
        """Hour of the day, UTC, 0..23."""
        return self.at // HOUR % 24

    @property
    def clock(self) -> IntArray:
        """Hour of the week, UTC, 0..167; 0 is Monday's first."""
        return self.weekday * 24 + self.hour

    @property
    def weekday(self) -> IntArray:
        """Day of the week, UTC, 0 is Monday."""
        return (self.at // DAY + 3) % 7  # 1970-01-01 was a Thursday


def facts(histories: Histories, snapshots: Snapshots) -> npt.NDArray[np.float32]:
    """What is known just before each snapshot, (n, N_FACTS), all ln(1 + x).

    In order: hours since the last event, since the last order (0 if none), since the first event; orders so far;
    events in the last 1, 7, 30, 90 days; orders in the last 7, 30, 90 days. Only events before the snapshot are read.
    """
    who, now = snapshots.customer, snapshots.at
    ends = histories.end(who[:, None], now[:, None] - np.array([0, *EVENT_DAYS]) * DAY)
    order_ends = histories.order_end(who[:, None], now[:, None] - np.array([0, *ORDER_DAYS]) * DAY)
    first, end = histories.offsets[who], ends[:, 0]
    first_order, order_end = histories.order_offsets[who], order_ends[:, 0]
    columns: list[FloatArray | IntArray] = [
        np.where(end > first, now - _at(histories.at, end - 1), 0) / HOUR,
        np.where(order_end > first_order, now - _at(histories.order_at, order_end - 1), 0) / HOUR,
        np.where(end > first, now - _at(histories.at, first), 0) / HOUR,
        order_end - first_order,
        *(end - ends[:, 1:].T),
        *(order_end - order_ends[:, 1:].T),
    ]
    return np.log1p(np.stack(columns, axis=1)).astype(np.float32)


def hours_to_purchase(
    histories: Histories, snapshots: Snapshots, *, until: int
) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Hours until the next order that begins at or after each snapshot, seen up to `until` (microseconds).

    Returns:
        hours to the order, or to `until` where none is seen before it, (n,); and whether one was seen, (n,).
    """
    index, seen = next_order(histories, snapshots, until=until)
    order = np.where(seen, _at(histories.order_at, index), until)
    return np.maximum(order - snapshots.at, 0) / HOUR, seen


def next_order(histories: Histories, snapshots: Snapshots, *, until: int) -> tuple[IntArray, npt.NDArray[np.bool_]]:
    """Index of the first order at or after each snapshot, (n,), and whether it was seen before `until`, (n,)."""
    index = histories.order_end(snapshots.customer, snapshots.at)
    exists = index < histories.order_offsets[snapshots.customer + 1]
    return index, exists & (_at(histories.order_at, index) < until)


def spent(histories: Histories, snapshots: Snapshots) -> npt.NDArray[np.float32]:
    """Sum of ln value of the customer's orders before each snapshot, and how many have a value, (n, 2)."""
    logs = np.log(histories.order_value.astype(np.float64))
    known = np.isfinite(logs)
    each = np.stack([np.where(known, logs, 0.0), known], axis=1)
    sums = np.concatenate([np.zeros((1, 2)), np.cumsum(each, axis=0)])
    begin, end = histories.order_offsets[snapshots.customer], histories.order_end(snapshots.customer, snapshots.at)
    total: npt.NDArray[np.float32] = (sums[end] - sums[begin]).astype(np.float32)
    return total


def spread_snapshots(histories: Histories, start: int, stop: int, *, n: int, rng: np.random.Generator) -> Snapshots:
    """`n` snapshots, uniform over customers and over the times in [start, stop) after their first event."""
    has_events = histories.offsets[1:] > histories.offsets[:-1]
    first = np.where(has_events, _at(histories.at, histories.offsets[:-1]), stop)
    ready = np.flatnonzero(first < stop - 1)
    if not len(ready):
        return Snapshots(customer=np.zeros(0, np.int64), at=np.zeros(0, np.int64))
    begin = np.maximum(first[ready] + 1, start)
    share = (stop - begin) / (stop - begin).sum()
    pick = rng.choice(len(ready), size=n, p=share)
    at = begin[pick] + (rng.random(n) * (stop - begin[pick])).astype(np.int64)
    return Snapshots(customer=ready[pick], at=at)


def _at(values: IntArray, index: IntArray) -> IntArray:
    """values[index], where an index outside is somebody else's concern."""
    return values[np.clip(index, 0, max(len(values) - 1, 0))] if len(values) else np.zeros_like(index)
