"""The cleaning rules: one typed row per row read, and the first rule it breaks, if any.

A row that breaks a rule is never changed into one that does not: it is rejected and kept with the rule's name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce

import polars as pl

from flashlift.errors import SettingsError
from flashlift.events.identity import row_ids
from flashlift.events.mapping import EVENT_COLUMNS, ITEM_VALUES
from flashlift.events.parse import instants, kinds, numbers, present, texts
from flashlift.events.source import EVENT_NAMES, Source
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["RULES", "Cleaning", "broken_rules", "event_frame", "in_shop_currency", "item_values", "typed_rows"]

RULES: Mapping[str, str] = {
    "duplicate": "identical to an earlier row of the file in every column of the event, or the same given event_id",
    "unreadable_time": "no time, or not a time in the given or a known format",
    "missing_item": "no item identifier",
    "unknown_event": "the kind of event is missing or has a name nobody mapped",
    "service_code": "no product: test, postage, bank charge, manual entry or voucher, by its item code",
    "unreadable_quantity": "not a number, or missing on a purchase or refund",
    "impossible_quantity": "zero, not whole, or negative where nothing was bought",
    "adjustment": "negative quantity at a price of zero: a stock write-off, not a customer",
    "absurd_quantity": "more units in one row than the largest believable number",
    "unreadable_price": "not a finite number, or missing on a purchase or refund where the source has prices",
    "zero_price": "a price of zero",
    "negative_price": "a price below zero",
    "unknown_currency": "a currency without a rate to the shop's",
    "in_future": "later than now",
    "before_earliest": "earlier than the earliest believable date",
    "self_tie": "a social tie of a customer to nobody but that customer",
    "cancellation_without_purchase": "no earlier purchase of that item by that customer has so many units left",
}

_TRADES = ("purchase", "refund")
_TYPED = ("event", "at", "price", "quantity")
_TEXTS = tuple(name for name in EVENT_COLUMNS if name not in ("event_id", *_TYPED))


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaning:
    """What the rules need to know about the shop.

    Args:
        service_codes: regular expressions; an item identifier that one of them matches as a whole, in any case, is no
            product.
        max_quantity: more units than this in one row are a typing error.
        earliest: nothing happened before.
    """

    service_codes: tuple[str, ...] = ("TEST.*", "POST", "POSTAGE", "SHIPPING", "DOT", "BANK CHARGES", "MANUAL")
    max_quantity: int = 10_000
    earliest: datetime = datetime(1995, 1, 1, tzinfo=UTC)

    def __post_init__(self) -> None:
        for code in self.service_codes:
            try:
                re.compile(code)
            except re.error as error:
                raise SettingsError(f"The service code {code!r} is no regular expression ({error}).") from error
        if self.max_quantity < 1:
            raise SettingsError(f"max_quantity is {self.max_quantity}; it must be at least 1.")
        if self.earliest.tzinfo is None:
            raise SettingsError("earliest has no time zone; write it as 2000-01-01T00:00:00Z.")

    def meaning(self) -> list[object]:
        """Everything that decides which rows pass, as JSON-like values."""
        return [list(self.service_codes), self.max_quantity, self.earliest.isoformat()]


def typed_rows(raw: pl.DataFrame, source: Source) -> pl.DataFrame:
    """Rows with the columns of Events, typed, and an `event_id`; what cannot be read is null.

    Besides, Boolean columns `has_at`, `has_quantity` and `has_price` say where the source holds a value at all,
    `unrated` where a currency has no rate, and `rate` what prices were multiplied with. `quantity` keeps its sign and
    is a float; `price` and `currency` are in the shop's currency.

    Args:
        raw: our columns as the source has them, customers already pseudonyms.
        source: its definition.
    """
    read = [texts(raw[name]) for name in _TEXTS if name in raw.columns and name != "customer_id"]
    read += [raw["customer_id"]] if "customer_id" in raw.columns else []
    nothing = pl.Series([None] * raw.height, dtype=pl.String)
    value = {name: raw[name] if name in raw.columns else nothing.alias(name) for name in _TYPED}
    rows = pl.DataFrame(read).with_columns(
        kinds(value["event"], {**EVENT_NAMES, **{k.lower(): v for k, v in source.event_names.items()}}),
        instants(value["at"], timezone=source.timezone or "UTC", time_format=source.time_format),
        numbers(value["price"]),
        numbers(value["quantity"]),
        **{f"has_{name}": present(value[name]) for name in ("at", "price", "quantity")},
    )
    # Only a row without a quantity at all counts as one unit, and only where nothing was bought and paid.
    one = pl.lit("quantity" not in raw.columns) | ~pl.col("event").is_in(_TRADES)
    rows = rows.with_columns(
        pl.when(one & ~pl.col("has_quantity")).then(1.0).otherwise("quantity").alias("quantity"),
        _currency(rows, source),
    )
    rows = rows.with_columns(_event_ids(raw, rows))
    absent = [pl.lit(None, dtype=pl.String).alias(name) for name in _TEXTS if name not in rows.columns]
    return _converted(rows.with_columns(absent), source)


def broken_rules(
    rows: pl.DataFrame, own: pl.DataFrame, *, cleaning: Cleaning, now: datetime, priced: bool
) -> pl.Series:
    """Name of the first rule that each row breaks; null for a row that keeps them all.

    Duplicates and cancellations are judged elsewhere, because they depend on other rows.

    Args:
        rows: from `typed_rows`.
        own: one Boolean column per rule of the source's own.
        cleaning: the shop's figures.
        now: nothing may be later.
        priced: the source has prices, so a purchase must have one.
    """
    price, quantity, at = pl.col("price"), pl.col("quantity"), pl.col("at")
    trade = pl.col("event").is_in(_TRADES)
    code = "|".join(f"(?:{c})" for c in cleaning.service_codes)
    own_rules = {name: pl.col(f"own {name}") for name in own.columns if name not in RULES}
    conditions: dict[str, pl.Expr] = {
        "unreadable_time": at.is_null(),
        "missing_item": pl.col("item_id").is_null(),
        "unknown_event": pl.col("event").is_null(),
        "service_code": pl.col("item_id").str.contains(f"^(?i:{code})$") if code else pl.lit(value=False),
        **own_rules,
        "unreadable_quantity": quantity.is_null(),
        "impossible_quantity": (quantity == 0) | (quantity != quantity.floor()) | (~trade & (quantity < 0)),
        "adjustment": (quantity < 0) & (price == 0),
        "absurd_quantity": quantity.abs() > cleaning.max_quantity,
        "unreadable_price": price.is_null() & (pl.col("has_price") | (trade & pl.lit(priced))),
        "zero_price": price == 0,
        "negative_price": price < 0,
        "unknown_currency": pl.col("unrated"),
        "in_future": at > now,
        "before_earliest": at < cleaning.earliest,
    }
    for name in own.columns:
        if name in RULES:
            conditions[name] = conditions.get(name, pl.lit(value=False)) | pl.col(f"own {name}")
    frame = pl.concat([rows, own.rename({c: f"own {c}" for c in own.columns})], how="horizontal")
    first = reduce(
        lambda rest, rule: pl.when(rule[1]).then(pl.lit(rule[0])).otherwise(rest),
        reversed(conditions.items()),
        pl.lit(None, dtype=pl.String),
    )
    return frame.select(first.alias("rule")).to_series()


def event_frame(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows that broke no rule as Events: units positive, a negative purchase turned into a refund."""
    negative = (pl.col("event") == "purchase") & (pl.col("quantity") < 0)
    return rows.select(
        pl.when(negative).then(pl.lit("refund")).otherwise("event").cast(pl.Enum(list(EVENT_KINDS))).alias(name)
        if name == Events.event.name
        else pl.col("quantity").abs().cast(pl.Int64)
        if name == Events.quantity.name
        else pl.col(name)
        for name in EVENT_COLUMNS
    )


def item_values(raw: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Prices, costs and stocks of items that a source brings along, and how many of them cannot be used.

    A list price must be positive, a cost and a stock must not be negative; otherwise the value is null and counted.
    """
    columns, dropped = [], 0
    for name in ITEM_VALUES:
        if name in raw.columns:
            value = numbers(raw[name])
            sound = pl.select(
                pl.when(value > 0 if name == "list_price" else value >= 0).then(value).alias(name)
            ).to_series()
            dropped += int((present(raw[name]) & sound.is_null()).sum())
            columns.append(sound.floor() if name == "stock" else sound)
    return pl.DataFrame(columns), dropped


def in_shop_currency(raw: pl.DataFrame, source: Source) -> pl.DataFrame:
    """`price` in the shop's currency (null where it cannot be read), and `unrated` where its currency has no rate."""
    named = [texts(raw["currency"])] if "currency" in raw.columns else []
    rows = pl.DataFrame([numbers(raw["price"]), *named])
    return _converted(rows.with_columns(_currency(rows, source)), source).select("price", "unrated")


def _event_ids(raw: pl.DataFrame, rows: pl.DataFrame) -> pl.Series:
    """Given identifiers, and identities of the content where there are none; unread values count as their text."""
    texts_unread = []
    for name in ("at", "price", "quantity", "event"):
        if name in raw.columns:
            unread = rows[name].is_null() & present(raw[name])
            if unread.any():
                text = pl.lit(f"{name}:") + raw[name].cast(pl.String)
                texts_unread.append(pl.when(unread).then(text).otherwise(pl.lit("")))
    derived = row_ids(rows.with_columns(unread=pl.concat_str(texts_unread)) if texts_unread else rows)
    if "event_id" not in raw.columns:
        return derived
    given = texts(raw["event_id"])
    return given.zip_with(given.is_not_null(), derived).alias("event_id")


def _currency(rows: pl.DataFrame, source: Source) -> pl.Expr:
    shop = pl.lit(source.currency.upper() if source.currency else None, dtype=pl.String)
    named = pl.col("currency").str.to_uppercase() if "currency" in rows.columns else shop
    return pl.coalesce(named, shop).alias("currency")


def _converted(rows: pl.DataFrame, source: Source) -> pl.DataFrame:
    if source.currency is None:
        return rows.with_columns(unrated=pl.lit(value=False), rate=pl.lit(1.0))
    shop = source.currency.upper()
    rates = {shop: 1.0, **{name.upper(): float(rate) for name, rate in source.rates.items()}}
    rate = pl.col("currency").replace_strict(list(rates), list(rates.values()), default=None, return_dtype=pl.Float64)
    return rows.with_columns(
        unrated=rate.is_null(),
        rate=rate.fill_null(1.0),
        price=pl.col("price") * rate.fill_null(1.0),
        currency=pl.lit(shop),
    )
