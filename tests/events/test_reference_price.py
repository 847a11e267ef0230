"""The lowest price before a sale, counted as each policy counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from flashlift.errors import SettingsError
from flashlift.events import POLICIES, ReferencePolicy, reference_prices
from flashlift.schema import Events, ItemHistory, Items, Tables

AT = datetime(2024, 6, 1, tzinfo=UTC)
START = AT + timedelta(days=2)


def bought(*rows: tuple[str, float, float | None]) -> pl.LazyFrame:
    """Purchases (item, days before AT, price)."""
    known = {
        "event_id": [str(k) for k in range(len(rows))],
        "item_id": [row[0] for row in rows],
        "event": ["purchase"] * len(rows),
        "at": [AT - timedelta(days=row[1]) for row in rows],
        "price": [row[2] for row in rows],
        "quantity": [1] * len(rows),
    }
    missing = {name: pl.lit(None) for name in Events.column_names() if name not in known}
    frame = pl.DataFrame(known, schema_overrides={"price": pl.Float64}).with_columns(**missing)
    return Events.validate(frame.sort("at"), cast=True).lazy()


def history(*rows: tuple[str, float, float]) -> pl.DataFrame:
    """Prices on offer from so many days before AT on."""
    return ItemHistory.validate(
        pl.DataFrame(
            {
                "item_id": [row[0] for row in rows],
                "at": [AT - timedelta(days=row[1]) for row in rows],
                "price": [row[2] for row in rows],
                "unit_cost": [None] * len(rows),
                "on_hand": [None] * len(rows),
            }
        ),
        cast=True,
    )


def lowest(policy: str, events: pl.LazyFrame, told: pl.DataFrame | None = None) -> dict[str, float]:
    tables = Tables(events=events, items=Items.create_empty(), history=told)
    found = reference_prices(tables, at=AT, start=START, policy=POLICIES[policy])
    return dict(found.iter_rows())


def test_eu_takes_the_lowest_price_on_offer_in_thirty_days() -> None:
    told = history(("a", 200, 10.0), ("a", 20, 8.0), ("a", 10, 9.0), ("b", 60, 5.0), ("b", 28, 7.0), ("c", 40, 6.0))
    found = lowest("eu", bought(("a", 5, 7.5), ("d", 5, 3.0), ("d", 29, 2.0), ("e", 3, None)), told)
    # b cost 5 until the 28th day before the log ends, exactly 30 before the sale; the window begins there
    assert found == {"a": 8.0, "b": 7.0, "c": 6.0, "d": 3.0}


def test_a_price_that_held_into_the_window_counts() -> None:
    assert lowest("eu", bought(("x", 1, 1.0)), history(("b", 60, 5.0), ("b", 27.9, 7.0)))["b"] == 5.0


def test_china_takes_the_lowest_transaction_of_seven_days_or_the_last_one() -> None:
    found = lowest(
        "china",
        bought(("a", 1, 9.0), ("a", 4, 8.0), ("a", 6, 7.0), ("b", 50, 3.0), ("b", 20, 4.0)),
        history(("a", 3, 1.0)),
    )
    assert found == {"a": 8.0, "b": 4.0}


def test_a_merchant_counts_his_own_days() -> None:
    tables = Tables(events=bought(("a", 80, 2.0), ("a", 100, 1.0)), items=Items.create_empty())
    own = ReferencePolicy(name="90 days", days=90)
    assert reference_prices(tables, at=AT, start=START, policy=own).row(0) == ("a", 2.0)
    with pytest.raises(SettingsError, match="looks back 0 days"):
        ReferencePolicy(name="none", days=0)


def test_nothing_after_the_log_is_read() -> None:
    assert lowest("eu", bought(("a", 1, 9.0), ("a", -1, 1.0)), history(("b", 5, 4.0), ("b", -1, 1.0))) == {
        "a": 9.0,
        "b": 4.0,
    }
