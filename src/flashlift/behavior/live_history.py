"""The history of one customer, kept in memory and grown event by event."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.behavior.histories import COLUMNS, Histories, instant
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.errors import InputError
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["LiveHistory"]


@dataclass(slots=True, kw_only=True)
class LiveHistory:
    """What one customer did, as the network reads it. An event costs microseconds, not a query of the log.

    Args:
        coded: histories of this customer alone.
        orders: ids of orders that began already; further lines of them begin no new one.
    """

    coded: Histories
    orders: set[str] = field(default_factory=set)

    @classmethod
    def of(
        cls, events: pl.DataFrame, vocabulary: Vocabulary, promotions: pl.DataFrame, customer: str, before: datetime
    ) -> LiveHistory:
        """Code the customer's events before a moment; an unknown customer has none."""
        own = events.select(COLUMNS).filter(Events.customer_id.col == customer, Events.at.col < before)
        coded = Histories.build(own, vocabulary, before=before, customers=[customer], promotions=promotions)
        bought = own.filter(Events.event.col == "purchase", Events.order_id.col.is_not_null())
        return cls(coded=coded, orders=set(bought[Events.order_id.name].to_list()))

    def __len__(self) -> int:
        return len(self.coded.at)

    def add(
        self,
        event: str,
        at: datetime,
        *,
        item: int,
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
        moment, old = instant(at), self.coded
        place = int(np.searchsorted(old.at, moment, side="right"))
        order_at = old.order_at
        if event == "purchase" and (order_id is None or order_id not in self.orders):
            order_at = np.unique(np.append(order_at, moment))
            self.orders |= {order_id} if order_id else set()
        self.coded = Histories(
            customers=old.customers,
            offsets=np.array([0, len(old.at) + 1]),
            at=np.insert(old.at, place, moment),
            item=np.insert(old.item, place, item),
            kind=np.insert(old.kind, place, EVENT_KINDS.index(event)),
            channel=np.insert(old.channel, place, channel),
            region=np.insert(old.region, place, region),
            phase=np.insert(old.phase, place, phase),
            price=np.insert(old.price, place, np.asarray(price, dtype=np.float32), axis=0),
            order_offsets=np.array([0, len(order_at)]),
            order_at=order_at,
            order_category=np.zeros(len(order_at), dtype=np.int64),
            order_value=np.full(len(order_at), np.nan, dtype=np.float32),
        )
