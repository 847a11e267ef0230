"""Visits and the episodes in them, before they become events; the stretch of time in which they happen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from flashlift.market.rhythm import hours_within
from flashlift.protocols import FloatArray, IntArray

__all__ = ["BROWSE", "BUY", "COLLECT", "NONE", "ORDER", "SECONDS_PER_EPISODE", "Visits", "Window"]

BROWSE, BUY, ORDER, COLLECT = range(4)  # manners of an episode: look, buy online, order for a business, buy in a store
NONE = -1  # no store; or no channel of its own, so the customer's usual one
SECONDS_PER_EPISODE = 150.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What is sold and looked at in a stretch of time within one calendar day, one entry per item.

    Args:
        start: first instant, UTC.
        end: end, UTC, exclusive.
        sold: units bought.
        looks: expected looks that end without a purchase.
        discount: fraction off the list price.
        price: price per unit.
    """

    start: datetime
    end: datetime
    sold: npt.NDArray[np.integer[Any]]
    looks: FloatArray
    discount: FloatArray
    price: FloatArray

    @property
    def day(self) -> datetime:
        """Midnight at which the window's day begins."""
        return self.start.replace(hour=0, minute=0, second=0, microsecond=0)

    @property
    def weekend(self) -> int:
        """1 on Saturday and Sunday, else 0."""
        return int(self.start.weekday() >= 5)

    @property
    def within(self) -> FloatArray:
        """Part of each hour of the day that lies in the window, (24,) in [0, 1]."""
        return hours_within(self.day, self.start, self.end)

    def bounds(self, opens: float = 0.0, closes: float = 24.0) -> tuple[float, float]:
        """First and last second of the day that lie in the window and between two hours of the day."""
        start, end = ((at - self.day) / timedelta(seconds=1) for at in (self.start, self.end))
        return max(start, 3600.0 * opens), min(end, 3600.0 * closes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Visits in one window, and in each visit its episodes: dealings with one item.

    Args:
        customer: row number of who visits, one entry per visit.
        begins: second of the day.
        opens: second of the day before which nothing of the visit happens.
        closes: second of the day at which it is over.
        channel: index into `CHANNELS`, or `NONE` for the customer's usual one.
        store: row number of the store, or `NONE` online.
        visit: number of the visit of each episode.
        item: row number of its item.
        quantity: units bought; 0 where nothing is.
        manner: `BROWSE`, `BUY`, `ORDER` or `COLLECT`.
    """

    customer: IntArray
    begins: FloatArray
    opens: FloatArray
    closes: FloatArray
    channel: IntArray
    store: IntArray
    visit: IntArray
    item: IntArray
    quantity: IntArray
    manner: IntArray

    def __len__(self) -> int:
        return len(self.customer)

    @classmethod
    def within(
        cls,
        bounds: tuple[float, float],
        *,
        customer: IntArray,
        begins: FloatArray,
        visit: IntArray,
        item: IntArray,
        quantity: IntArray,
        manner: IntArray,
        channel: int = NONE,
        store: IntArray | None = None,
    ) -> Self:
        """Visits that share their bounds, in seconds of the day, and their channel."""
        n = len(customer)
        return cls(
            customer=customer,
            begins=begins,
            opens=np.full(n, bounds[0]),
            closes=np.full(n, bounds[1]),
            channel=np.full(n, channel),
            store=np.full(n, NONE) if store is None else store,
            visit=visit,
            item=item,
            quantity=quantity,
            manner=manner,
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """The visits of all parts, in their order."""
        if len(parts) == 1:
            return parts[0]
        before = np.cumsum([0, *map(len, parts)])
        columns = {f.name: np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(cls)}
        columns["visit"] = columns["visit"] + np.repeat(before[:-1], [len(part.visit) for part in parts])
        return cls(**columns)
