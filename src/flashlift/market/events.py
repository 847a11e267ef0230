"""Units become events: visits of customers, and in each visit a funnel of views, favorites, carts and purchases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.market.items import ItemBase
from flashlift.market.population import CHANNELS, CustomerBase
from flashlift.market.rhythm import hour_profiles, hours_within
from flashlift.market.words import REGIONS
from flashlift.protocols import FloatArray, IntArray, Progress
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["BROWSES_PER_ORDER", "EVENTS_PER_ORDER", "UNITS_PER_ORDER", "Window", "event_frames"]

BROWSES_PER_ORDER = 5.0  # looks at an item that end without a purchase, per order
_EPISODES_PER_VISIT = 3.0
_DAY = timedelta(days=1)
_PAIR_FRAC = 0.16  # of the possible pairs of units, how many are one order of two
_REPEAT_VIEW_FRAC = np.array([0.3, 0.5])  # chance of one more view: browsing, buying
_FAVORITE_FRAC = np.array([0.06, 0.10])
_CART_FRAC = np.array([0.10, 0.92])
_UNCART_FRAC = np.array([0.25, 0.0])  # of carts
UNITS_PER_ORDER = 1.02
EVENTS_PER_ORDER = float(
    np.array([BROWSES_PER_ORDER, 1.0])
    @ (1 / (1 - _REPEAT_VIEW_FRAC) + _FAVORITE_FRAC + _CART_FRAC * (1 + _UNCART_FRAC))
    + 1.0
)
_KIND = {name: code for code, name in enumerate(EVENT_KINDS)}
Columns = dict[str, npt.NDArray[Any]]


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


def event_frames(
    windows: Iterable[Window],
    items: ItemBase,
    customers: CustomerBase,
    *,
    refund_frac: float,
    until: datetime,
    prefix: str,
    chunk_rows: int,
    progress: Progress,
    rng: np.random.Generator,
) -> Iterator[pl.DataFrame]:
    """Schema Events in order of time, in frames of about `chunk_rows` rows.

    Args:
        windows: in order of time, not overlapping.
        items: what is sold.
        customers: who buys.
        refund_frac: share of order lines that are sent back, days later.
        until: end of the last window; later refunds are left out.
        prefix: first letter of event identifiers and, followed by a mark of their own, of visits and orders.
        chunk_rows: a frame is closed at the first end of a window after this many rows.
        progress: told the days done and to do.
        rng: two child streams are taken per window.
    """
    scene = _Scene(items, customers)
    waiting: list[Columns] = []
    begin: datetime | None = None
    rows, first_event, first_visit = 0, 0, 0
    refunds = _no_rows()
    for window in windows:
        here, own = rng.spawn(2)
        found, visits = scene.play(window, first_visit, rng=here)
        first_visit += visits
        back = _send_back(found, refund_frac, until, rng=own)
        refunds = {name: np.concatenate([refunds[name], back[name]]) for name in refunds}
        due = refunds["at"] < _instant(window.end)
        waiting += [found, {name: column[due] for name, column in refunds.items()}]
        refunds = {name: column[~due] for name, column in refunds.items()}
        rows += len(found["at"])
        begin = begin or window.start
        progress("market: events", (window.end - begin) / _DAY, (until - begin) / _DAY)
        if rows >= chunk_rows:
            frame = scene.frame(waiting, first_event, prefix)
            yield frame
            rows, first_event, waiting = 0, first_event + len(frame), []
    yield scene.frame([*waiting, refunds], first_event, prefix)


class _Scene:
    """The shop's customers and items, ready to be sampled."""

    def __init__(self, items: ItemBase, customers: CustomerBase) -> None:
        self._items, self._customers = items, customers
        self._profiles = hour_profiles()
        self._deal_taste = customers.taste * np.exp(customers.sensitivity)[:, None]
        self._kinds = pl.Series(EVENT_KINDS, dtype=pl.Enum(EVENT_KINDS))
        self._customer_ids = customers.frame[Events.customer_id.name]
        self._item_ids = items.frame[Events.item_id.name]

    def play(self, window: Window, first_visit: int, *, rng: np.random.Generator) -> tuple[Columns, int]:
        """All events of the window but refunds, in no order, and the number of visits they belong to."""
        item, quantity = _episodes(window, rng)
        if not len(item):
            return _no_rows(), 0
        day = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
        within = hours_within(day, window.start, window.end)
        profile = self._profiles[int(day.weekday() >= 5)] * within
        visitor, start = self._visits(len(item) / _EPISODES_PER_VISIT, profile, within, rng)
        visit = self._who(visitor, item, window.discount[item] > 0, rng)

        order = np.lexsort((rng.random(len(visit)), visit))
        visit, item, quantity = visit[order], item[order], quantity[order]
        opens = np.flatnonzero(np.diff(visit, prepend=-1))
        nth = np.arange(len(visit)) - np.repeat(opens, np.diff(opens, append=len(visit)))
        begins = start[visit] + 150.0 * nth + rng.uniform(0.0, 60.0, len(visit))
        episode, kind, second = _funnel(begins, quantity, opens, rng)

        of_visit = visit[episode]
        last = np.zeros(len(visitor))
        np.maximum.at(last, of_visit, second)
        length = (window.end - day) / timedelta(seconds=1)
        second = second - np.maximum(last - (length - 1.0), 0.0)[of_visit]
        second = np.maximum(second, (window.start - day) / timedelta(seconds=1))
        usual = self._customers.channel[visitor]
        channel = np.where(rng.random(len(visitor)) < 0.85, usual, rng.integers(len(CHANNELS), size=len(visitor)))
        bought = kind == _KIND["purchase"]
        columns = {
            "at": _instant(day) + (second * 1e6).astype(np.int64),
            "customer": visitor[of_visit],
            "item": item[episode],
            "kind": kind,
            "price": window.price[item[episode]],
            "quantity": np.where(bought, quantity[episode], 1),
            "visit": of_visit + first_visit,
            "ordered": bought,
            "channel": channel[of_visit],
        }
        return columns, len(visitor)

    def _visits(
        self, n: float, profile: FloatArray, within: FloatArray, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Customers who visit in the window, about `n`, and the second of the day when each begins."""
        customers = self._customers
        weight = customers.activity * profile.sum(axis=1)[customers.kind]
        visitor = np.flatnonzero(rng.random(len(weight)) < n * weight / weight.sum())
        if not len(visitor):
            visitor = rng.choice(len(weight), size=1, p=weight / weight.sum())
        cumulative = profile.cumsum(axis=1)
        place = rng.random(len(visitor)) * cumulative[customers.kind[visitor], -1]
        hour = (place[:, None] >= cumulative[customers.kind[visitor]]).sum(axis=1).clip(0, 23)
        first = np.flatnonzero(within)[0]
        offset = np.where(hour == first, 1.0 - within[hour], 0.0)  # the first hour may have begun before the window
        return visitor, 3600.0 * (hour + offset + rng.random(len(visitor)) * within[hour])

    def _who(
        self, visitor: IntArray, item: IntArray, deal: npt.NDArray[np.bool_], rng: np.random.Generator
    ) -> IntArray:
        """Place in `visitor` of the customer of each episode: taste for the category, and for deals where it is one."""
        taste = np.hstack([self._customers.taste[visitor], self._deal_taste[visitor]])
        cumulative = taste.cumsum(axis=0)
        cumulative /= cumulative[-1]
        kinds = taste.shape[1]
        column = self._items.category[item] + deal * (kinds // 2)
        ladder = (cumulative + np.arange(kinds)).T.ravel()  # one search in all columns at once
        found = np.searchsorted(ladder, column + rng.random(len(item)), side="right") - column * len(visitor)
        return np.asarray(found.clip(0, len(visitor) - 1))

    def frame(self, parts: list[Columns], first_event: int, prefix: str) -> pl.DataFrame:
        """Schema Events of the parts, in order of time."""
        columns = {name: np.concatenate([part[name] for part in parts]) for name in _no_rows()}
        columns = {name: column[np.argsort(columns["at"], kind="stable")] for name, column in columns.items()}
        n = len(columns["at"])
        visit = pl.Series(columns["visit"])
        ordered = pl.Series(columns["ordered"])
        refund = pl.Series(columns["kind"] == _KIND["refund"])
        nothing = pl.Series([None], dtype=pl.String).new_from_index(0, n)
        channel = pl.Series(CHANNELS, dtype=pl.String).gather(columns["channel"])
        return pl.DataFrame(
            {
                Events.event_id.name: prefix + pl.Series(np.arange(first_event, first_event + n)).cast(pl.String),
                Events.customer_id.name: self._customer_ids.gather(columns["customer"]),
                Events.item_id.name: self._item_ids.gather(columns["item"]),
                Events.event.name: self._kinds.gather(columns["kind"]),
                Events.at.name: pl.Series(columns["at"]).cast(pl.Datetime("us")).dt.replace_time_zone("UTC"),
                Events.price.name: columns["price"],
                Events.currency.name: pl.Series(["EUR"]).new_from_index(0, n),
                Events.quantity.name: columns["quantity"].astype(np.int64),
                Events.order_id.name: (prefix + "o" + visit.cast(pl.String)).zip_with(ordered, nothing),
                Events.session_id.name: (prefix + "v" + visit.cast(pl.String)).zip_with(~refund, nothing),
                Events.exposure_id.name: nothing,
                Events.channel.name: channel,
                Events.region.name: pl.Series(REGIONS).gather(self._customers.region[columns["customer"]]),
                Events.store_id.name: nothing,
            }
        )


def _episodes(window: Window, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Item and units of each episode, a customer's dealing with an item; 0 units where nothing is bought."""
    pairs = rng.binomial(window.sold // 2, _PAIR_FRAC)
    singles = window.sold - 2 * pairs
    looks = rng.poisson(window.looks)
    every = np.arange(len(looks))
    item = np.concatenate([np.repeat(every, n) for n in (singles, pairs, looks)])
    return item, np.repeat(np.array([1, 2, 0]), [singles.sum(), pairs.sum(), looks.sum()])


def _funnel(
    begins: FloatArray, quantity: IntArray, opens: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray, FloatArray]:
    """Events of the episodes: number of the episode, kind, second of the day.

    `begins` is the second at which an episode begins, `opens` the first episode of each visit.
    """
    n = len(begins)
    buys = (quantity > 0).astype(np.int64)
    views = rng.geometric(1.0 - _REPEAT_VIEW_FRAC[buys])
    favored = rng.random(n) < _FAVORITE_FRAC[buys]
    carted = rng.random(n) < _CART_FRAC[buys]
    dropped = carted & (rng.random(n) < _UNCART_FRAC[buys])
    seen = begins + 20.0 * views
    # A visit pays at its end, one order line after the other.
    size = np.diff(opens, append=n)
    pays = np.repeat(np.maximum.reduceat(seen + 30.0, opens), size) + 0.5 * (np.arange(n) - np.repeat(opens, size))
    viewed = np.repeat(np.arange(n), views)
    nth = np.arange(len(viewed)) - np.repeat(views.cumsum() - views, views)
    parts = [
        ("view", viewed, begins[viewed] + 20.0 * nth),
        ("favorite", np.flatnonzero(favored), seen[favored] + 4.0),
        ("cart", np.flatnonzero(carted), seen[carted] + 8.0),
        ("uncart", np.flatnonzero(dropped), seen[dropped] + 20.0),
        ("purchase", np.flatnonzero(buys), pays[buys > 0]),
    ]
    kind = np.repeat([_KIND[name] for name, _, _ in parts], [len(episode) for _, episode, _ in parts])
    return (
        np.concatenate([episode for _, episode, _ in parts]),
        kind,
        np.concatenate([second for _, _, second in parts]),
    )


def _send_back(found: Columns, refund_frac: float, until: datetime, *, rng: np.random.Generator) -> Columns:
    """Refunds of some of the purchases, days later."""
    bought = np.flatnonzero(found["ordered"])
    chosen = bought[rng.random(len(bought)) < refund_frac]
    back = {name: column[chosen] for name, column in found.items()}
    days = 1.0 + rng.exponential(6.0, len(chosen))
    back["at"] = back["at"] + (days * 86_400e6).astype(np.int64)
    back["kind"] = np.full(len(chosen), _KIND["refund"])
    kept = back["at"] < _instant(until)
    return {name: column[kept] for name, column in back.items()}


def _instant(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // timedelta(microseconds=1)


def _no_rows() -> Columns:
    names = ("at", "customer", "item", "kind", "price", "quantity", "visit", "channel")
    return {name: np.array([], dtype=np.float64 if name == "price" else np.int64) for name in names} | {
        "ordered": np.array([], dtype=bool)
    }
