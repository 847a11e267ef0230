"""The tables, as dataframely schemas: checked once, where data enters, and trusted from there on.

Times are UTC. Prices are per unit in `currency`. A column that a shop does not have is all null.
"""

from __future__ import annotations

from dataclasses import dataclass

import dataframely as dy
import polars as pl

__all__ = [
    "EVENT_KINDS",
    "Competitors",
    "Customers",
    "Events",
    "Exposures",
    "ItemHistory",
    "Items",
    "Promotions",
    "Rejected",
    "SaleFacts",
    "SaleItems",
    "Stores",
    "Tables",
    "Ties",
]

EVENT_KINDS = ("view", "click", "favorite", "cart", "uncart", "purchase", "refund")


class Events(dy.Schema):
    """What customers did. A refund carries the `order_id` of its purchase where that is known."""

    event_id = dy.String(primary_key=True)
    customer_id = dy.String(nullable=True)  # keyed pseudonym; null: an anonymous sale
    item_id = dy.String()
    event = dy.Enum(list(EVENT_KINDS))
    at = dy.Datetime(time_unit="us", time_zone="UTC")
    price = dy.Float64(nullable=True, min_exclusive=0.0)
    currency = dy.String(nullable=True)
    quantity = dy.Int64(min=1)
    order_id = dy.String(nullable=True)
    session_id = dy.String(nullable=True)
    exposure_id = dy.String(nullable=True)
    channel = dy.String(nullable=True)
    region = dy.String(nullable=True)
    store_id = dy.String(nullable=True)


class Items(dy.Schema):
    """What is sold. `category` is a path with `/`; `attributes` is a JSON object of whatever else the shop has."""

    item_id = dy.String(primary_key=True)
    title = dy.String(nullable=True)
    category = dy.String(nullable=True)
    brand = dy.String(nullable=True)
    list_price = dy.Float64(nullable=True, min_exclusive=0.0)
    unit_cost = dy.Float64(nullable=True, min=0.0)
    stock = dy.Int64(nullable=True, min=0)
    attributes = dy.String(nullable=True)


class SaleItems(dy.Schema):
    """Items ready for a sale: prices, costs and stock filled in, each with a mark where it is an assumption."""

    item_id = dy.String(primary_key=True)
    title = dy.String(nullable=True)
    category = dy.String()
    brand = dy.String(nullable=True)
    list_price = dy.Float64(min_exclusive=0.0)
    unit_cost = dy.Float64(min=0.0)
    stock = dy.Int64(min=0)
    cost_assumed = dy.Bool()
    stock_assumed = dy.Bool()


class SaleFacts(dy.Schema):
    """What a table SaleItems may hold beside, each column where something asks for it; absent and null are unknown."""

    item_id = dy.String(primary_key=True)
    reference_price = dy.Float64(nullable=True, min_exclusive=0.0)  # lowest of so many days before the sale
    competitor_price = dy.Float64(nullable=True, min_exclusive=0.0)
    last_sale_end = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")  # of sales that began before this one
    next_sale_start = dy.Datetime(nullable=True, time_unit="us", time_zone="UTC")  # of those that begin later
    next_sale_units = dy.Float64(nullable=True, min=0.0)  # expected in the next sale
    units_per_purchase = dy.Float64(nullable=True, min=1.0)  # mean units that one customer buys at once


class ItemHistory(dy.Schema):
    """Price, cost and stock of an item from `at` on, until its next row."""

    item_id = dy.String(primary_key=True)
    at = dy.Datetime(primary_key=True, time_unit="us", time_zone="UTC")
    price = dy.Float64(nullable=True, min_exclusive=0.0)
    unit_cost = dy.Float64(nullable=True, min=0.0)
    on_hand = dy.Int64(nullable=True, min=0)


class Promotions(dy.Schema):
    """Past sales: `price` held from `start` to `end` at `position` (1 is best); `randomized` if drawn by lot."""

    item_id = dy.String(primary_key=True)
    start = dy.Datetime(primary_key=True, time_unit="us", time_zone="UTC")
    end = dy.Datetime(time_unit="us", time_zone="UTC")
    price = dy.Float64(nullable=True, min_exclusive=0.0)
    position = dy.Int64(nullable=True, min=1)
    randomized = dy.Bool()


class Competitors(dy.Schema):
    """What another seller asked for an item when its price was looked up at `at`, in the shop's currency."""

    item_id = dy.String(primary_key=True)
    at = dy.Datetime(primary_key=True, time_unit="us", time_zone="UTC")
    seller = dy.String(primary_key=True)
    price = dy.Float64(min_exclusive=0.0)


class Customers(dy.Schema):
    """Who buys; `account_id` groups the people of a business."""

    customer_id = dy.String(primary_key=True)
    region = dy.String(nullable=True)
    segment = dy.String(nullable=True)
    account_id = dy.String(nullable=True)


class Ties(dy.Schema):
    """Social ties, one row each way."""

    customer_id = dy.String(primary_key=True)
    friend_id = dy.String(primary_key=True)


class Stores(dy.Schema):
    """Where the shop has stores, in degrees."""

    store_id = dy.String(primary_key=True)
    lat = dy.Float64(nullable=True, min=-90.0, max=90.0)
    lon = dy.Float64(nullable=True, min=-180.0, max=180.0)


class Exposures(dy.Schema):
    """What was shown to whom, and with which probability."""

    exposure_id = dy.String(primary_key=True)
    customer_id = dy.String()
    item_id = dy.String()
    slot = dy.String(nullable=True)
    price = dy.Float64(nullable=True, min_exclusive=0.0)
    at = dy.Datetime(time_unit="us", time_zone="UTC")
    position = dy.Int64(nullable=True, min=1)
    experiment = dy.String(nullable=True)
    variant = dy.String(nullable=True)
    propensity = dy.Float64(nullable=True, min_exclusive=0.0, max=1.0)
    stock_left = dy.Int64(nullable=True, min=0)  # units of the offer that were left when it was shown
    model_version = dy.String(nullable=True)  # of what chose it


class Rejected(dy.Schema):
    """A row of a source that broke a rule, kept as it was read (customer identifiers already pseudonyms)."""

    source = dy.String()
    row = dy.Int64(min=0)
    rule = dy.String()
    content = dy.String()  # the row as a JSON object


@dataclass(frozen=True, slots=True, kw_only=True)
class Tables:
    """The tables of one shop. `events` is sorted by `at` and may be larger than memory; the others are small."""

    events: pl.LazyFrame
    items: pl.DataFrame
    history: pl.DataFrame | None = None
    promotions: pl.DataFrame | None = None
    customers: pl.DataFrame | None = None
    ties: pl.DataFrame | None = None
    stores: pl.DataFrame | None = None
    exposures: pl.DataFrame | None = None
    competitors: pl.DataFrame | None = None
