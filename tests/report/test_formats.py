"""Figures as people read them."""

from __future__ import annotations

import pytest

from flashlift.report import formats


@pytest.mark.parametrize(
    ("value", "currency", "text"),
    [
        (1834.4, "GBP", "£1,834"),
        (-420.0, "EUR", "−€420"),
        (3.5, "USD", "$3.50"),
        (12.0, "CNY", "12 CNY"),
        (3.4, "JPY", "3 JPY"),
        (-0.001, "GBP", "£0.00"),
        (5.0, None, "5.00"),
        (None, "GBP", "–"),
        (float("nan"), "GBP", "–"),
    ],
)
def test_money(value: float | None, currency: str | None, text: str) -> None:
    assert formats.money(value, currency) == text


def test_prices_keep_their_cents() -> None:
    assert formats.price(1234.5, "GBP") == "£1,234.50"
    assert formats.price(1234.0, "JPY") == "1,234 JPY"


def test_numbers() -> None:
    assert formats.count(-12345.0) == "−12,345"
    assert formats.decimal(0.00012) == "0.00012"
    assert formats.decimal(1234.5678, 1) == "1,234.6"
    assert formats.percent(-0.031) == "−3.1%"
    assert formats.percent(None) == formats.count(float("inf")) == formats.decimal(None) == "–"
