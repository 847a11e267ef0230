"""Numbers, money and times as people read them. What is missing is shown as a dash."""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite

__all__ = ["count", "decimal", "instant", "interval", "money", "percent", "price", "slot_start"]

MISSING = "–"
_SYMBOLS = {"GBP": "£", "EUR": "€", "USD": "$", "INR": "₹"}
_WHOLE = {"JPY", "KRW", "VND", "IDR", "TWD"}  # currencies quoted without cents


def money(value: float | None, currency: str | None) -> str:
    """Whole units of currency from 10 on, cents below."""
    if value is None or not isfinite(value):
        return MISSING
    digits = 0 if abs(value) >= 10 or currency in _WHOLE else 2
    return _signed(value, f"{abs(value):,.{digits}f}", currency)


def price(value: float | None, currency: str | None) -> str:
    """A price, to the cent."""
    if value is None or not isfinite(value):
        return MISSING
    return _signed(value, f"{abs(value):,.{0 if currency in _WHOLE else 2}f}", currency)


def _signed(value: float, digits: str, currency: str | None) -> str:
    sign = "−" if value < 0 and any(c in "123456789" for c in digits) else ""
    code = currency or ""
    return f"{sign}{_SYMBOLS[code]}{digits}" if code in _SYMBOLS else f"{sign}{digits} {code}".strip()


def interval(lower: float | None, upper: float | None, currency: str | None) -> str:
    """Two amounts of money with a word between them."""
    return f"{money(lower, currency)} to {money(upper, currency)}"


def count(value: float | None) -> str:
    """A whole number with thousands separators."""
    return MISSING if value is None or not isfinite(value) else f"{value:,.0f}".replace("-", "−")


def decimal(value: float | None, digits: int = 3) -> str:
    """A number with `digits` decimals; more where it would look like zero."""
    if value is None or not isfinite(value):
        return MISSING
    small = 0 < abs(value) < 0.5 * 10**-digits
    return (f"{value:.2g}" if small else f"{value:,.{digits}f}").replace("-", "−")


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction as a percentage."""
    return MISSING if value is None or not isfinite(value) else f"{100 * value:.{digits}f}%".replace("-", "−")


def instant(value: datetime) -> str:
    """A moment, in UTC and saying so."""
    return f"{value.astimezone(UTC):%a %d %b %Y, %H:%M} UTC"


def slot_start(value: datetime) -> str:
    """A moment in UTC, short, for a column whose heading says UTC."""
    return f"{value.astimezone(UTC):%a %d %b %H:%M}"
