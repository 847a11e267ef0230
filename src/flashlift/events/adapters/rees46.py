"""REES46 eCommerce behavior logs: views, carts and purchases with prices, brands and dotted category paths."""

from __future__ import annotations

from flashlift.events.adapters.plain import as_plain
from flashlift.events.source import Source

__all__ = ["sources"]

_COLUMNS = {
    "customer_id": "user_id",
    "item_id": "product_id",
    "event": "event_type",
    "at": "event_time",
    "price": "price",
    "session_id": "user_session",
    "category": "REPLACE(category_code, '.', '/')",
    "brand": "brand",
}


def sources(source: Source) -> list[Source]:
    """One row is one event of one unit."""
    return as_plain(source, _COLUMNS, timezone="UTC")
