"""Limits beside what the sale did, on a hand-made sale."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl
import pytest

from flashlift.domain import Campaign, Slot
from flashlift.experiments.debrief.kept import kept_limits
from flashlift.limits import (
    BrandCount,
    Budget,
    CategoryCount,
    FunderBudget,
    Limit,
    MarginFloor,
    PerCustomer,
    SellThrough,
)

START = datetime(2025, 3, 1, tzinfo=UTC)
SLOTS = tuple(
    Slot(slot_id=name, start=START + timedelta(days=k), end=START + timedelta(days=k, hours=4), positions=2)
    for k, name in enumerate(("s", "t"))
)
OFFERS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "category": ["home/kitchen", "home", "toys"],
        "slot_id": ["s", "s", "t"],
        "status": ["ran", "ran", "not run"],
        "list_price": [10.0, 20.0, 30.0],
        "planned_price": [8.0, 16.0, 27.0],
        "price": [8.0, 15.0, 30.0],
        "quota": [10, 10, 10],
        "planned_units": [5.0, 4.0, 3.0],
        "units": [12, 4, 1],
        "most": [3, None, None],
        "sell_through": [1.2, 0.4, 0.0],
    }
)
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c"],
        "unit_cost": [5.0, 12.0, 9.0],
        "brand": ["X", "Y", "X"],
        "cost_assumed": [False] * 3,
        "funded": [0.0, 0.5, 0.0],
    }
)


def told(*limits: Limit) -> dict[str, dict[str, Any]]:
    campaign = Campaign(slots=SLOTS, ladder=(0.1,), limits=limits)
    return {row["limit"]: row for row in kept_limits(campaign, OFFERS, ITEMS).iter_rows(named=True)}


def test_positions_and_quotas_are_always_judged() -> None:
    found = told()
    assert (found["positions of s"]["actual"], found["positions of s"]["kept"]) == (2.0, True)
    assert (found["positions of t"]["planned"], found["positions of t"]["actual"]) == (1.0, 0.0)
    quota = found["quota of every offer"]
    assert (quota["actual"], quota["kept"], quota["says"]) == (2.0, False, "oversold: a")


def test_budgets_count_what_was_given_by_whom() -> None:
    funder = FunderBudget(funder="Y inc", amount=9.0, share=0.5, brand="Y")
    found = told(Budget(amount=30.0), funder)
    # own: 12 x 2 + 4 x 5 x 0.5 of units that ran; planned 5 x 2 + 4 x 4 x 0.5 + 3 x 3
    assert (found["budget"]["planned"], found["budget"]["actual"]) == (pytest.approx(27.0), pytest.approx(34.0))
    assert found["budget"]["kept"] is False
    paid = found["budget of Y inc"]
    assert (paid["planned"], paid["actual"], paid["kept"]) == (pytest.approx(8.0), pytest.approx(10.0), False)


def test_margins_customers_and_sell_through() -> None:
    found = told(MarginFloor(margin_frac=0.25), PerCustomer(maximum=2), SellThrough(minimum_frac=0.3))
    assert (found["margin floor"]["actual"], found["margin floor"]["kept"]) == (pytest.approx(0.2), False)  # 3 of 15
    assert found["margin floor"]["planned"] == pytest.approx(0.25)
    assert (found["units per customer"]["actual"], found["units per customer"]["kept"]) == (3.0, False)
    assert (found["sell-through"]["actual"], found["sell-through"]["kept"]) == (0.4, True)


def test_customers_nobody_knows_are_not_judged() -> None:
    campaign = Campaign(slots=SLOTS, ladder=(0.1,), limits=(PerCustomer(maximum=2),))
    blind = OFFERS.with_columns(most=pl.lit(None, pl.Int64))
    found = kept_limits(campaign, blind, ITEMS).filter(limit="units per customer").row(0, named=True)
    assert found["kept"] is None


def test_counts_of_categories_and_brands_are_of_offers_that_ran() -> None:
    found = told(CategoryCount(category="home", maximum=1, per_slot=True), BrandCount(brand="X", minimum=2, maximum=2))
    assert (found["most of category home"]["actual"], found["most of category home"]["kept"]) == (2.0, False)
    assert (found["least of brand X"]["planned"], found["least of brand X"]["actual"]) == (2.0, 1.0)
    assert found["least of brand X"]["kept"] is False
    assert found["most of brand X"]["kept"] is True
