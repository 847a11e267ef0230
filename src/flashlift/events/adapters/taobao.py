"""Behavior without prices: Taobao UserBehavior (pv, fav, cart, buy), RetailRocket (view, addtocart, transaction)."""

from __future__ import annotations

from dataclasses import replace

from flashlift.events.adapters.plain import as_plain
from flashlift.events.read import column_names, file_format, files
from flashlift.events.source import Source

__all__ = ["retailrocket_sources", "taobao_sources"]

_TAOBAO_HEADER = ("user_id", "item_id", "category_id", "behavior", "ts")


def taobao_sources(source: Source) -> list[Source]:
    """Times are epoch seconds; the CSV file as published has no header."""
    first = files(source)[0]
    names = column_names(first)
    if file_format(first) == "csv" and names[0].strip().isdigit() and not source.header:
        source, names = replace(source, header=_TAOBAO_HEADER), list(_TAOBAO_HEADER)
    columns = {
        "customer_id": "user_id",
        "item_id": "item_id",
        "event": "behavior" if "behavior" in names else "behavior_type",
        "at": "ts" if "ts" in names else "timestamp",
        "category": "category_id",
    }
    return as_plain(source, columns, time_format="s")


def retailrocket_sources(source: Source) -> list[Source]:
    """`events.csv`: times are epoch milliseconds."""
    columns = {
        "customer_id": "visitorid",
        "item_id": "itemid",
        "event": "event",
        "at": "timestamp",
        "order_id": "transactionid",
    }
    return as_plain(source, columns, time_format="ms")
