"""Units become events: visits of customers, and in each visit a funnel of views, favorites, carts and purchases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.market.accounts import place_orders, take_lots
from flashlift.market.items import ItemBase
from flashlift.market.population import CustomerBase
from flashlift.market.rhythm import hours_by_part
from flashlift.market.shoppers import Shoppers
from flashlift.market.stores import reopened
from flashlift.market.ties import WordOfMouth
from flashlift.market.visits import BROWSE, COLLECT, NONE, SECONDS_PER_EPISODE, Visits, Window
from flashlift.market.words import CHANNELS, ONLINE, REGIONS
from flashlift.protocols import FloatArray, IntArray, Progress
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["BROWSES_PER_ORDER", "EVENTS_PER_ORDER", "UNITS_PER_ORDER", "Window", "event_frames"]

BROWSES_PER_ORDER = 5.0  # looks at an item that end without a purchase, per order
_DAY = timedelta(days=1)
# Chances by the manner of the episode: to browse, to buy online, to order for a business, to buy in a store.
_REPEAT_VIEW_FRAC = np.array([0.3, 0.5, 0.0, 0.0])  # of one more view
_FAVORITE_FRAC = np.array([0.06, 0.10, 0.0, 0.0])
_CART_FRAC = np.array([0.10, 0.92, 1.0, 0.0])
_UNCART_FRAC = np.array([0.25, 0.0, 0.0, 0.0])  # of carts
UNITS_PER_ORDER = 1.02
EVENTS_PER_ORDER = float(
    np.array([BROWSES_PER_ORDER, 1.0])
    @ (1 / (1 - _REPEAT_VIEW_FRAC) + _FAVORITE_FRAC + _CART_FRAC * (1 + _UNCART_FRAC))[:2]
    + 1.0
)
_KIND = {name: code for code, name in enumerate(EVENT_KINDS)}
Columns = dict[str, npt.NDArray[Any]]


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
        self._customers = customers
        self._shoppers = Shoppers(customers, items.category)
        self._hours = hours_by_part(customers.kind, customers.activity)
        self._word_of_mouth = WordOfMouth(customers.friends) if customers.friends else None
        self._kinds = pl.Series(EVENT_KINDS, dtype=pl.Enum(EVENT_KINDS))
        self._customer_ids = customers.frame[Events.customer_id.name]
        self._item_ids = items.frame[Events.item_id.name]
        self._store_ids = customers.chain.frame[Events.store_id.name] if customers.chain else None

    def play(self, window: Window, first_visit: int, *, rng: np.random.Generator) -> tuple[Columns, int]:
        """All events of the window but refunds, in no order, and the number of visits they belong to."""
        visits = self._visits(window, rng)
        if visits is None:
            return _no_rows(), 0
        order = np.lexsort((rng.random(len(visits.visit)), visits.visit))
        visit, item = visits.visit[order], visits.item[order]
        quantity, manner = visits.quantity[order], visits.manner[order]
        opens = np.flatnonzero(np.diff(visit, prepend=-1))
        nth = np.arange(len(visit)) - np.repeat(opens, np.diff(opens, append=len(visit)))
        begins = visits.begins[visit] + SECONDS_PER_EPISODE * nth + rng.uniform(0.0, 60.0, len(visit))
        episode, kind, second = _funnel(begins, manner, opens, rng)

        of_visit = visit[episode]
        last = np.zeros(len(visits))
        np.maximum.at(last, of_visit, second)
        second = second - np.maximum(last - (visits.closes - 1.0), 0.0)[of_visit]
        second = np.maximum(second, visits.opens[of_visit])
        usual = self._customers.channel[visits.customer]
        own = np.where(rng.random(len(visits)) < 0.85, usual, rng.integers(len(ONLINE), size=len(visits)))
        channel = np.where(visits.channel == NONE, own, visits.channel)
        bought = kind == _KIND["purchase"]
        columns = {
            "at": _instant(window.day) + (second * 1e6).astype(np.int64),
            "customer": visits.customer[of_visit],
            "item": item[episode],
            "kind": kind,
            "price": window.price[item[episode]],
            "quantity": np.where(bought, quantity[episode], 1),
            "visit": of_visit + first_visit,
            "ordered": bought,
            "channel": channel[of_visit],
            "store": visits.store[of_visit],
        }
        return columns, len(visits)

    def _visits(self, window: Window, rng: np.random.Generator) -> Visits | None:
        """The units of the window, shared out to businesses, stores and visits online; None where nothing happens."""
        customers, sold, found = self._customers, window.sold.astype(np.int64), []
        businesses, streets, words = rng.spawn(3)
        hours = self._hours[window.weekend] @ window.within
        online, business, store = customers.parts[window.weekend] * hours
        if customers.accounts and business:
            units = businesses.binomial(sold.sum(), business / (online + business + store))
            item, quantity = take_lots(sold, units, rng=businesses)
            sold[item] -= quantity
            if len(item):
                found.append(place_orders(customers.accounts, window, item, quantity, rng=businesses))
        if customers.chain and store:
            there = streets.binomial(sold, store / (online + store))
            sold -= there
            if there.any():
                found.append(self._shoppers.in_stores(customers.chain, window, there, rng=streets))
        if private := self._shoppers.online(window, sold, rng=rng):
            found.append(private)
        if not found:
            return None
        visits = Visits.joined(found)
        return visits if self._word_of_mouth is None else self._word_of_mouth.carry(visits, window, rng=words)

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
        store, online = nothing, pl.Series(columns["store"] == NONE)
        if self._store_ids is not None:
            place = pl.Series(columns["store"]).clip(lower_bound=0)
            store = nothing.zip_with(online, self._store_ids.gather(place))
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
                Events.session_id.name: (prefix + "v" + visit.cast(pl.String)).zip_with(~refund & online, nothing),
                Events.exposure_id.name: nothing,
                Events.channel.name: channel,
                Events.region.name: pl.Series(REGIONS).gather(self._customers.region[columns["customer"]]),
                Events.store_id.name: store,
            }
        )


def _funnel(
    begins: FloatArray, manner: IntArray, opens: IntArray, rng: np.random.Generator
) -> tuple[IntArray, IntArray, FloatArray]:
    """Events of the episodes: number of the episode, kind, second of the day.

    `begins` is the second at which an episode begins, `opens` the first episode of each visit.
    """
    n = len(begins)
    views = np.where(manner == COLLECT, 0, rng.geometric(1.0 - _REPEAT_VIEW_FRAC[manner]))
    favored = rng.random(n) < _FAVORITE_FRAC[manner]
    carted = rng.random(n) < _CART_FRAC[manner]
    dropped = carted & (rng.random(n) < _UNCART_FRAC[manner])
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
        ("purchase", np.flatnonzero(manner != BROWSE), pays[manner != BROWSE]),
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
    in_store = back["store"] != NONE
    back["at"][in_store] = reopened(back["at"][in_store], rng=rng)
    back["kind"] = np.full(len(chosen), _KIND["refund"])
    kept = back["at"] < _instant(until)
    return {name: column[kept] for name, column in back.items()}


def _instant(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - datetime(1970, 1, 1, tzinfo=at.tzinfo)) // timedelta(microseconds=1)


def _no_rows() -> Columns:
    names = ("at", "customer", "item", "kind", "price", "quantity", "visit", "channel", "store")
    return {name: np.array([], dtype=np.float64 if name == "price" else np.int64) for name in names} | {
        "ordered": np.array([], dtype=bool)
    }
