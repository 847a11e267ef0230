"""The history of one customer, kept in memory and grown event by event."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import torch

from flashlift.behavior.histories import COLUMNS, Histories, instant
from flashlift.behavior.memory import Follower, Memory
from flashlift.behavior.model import EventTransformer
from flashlift.behavior.seen import Met
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.errors import InputError
from flashlift.protocols import IntArray
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["LiveHistory"]


EVENT_FIELDS = ("at", "item", "category", "kind", "channel", "region", "phase", "price")


@dataclass(slots=True, kw_only=True)
class LiveHistory:
    """What one customer did, as the network reads it. An event costs microseconds, not a query of the log.

    Args:
        coded: histories of this customer alone; views into `room`, good until the next event.
        met: the items met.
        orders: ids of orders that began already; further lines of them begin no new one.
        room: field -> its events, with room for more.
        memories: what each network has read of it.
    """

    coded: Histories
    met: Met
    orders: set[str]
    room: dict[str, npt.NDArray[Any]]
    memories: dict[EventTransformer, Memory] = field(default_factory=dict)

    @classmethod
    def of(
        cls, events: pl.DataFrame, vocabulary: Vocabulary, promotions: pl.DataFrame, customer: str, before: datetime
    ) -> LiveHistory:
        """Code the customer's events before a moment; an unknown customer has none."""
        own = events.select(COLUMNS).filter(Events.customer_id.col == customer, Events.at.col < before)
        coded = Histories.build(own, vocabulary, before=before, customers=[customer], promotions=promotions)
        bought = own.filter(Events.event.col == "purchase", Events.order_id.col.is_not_null())
        return cls(
            coded=coded,
            met=Met.of(coded, len(coded.at)),
            orders=set(bought[Events.order_id.name].to_list()),
            room={name: getattr(coded, name) for name in EVENT_FIELDS},
        )

    def __len__(self) -> int:
        return len(self.coded.at)

    def add(
        self,
        event: str,
        at: datetime,
        *,
        item: int,
        category: int = 0,
        price: tuple[float, float, float] = (np.nan, np.nan, np.nan),
        order_id: str | None = None,
        channel: int = 0,
        region: int = 0,
        phase: int = 0,
    ) -> None:
        """Add an event in its place in time; one of the same instant goes behind those that are there.

        Args:
            event: one of EVENT_KINDS.
            at: when, UTC.
            item: code of the item; 0 if it has none.
            category: code of its category.
            price: as in `Histories.price`.
            order_id: of a purchase or refund.
            channel: its code.
            region: its code.
            phase: of the item's promotion; see promotions.PHASES.

        Raises:
            InputError: no such kind of event.
        """
        if event not in EVENT_KINDS:
            raise InputError(f"There is no event {event!r}. Use one of {', '.join(EVENT_KINDS)}.")
        moment, kind = instant(at), EVENT_KINDS.index(event)
        place = int(np.searchsorted(self.coded.at, moment, side="right"))
        values = dict(zip(EVENT_FIELDS, (moment, item, category, kind, channel, region, phase, price), strict=True))
        n = len(self) + 1
        for name, value in values.items():
            self.room[name] = rows = _with_room(self.room[name], n)
            rows[place + 1 : n] = rows[place : n - 1]
            rows[place] = value
        grown: dict[str, Any] = {name: self.room[name][:n] for name in EVENT_FIELDS}
        self.coded = replace(self.coded, offsets=np.array([0, n]), **grown)
        self.met.add(item, kind, moment)
        for memory in self.memories.values():
            memory.forget(place)
        if event == "purchase" and (order_id is None or order_id not in self.orders):
            self.orders |= {order_id} if order_id else set()
            self._begin_order(moment)

    def _begin_order(self, moment: int) -> None:
        """An order at this instant, of unknown category and value; one order begins at an instant."""
        old = self.coded
        place = int(np.searchsorted(old.order_at, moment))
        if moment in old.order_at[place : place + 1]:
            return
        self.coded = replace(
            old,
            order_offsets=np.array([0, len(old.order_at) + 1]),
            order_at=np.insert(old.order_at, place, moment),
            order_category=np.insert(old.order_category, place, 0),
            order_value=np.insert(old.order_value, place, np.nan),
        )

    def own(self, at: int) -> tuple[IntArray, npt.NDArray[np.float32]]:
        """Codes of items met before a moment (microseconds), and what own history says of them; see `Seen.features`."""
        stop = self.stop(at)
        met = self.met if stop == len(self) else Met.of(self.coded, stop)
        return met.features(at, stop)

    def read(self, follower: Follower, at: int) -> torch.Tensor:
        """State of the customer before a moment (microseconds), (1, 2 C), under `inference`.

        Only what the network has not read before is read.
        """
        memory = self.memories.get(follower.network)
        if memory is None:
            memory = self.memories[follower.network] = follower.memory()
        return follower.state(memory, self.coded, self.stop(at))

    def stop(self, at: int) -> int:
        """Number of events before a moment (microseconds)."""
        return int(np.searchsorted(self.coded.at, at, side="left"))


def _with_room(rows: npt.NDArray[Any], n: int) -> npt.NDArray[Any]:
    """The rows, with room for n or more: it doubles, so that growing costs the same at any length."""
    if n <= len(rows):
        return rows
    return np.concatenate([rows, np.empty((n, *rows.shape[1:]), dtype=rows.dtype)])
