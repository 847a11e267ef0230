"""Events as integer-coded histories: one flat array per field, cut into customers by offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.protocols import IntArray
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["COLUMNS", "DEPTH_BUCKETS", "GAP_BUCKETS", "WANTED", "Histories", "Vocabulary", "count_before", "gap_bucket",
           "instant"]  # fmt: skip

SECOND = 1_000_000
WANTED = tuple(kind not in ("uncart", "refund") for kind in EVENT_KINDS)  # kinds that show interest in the item
COLUMNS = [Events.customer_id.name, Events.item_id.name, Events.event.name, Events.at.name, Events.price.name,
           Events.order_id.name]  # fmt: skip
PRICE_RATIOS = (0.5, 0.7, 0.8, 0.9, 0.97, 1.03, 1.2)  # borders between buckets of price / usual price
DEPTH_BUCKETS = len(PRICE_RATIOS) + 2
GAP_BUCKETS = 28  # powers of two from 1 second to four years


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """The items that have a vector of their own: codes 1..n in `items`, everything else has code 0.

    Args:
        items: item_id, code, usual_price (median, null without prices), ordered by code.
    """

    items: pl.DataFrame

    @classmethod
    def fit(cls, events: pl.DataFrame, *, max_items: int) -> Vocabulary:
        """Take the most frequent items of `events`; equally frequent ones in order of their ids."""
        known = (
            events.group_by(Events.item_id.col)
            .agg(n=pl.len(), usual_price=Events.price.col.median())
            .sort("n", Events.item_id.name, descending=[True, False])
        )
        items = known.head(max_items).select(
            Events.item_id.name, pl.int_range(1, pl.len() + 1, dtype=pl.Int64).alias("code"), "usual_price"
        )
        return cls(items=items)

    @property
    def size(self) -> int:
        """Number of codes, the shared code 0 included."""
        return self.items.height + 1

    def extended(self, item_ids: Sequence[str]) -> Vocabulary:
        """With further codes for those of `item_ids` that have none; the network has no vectors for these."""
        new = (
            pl.DataFrame({Events.item_id.name: list(item_ids)}, schema={Events.item_id.name: pl.String})
            .unique(maintain_order=True)
            .join(self.items, on=Events.item_id.name, how="anti", maintain_order="left")
        )
        if new.is_empty():
            return self
        more = new.select(
            Events.item_id.name,
            pl.int_range(self.size, self.size + pl.len(), dtype=pl.Int64).alias("code"),
            pl.lit(None, pl.Float64).alias("usual_price"),
        )
        return Vocabulary(items=pl.concat([self.items, more]))

    def codes(self, item_ids: Sequence[str]) -> IntArray:
        """Code of each item, (n,); 0 for items without one."""
        asked = pl.DataFrame({Events.item_id.name: list(item_ids)}, schema={Events.item_id.name: pl.String})
        found = asked.join(self.items, on=Events.item_id.name, how="left", maintain_order="left")
        return found["code"].fill_null(0).to_numpy().astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """All histories of some customers. Customer c owns the events offsets[c] up to offsets[c + 1].

    Events of a customer are ordered by time; those of one instant keep the order of the log. An order is one
    instant (its first line), even if its lines carry several: half an order never announces its other half.

    Args:
        customers: customer ids, in the order asked for.
        offsets: (n_customers + 1,).
        at: microseconds since 1970, UTC, (n_events,).
        item, kind, depth: codes of item, event kind and price relative to usual, (n_events,).
        order_offsets: (n_customers + 1,) into `order_at`.
        order_at: start of each order in microseconds, rising within a customer.
    """

    customers: list[str]
    offsets: IntArray
    at: IntArray
    item: IntArray
    kind: npt.NDArray[np.int8]
    depth: npt.NDArray[np.int8]
    order_offsets: IntArray
    order_at: IntArray

    @classmethod
    def build(
        cls, events: pl.DataFrame, vocabulary: Vocabulary, *, before: datetime, customers: Sequence[str] | None = None
    ) -> Histories:
        """Code the events before `before` of `customers` (default: of everybody). Rows without customer are dropped."""
        key, at = Events.customer_id.name, Events.at.name
        rows = events.lazy().select(COLUMNS).filter(Events.at.col < before, Events.customer_id.col.is_not_null())
        if customers is not None:
            asked = list(customers)
            # One comparison is far quicker than a set where a single customer is scored.
            rows = rows.filter(Events.customer_id.col == asked[0] if len(asked) == 1 else pl.col(key).is_in(asked))
        frame = rows.collect()
        names = sorted(frame[key].unique().to_list()) if customers is None else list(dict.fromkeys(customers))
        people = pl.DataFrame({key: names}, schema={key: pl.String}).with_row_index("row")
        frame = frame.join(people, on=key, how="left", maintain_order="left")
        frame = frame.join(vocabulary.items, on=Events.item_id.name, how="left", maintain_order="left")
        frame = frame.with_columns(start=_order_start()).sort("row", at, maintain_order=True)
        orders = frame.filter(Events.event.col == "purchase").select("row", "start").unique().sort("row", "start")
        return cls(
            customers=names,
            offsets=_offsets(frame["row"], len(names)),
            at=_micros(frame[at]),
            item=frame["code"].fill_null(0).to_numpy().astype(np.int64),
            kind=frame[Events.event.name].cast(pl.Enum(EVENT_KINDS)).to_physical().to_numpy().astype(np.int8),
            depth=_depth_bucket(frame[Events.price.name], frame["usual_price"]),
            order_offsets=_offsets(orders["row"], len(names)),
            order_at=_micros(orders["start"]),
        )

    @property
    def n_customers(self) -> int:
        """Number of customers, those without events included."""
        return len(self.customers)

    def end(self, customer: IntArray, moment: IntArray) -> IntArray:
        """Index one past the last event of each customer before each moment (microseconds), same shape."""
        return count_before(self.at, self.offsets[customer], self.offsets[customer + 1], moment)

    def order_end(self, customer: IntArray, moment: IntArray) -> IntArray:
        """Index one past the last order of each customer before each moment, into `order_at`."""
        return count_before(self.order_at, self.order_offsets[customer], self.order_offsets[customer + 1], moment)


def count_before(values: IntArray, start: IntArray, stop: IntArray, limit: IntArray) -> IntArray:
    """First index in [start, stop) whose value is not below `limit`, else stop: one binary search per row."""
    low, high = np.broadcast_arrays(start, stop, limit)[:2]
    low, high = low.copy(), high.copy()
    while (searching := low < high).any():
        middle = (low + high) // 2
        below = searching & (values[np.where(searching, middle, 0)] < limit)
        low = np.where(below, middle + 1, low)
        high = np.where(searching & ~below, middle, high)
    return low


def gap_bucket(gap_seconds: npt.NDArray[np.floating]) -> IntArray:
    """Logarithmic bucket of a time gap, in [0, GAP_BUCKETS): 0 below a second, then powers of two."""
    bucket: IntArray = np.clip(np.log2(np.maximum(gap_seconds, 0.5)) + 1, 0, GAP_BUCKETS - 1).astype(np.int64)
    return bucket


def instant(time: datetime) -> int:
    """Microseconds since 1970 of a UTC time."""
    return (time - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def _micros(times: pl.Series) -> IntArray:
    return times.dt.epoch("us").to_numpy().astype(np.int64)


def _order_start() -> pl.Expr:
    whole = Events.at.col.min().over(Events.customer_id.name, Events.order_id.name, Events.event.name)
    return pl.when(Events.order_id.col.is_null()).then(Events.at.col).otherwise(whole)


def _offsets(rows: pl.Series, n: int) -> IntArray:
    return np.concatenate([[0], np.cumsum(np.bincount(rows.to_numpy(), minlength=n))]).astype(np.int64)


def _depth_bucket(price: pl.Series, usual: pl.Series) -> npt.NDArray[np.int8]:
    ratio = (price / usual).to_numpy().astype(np.float64)
    return np.where(np.isnan(ratio), 0, 1 + np.searchsorted(PRICE_RATIOS, np.nan_to_num(ratio))).astype(np.int8)
