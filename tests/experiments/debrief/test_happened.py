"""What a log says of offers, on logs written by hand."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flashlift.domain import Offer, Slot
from flashlift.errors import InputError
from flashlift.experiments.debrief.happened import happened, refund_delays, whole_until
from flashlift.schema import EVENT_KINDS, Events, ItemHistory, Items, SaleItems, Tables

START = datetime(2025, 3, 1, 10, tzinfo=UTC)
SLOT = Slot(slot_id="s", start=START, end=START + timedelta(hours=4), positions=9)
LATER = START + timedelta(days=30)


def offer(item_id: str = "a", quota: int = 100) -> Offer:
    return Offer(
        item_id=item_id, slot_id="s", discount_frac=0.2, price=8.0, quota=quota, expected_units=5.0, expected_value=1.0
    )


def line(hours: float, event: str = "purchase", price: float | None = 8.0, **more: Any) -> dict[str, Any]:
    row = {"item_id": "a", "event": event, "at": START + timedelta(hours=hours), "price": price, "quantity": 1}
    return row | {"currency": "EUR", "customer_id": None, "order_id": None} | more


def shop(lines: list[dict[str, Any]], history: pl.DataFrame | None = None) -> Tables:
    blank = dict.fromkeys(("session_id", "exposure_id", "channel", "region", "store_id"))
    rows = [row | blank | {"event_id": str(k)} for k, row in enumerate(lines)]
    schema = dict(Events.create_empty().schema)
    events = pl.DataFrame(rows, schema=schema | {"event": pl.Enum(EVENT_KINDS)}).sort("at")
    return Tables(events=events.lazy(), items=Items.create_empty(), history=history)


ITEMS = pl.DataFrame({SaleItems.item_id.name: ["a"], SaleItems.list_price.name: [10.0]})


def told(tables: Tables, *, quota: int = 100) -> dict[str, Any]:
    return happened(tables, [offer(quota=quota)], [SLOT], ITEMS, currency="EUR", until=LATER).row(0, named=True)


def test_units_price_and_customers_within_the_slot_alone() -> None:
    lines = [line(-0.1), line(0.0, quantity=2, customer_id="x"), line(3.9, customer_id="x"), line(4.0)]
    found = told(shop([*lines, line(1.0, "view"), line(1.0, "view")]))
    assert (found["units"], found["lines"], found["most"], found["views"]) == (3, 2, 3, 2)
    assert (found["status"], found["price"], found["sold_out"]) == ("ran", 8.0, False)


@pytest.mark.parametrize(
    ("paid", "status"), [(8.05, "ran"), (9.0, "other price"), (7.0, "other price"), (10.0, "not run")]
)
def test_the_price_paid_tells_whether_the_offer_ran(paid: float, status: str) -> None:
    assert told(shop([line(1.0, price=paid)]))["status"] == status


def test_without_a_purchase_the_price_that_was_looked_at_tells_it() -> None:
    assert told(shop([line(1.0, "view", price=8.0)]))["status"] == "ran"
    assert told(shop([line(1.0, "view", price=10.0)]))["status"] == "not run"
    assert told(shop([line(9.0)]))["status"] == "nothing seen"


def test_refunds_by_order_and_where_it_is_missing_by_customer() -> None:
    bought = [
        line(1.0, order_id="1", quantity=2),
        line(1.1, order_id="2"),
        line(1.2, customer_id="x", order_id="3"),
        line(9.0, order_id="4"),  # after the slot
    ]
    back = [
        line(50.0, "refund", order_id="1", quantity=1),
        line(51.0, "refund", order_id="4"),
        line(52.0, "refund", customer_id="x"),
        line(-5.0, "refund", order_id="2"),  # before it was bought: another sale's
    ]
    assert told(shop([*bought, *back]))["returned"] == 2


def test_a_sold_quota_an_empty_shelf_and_sales_that_ceased() -> None:
    two = [line(1.0), line(2.0)]
    found = told(shop(two), quota=2)
    assert (found["sold_out"], found["why_out"], found["elapsed_frac"]) == (True, "quota", 0.5)

    stock = {"item_id": ["a"], "at": [START + timedelta(hours=5)], "price": [None], "unit_cost": [None], "on_hand": [0]}
    history = pl.DataFrame(stock, schema=ItemHistory.create_empty().schema)
    assert told(shop(two, history))["why_out"] == "empty shelf"
    # what was sold after the slot was still on the shelf then
    assert told(shop([*two, line(4.5)], history))["why_out"] is None

    assert told(shop([line(0.01 * k) for k in range(1, 30)]))["why_out"] == "sales ceased"
    assert told(shop([line(0.13 * k) for k in range(1, 30)]))["why_out"] is None


def test_another_currency_is_refused() -> None:
    with pytest.raises(InputError, match=r"1 purchases of the sale are in USD, the plan is in EUR\. Give"):
        told(shop([line(1.0), line(2.0, currency="USD")]))


def test_delays_of_refunds_are_those_before_the_sale() -> None:
    past = [line(-480.0, order_id="1"), line(-432.0, "refund", order_id="1"), line(1.0, order_id="2")]
    tables = shop([*past, line(25.0, "refund", order_id="2")])
    assert refund_delays(tables.events, before=START) == [2.0]


def test_a_log_is_whole_until_the_full_hour_after_its_last_event() -> None:
    assert whole_until(datetime(2025, 3, 1, 13, 59, tzinfo=UTC)) == SLOT.end


def test_an_offer_twice_in_overlapping_slots_is_told_for_both() -> None:
    other = replace(SLOT, slot_id="t", start=START + timedelta(hours=1))
    both = [offer(), replace(offer(), slot_id="t")]
    found = happened(shop([line(0.5), line(2.0)]), both, [SLOT, other], ITEMS, currency="EUR", until=LATER)
    assert found["units"].to_list() == [2, 1]
