"""What is different between two plans, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from flashlift.domain import Campaign, Estimate, Offer, Plan, PlanStatus, Slot
from flashlift.limits import Budget, MarginFloor
from flashlift.planning import Verdict, differences
from flashlift.planning.store import SavedPlan

START = datetime(2026, 5, 1, 10, tzinfo=UTC)
SLOTS = tuple(
    Slot(slot_id=f"s{k}", start=START + timedelta(days=k), end=START + timedelta(days=k, hours=4), positions=9)
    for k in range(3)
)
ITEMS = pl.DataFrame(
    {
        "item_id": ["a", "b", "c", "d"],
        "title": ["Ant", None, "Cat", "Dog"],
        "category": ["x", "x", "y", "y"],
        "list_price": [10.0] * 4,
    }
)


def offer(item: str, slot: str = "s0", price: float = 8.0, quota: int = 5, value: float = 1.0) -> Offer:
    return Offer(
        item_id=item,
        slot_id=slot,
        discount_frac=1 - price / 10,
        price=price,
        quota=quota,
        expected_units=quota / 2,
        expected_value=value,
    )


def saved(*offers: Offer, value: float = 1.0, error: float | None = 0.3, **campaign: object) -> SavedPlan:
    estimate = Estimate(value=value, ci_lower=value - 1, ci_upper=value + 1)
    return SavedPlan(
        plan=Plan(
            offers=offers, status=PlanStatus.HEURISTIC, objective=0, bound=0, gap_frac=0, limit_prices={}
        ),
        campaign=replace(Campaign(slots=SLOTS, ladder=(0.2,)), **campaign),
        items=ITEMS,
        verdict=Verdict(value=estimate, mean_error=error, gross_sales=40.0, units=4.0, sell_through=None),
        planned_at=START,
    )  # fmt: skip


def test_added_removed_moved_cheaper_and_kept() -> None:
    before = saved(offer("a"), offer("b"), offer("c"), offer("d", quota=5))
    after = saved(offer("a"), offer("b", slot="s2"), offer("c", price=7.0), offer("a", slot="s1", value=3.0))
    found = differences(before, after)
    assert found.unchanged == 1
    told = found.offers.select("change", "item_id", "slot_id_before", "slot_id_after", "price_before", "price_after")
    assert told.rows() == [
        ("added", "a", None, "s1", None, 8.0),
        ("changed", "b", "s0", "s2", 8.0, 8.0),
        ("changed", "c", "s0", "s0", 8.0, 7.0),
        ("removed", "d", "s0", None, 8.0, None),
    ]
    assert found.offers["title"].to_list() == ["Ant", None, "Cat", "Dog"]
    assert found.categories.rows() == [("x", 2, 3, 2.0, 5.0, 3.0), ("y", 2, 1, 2.0, 1.0, -1.0)]


def test_a_limit_per_customer_is_a_change_of_the_offer() -> None:
    found = differences(saved(offer("a"), offer("b")), saved(replace(offer("a"), per_customer=2), offer("b")))
    assert found.unchanged == 1
    assert found.offers.select("change", "per_customer_before", "per_customer_after").rows() == [("changed", None, 2)]


def test_values_come_from_each_verdict_and_their_errors_add_up() -> None:
    found = differences(saved(value=10.0, error=0.3), saved(offer("a"), value=14.0, error=0.4)).figures
    rows = {row["figure"]: row for row in found.iter_rows(named=True)}
    assert rows["offers"]["difference"] == 1.0
    profit = rows["incremental profit"]
    assert (profit["before"], profit["after"], profit["difference"]) == (10.0, 14.0, 4.0)
    assert profit["error"] == pytest.approx(0.5)
    assert rows["sell-through"]["difference"] is None
    assert rows["gross sales"]["error"] is None
    lone = differences(saved(error=None), saved()).figures
    assert lone["error"].is_null().all()


def test_rules_that_differ_are_named() -> None:
    before = saved(limits=(Budget(amount=5.0), MarginFloor(margin_frac=0.1)))
    after = saved(limits=(Budget(amount=6.0), MarginFloor(margin_frac=0.1)), ladder=(0.2, 0.3))
    assert differences(before, after).campaign.rows() == [
        ("Budget amount=5.0", "before"),
        ("ladder=(0.2,)", "before"),
        ("Budget amount=6.0", "after"),
        ("ladder=(0.2, 0.3)", "after"),
    ]
    assert differences(before, before).campaign.is_empty()


OFFERS = st.lists(
    st.builds(
        offer,
        st.sampled_from("abcd"),
        st.sampled_from(["s0", "s1", "s2"]),
        st.sampled_from([6.0, 7.0, 8.0]),
        st.integers(1, 3),
    ),
    max_size=8,
)


@settings(max_examples=50, deadline=None)
@given(OFFERS, OFFERS)
def test_every_offer_is_told_once_and_the_other_way_round_is_the_mirror(old: list[Offer], new: list[Offer]) -> None:
    there, back = differences(saved(*old), saved(*new)), differences(saved(*new), saved(*old))
    kinds = dict(there.offers["change"].value_counts().iter_rows())
    both = kinds.get("changed", 0) + there.unchanged
    assert both + kinds.get("removed", 0) == len(old)
    assert both + kinds.get("added", 0) == len(new)
    assert there.unchanged == back.unchanged
    mirror = back.offers.rename(
        lambda n: n.replace("_before", "_x").replace("_after", "_before").replace("_x", "_after")
    )
    mirror = mirror.with_columns(pl.col("change").replace({"added": "removed", "removed": "added"}))
    assert_frame_equal(mirror.select(there.offers.columns), there.offers, check_row_order=False)
    for side, offers in (("before", old), ("after", new)):
        assert there.categories[f"offers_{side}"].sum() == len(offers)
        assert there.categories[f"value_{side}"].sum() == pytest.approx(sum(o.expected_value for o in offers))


@settings(max_examples=30, deadline=None)
@given(OFFERS)
def test_a_plan_does_not_differ_from_itself(offers: list[Offer]) -> None:
    found = differences(saved(*offers), saved(*offers))
    assert found.offers.is_empty()
    assert found.unchanged == len(offers)
    assert set(found.figures["difference"].drop_nulls()) == {0.0}
    assert set(found.categories["value_difference"]) <= {0.0}
