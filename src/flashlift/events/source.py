"""Where rows come from and how their columns become ours: a definition that holds no data."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from flashlift.schema import EVENT_KINDS

__all__ = ["EPOCH_UNITS", "EVENT_NAMES", "FILE_SUFFIXES", "Source"]

FILE_SUFFIXES = {
    "csv": (".csv", ".tsv", ".txt", ".csv.gz"),
    "parquet": (".parquet", ".pq"),
    "ndjson": (".ndjson", ".jsonl"),
}

EPOCH_UNITS = ("s", "ms", "us", "ns")

EVENT_NAMES: Mapping[str, str] = {
    **{kind: kind for kind in EVENT_KINDS},
    **dict.fromkeys(("pv", "pageview", "page_view", "view_item", "product_view", "detail", "detail_view"), "view"),
    **dict.fromkeys(("clk", "select_item", "product_click"), "click"),
    **dict.fromkeys(
        ("fav", "favourite", "like", "wishlist", "add_to_wishlist", "addtowishlist", "collect"), "favorite"
    ),
    **dict.fromkeys(("addtocart", "add_to_cart", "add-to-cart", "cart_add", "basket"), "cart"),
    **dict.fromkeys(("remove_from_cart", "removefromcart", "remove-from-cart", "cart_remove"), "uncart"),
    **dict.fromkeys(("buy", "transaction", "order", "sale", "purchased", "checkout", "pay", "paid"), "purchase"),
    **dict.fromkeys(("return", "returned", "refunded", "cancel", "cancelled", "canceled", "cancellation"), "refund"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One source of rows: files or a database, and the mapping from its columns to ours.

    Which table it fills follows from the columns it maps: `event` makes it a log of events (which may bring item and
    customer columns along), `start` a list of promotions, `friend_id` social ties, `exposure_id` with one of
    propensity, variant, experiment, slot or position what was shown, `seller` with `price` what competitors ask,
    `item_id` with `at` an item history, `item_id` alone a catalog, `store_id` alone a list of stores, `customer_id`
    alone a customer list.

    Args:
        format: "csv", "parquet", "ndjson", "sql", or the name of an adapter ("online_retail", "rees46", "taobao",
            "retailrocket", "complete_journey").
        path: a file, a folder or a glob (all formats but "sql").
        url: SQLAlchemy URL of a database; never shown, because it may hold a password.
        query: the SELECT whose rows are read.
        columns: our column -> SQL expression over the source's columns, as polars evaluates it, or simply the name of
            one; e.g. `{"price": "SALES_PRICE / AMOUNT", "event": "'purchase'"}`. Empty: columns of our names are
            taken as they are. Besides the columns of Events: title, category, brand, list_price, unit_cost, stock,
            attributes of items (dated ones go to the history); region, segment, account_id of customers; start, end,
            position, randomized of promotions; friend_id; lat, lon of stores; slot, experiment, variant, propensity of
            exposures; seller of competitors' prices.
        event_names: the source's name of an event -> ours, in addition to the names known by default.
        timezone: IANA zone of times without one; None is UTC. An hour that a clock change repeats is taken as the
            earlier one; an hour that it skips is moved on by one hour.
        time_format: strftime format, or an epoch unit ("s", "ms", "us", "ns"); None detects ISO 8601, YYYYMMDD and
            epochs by their size. Day and month in doubtful order ("3/4/2011") need a format.
        currency: the shop's currency, and that of rows that name none.
        rates: currency -> factor to the shop's currency. A row in a currency without a factor is rejected.
        reject: name of a cleaning rule of this source -> SQL condition; rows that meet it are rejected.
        category_from_title: derive the category of items that have none from the last word of their titles; None
            leaves the choice to the adapter.
        header: column names of CSV files that have none.
        prepare: lazy transformation before the mapping; adapters use it to join files.
    """

    format: str
    path: Path | str | None = None
    url: str | None = field(default=None, repr=False)
    query: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    event_names: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    time_format: str | None = None
    currency: str | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    reject: Mapping[str, str] = field(default_factory=dict)
    category_from_title: bool | None = None
    header: tuple[str, ...] = ()
    prepare: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None

    def meaning(self) -> list[object]:
        """All that decides how a file of this source is understood, as JSON-like values; not where it lies."""
        return [
            self.format,
            self.query,
            dict(self.columns),
            dict(self.event_names),
            self.timezone,
            self.time_format,
            self.currency,
            dict(self.rates),
            dict(self.reject),
            bool(self.category_from_title),
            list(self.header),
            self.prepare is not None,
        ]
