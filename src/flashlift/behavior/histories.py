"""Events as coded histories: one flat array per field, cut into customers by offsets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.behavior.promotions import phase_codes
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.protocols import IntArray
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["COLUMNS", "GAP_BUCKETS", "PRICES", "SECOND", "WANTED", "Histories", "count_before", "gap_bucket", "instant"]

SECOND = 1_000_000
WANTED = tuple(kind not in ("uncart", "refund") for kind in EVENT_KINDS)  # kinds that show interest in the item
COLUMNS = [Events.customer_id.name, Events.item_id.name, Events.event.name, Events.at.name, Events.price.name,
           Events.quantity.name, Events.order_id.name, Events.channel.name, Events.region.name]  # fmt: skip
PRICES = ("level", "discount", "relative")
GAP_BUCKETS = 28  # powers of two from 1 second to four years


@dataclass(frozen=True, slots=True, kw_only=True)
class Histories:
    """All histories of some customers. Customer c owns the events offsets[c] up to offsets[c + 1].

    Events of a customer are ordered by time; those of one instant keep the order of the log. An order is one
    instant (its first line), even if its lines carry several: half an order never announces its other half.

    Args:
        customers: customer ids, in the order asked for.
        offsets: (n_customers + 1,).
        at: microseconds since 1970, UTC, (n_events,).
        item, category, kind, channel, region, phase: codes, (n_events,); category is the item's; phase is an index into
            promotions.PHASES.
        price: ln price, ln(price / usual), ln(price / usual in the category), NaN where unknown, (n_events, 3).
        order_offsets: (n_customers + 1,) into the arrays of orders.
        order_at: start of each order in microseconds, rising within a customer.
        order_category: category of most lines of each order, a code; 0 where unknown.
        order_value: what each order cost, NaN where a price is missing.
    """

    customers: list[str]
    offsets: IntArray
    at: IntArray
    item: IntArray
    category: npt.NDArray[np.int16]
    kind: npt.NDArray[np.int8]
    channel: npt.NDArray[np.int16]
    region: npt.NDArray[np.int16]
    phase: npt.NDArray[np.int8]
    price: npt.NDArray[np.float32]
    order_offsets: IntArray
    order_at: IntArray
    order_category: IntArray
    order_value: npt.NDArray[np.float32]

    @classmethod
    def build(
        cls,
        events: pl.DataFrame,
        vocabulary: Vocabulary,
        *,
        before: datetime,
        customers: Sequence[str] | None = None,
        promotions: pl.DataFrame | None = None,
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
        orders = _orders(frame)
        return cls(
            customers=names,
            offsets=_offsets(frame["row"], len(names)),
            at=_micros(frame[at]),
            item=frame["code"].fill_null(0).to_numpy().astype(np.int64),
            category=frame["category"].fill_null(0).to_numpy().astype(np.int16),
            kind=frame[Events.event.name].cast(pl.Enum(EVENT_KINDS)).to_physical().to_numpy().astype(np.int8),
            channel=vocabulary.label_codes("channel", frame[Events.channel.name]).astype(np.int16),
            region=vocabulary.label_codes("region", frame[Events.region.name]).astype(np.int16),
            phase=phase_codes(frame, promotions),
            price=_prices(frame),
            order_offsets=_offsets(orders["row"], len(names)),
            order_at=_micros(orders["start"]),
            order_category=orders["category"].to_numpy().astype(np.int64),
            order_value=orders["value"].to_numpy().astype(np.float32),
        )

    @property
    def n_customers(self) -> int:
        """Number of customers, those without events included."""
        return len(self.customers)

    def owner(self) -> IntArray:
        """Customer of each event, (n_events,)."""
        return np.repeat(np.arange(self.n_customers), np.diff(self.offsets))

    def end(self, customer: IntArray, moment: IntArray) -> IntArray:
        """Index one past the last event of each customer before each moment (microseconds), same shape."""
        return self._count(self.at, self.offsets, customer, moment)

    def order_end(self, customer: IntArray, moment: IntArray) -> IntArray:
        """Index one past the last order of each customer before each moment, into `order_at`."""
        return self._count(self.order_at, self.order_offsets, customer, moment)

    def _count(self, values: IntArray, offsets: IntArray, customer: IntArray, moment: IntArray) -> IntArray:
        if self.n_customers == 1:  # the way of serving: one sorted array
            return np.searchsorted(values, moment, side="left").astype(np.int64)
        return count_before(values, offsets[customer], offsets[customer + 1], moment)


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


def _orders(frame: pl.DataFrame) -> pl.DataFrame:
    """row, start, category, value of each order, sorted."""
    lines = frame.filter(Events.event.col == "purchase").with_columns(
        paid=Events.price.col * Events.quantity.col, category=pl.col("category").fill_null(0)
    )
    return (
        lines.group_by("row", "start")
        .agg(
            category=pl.col("category").mode().min(),
            value=pl.when(pl.col("paid").is_null().any()).then(float("nan")).otherwise(pl.col("paid").sum()),
        )
        .sort("row", "start")
    )


def _offsets(rows: pl.Series, n: int) -> IntArray:
    return np.concatenate([[0], np.cumsum(np.bincount(rows.to_numpy(), minlength=n))]).astype(np.int64)


def _prices(frame: pl.DataFrame) -> npt.NDArray[np.float32]:
    price = Events.price.col
    parts = frame.select(
        level=price.log(),
        discount=(price / pl.col("usual_price")).log(),
        relative=(price / pl.col("category_price")).log(),
    )
    return parts.fill_null(float("nan")).to_numpy().astype(np.float32)
