"""The checker catches every kind of broken plan, and values a good one from the definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from tests.planning.draws import LogLinear, catalog, slots_every

from flashlift.domain import Campaign, Costs, Estimate, Offer, Plan, PlanStatus
from flashlift.errors import InputError, SettingsError
from flashlift.limits import Appearances, Budget, CategoryCount, Excluded, Limit, MarginFloor
from flashlift.planning import Broken, Verdict, check, findings_frame
from flashlift.protocols import SparseEffects

SLOTS = slots_every(3, positions=2)
N_ITEMS = 4
NAN, INF = float("nan"), float("inf")


def shop(stock: int = 100) -> pl.DataFrame:
    return catalog(np.random.default_rng(0), N_ITEMS, categories=("home/kitchen", "homeware")).with_columns(
        list_price=10.0, unit_cost=6.0, stock=stock
    )


def demand(n_draws: int = 2) -> LogLinear:
    """At list price 0.5 units an hour; in a sale twice that, whatever the discount; a quarter comes from later."""
    ones = np.ones((N_ITEMS, n_draws))
    return LogLinear(
        rate=0.5 * ones, slope=0.0 * ones, lift=2.0 * ones, pull=0.25 * ones, hours=np.full(3, 2.0), horizon_hours=60.0
    )


def offer(item: Any = "i0", slot: str = "s0", price: Any = 8.0, **change: object) -> Offer:
    one = Offer(
        item_id=item,
        slot_id=slot,
        discount_frac=0.0 if price is None else 1.0 - price / 10.0,
        price=price,
        quota=5,
        expected_units=2.0,
        expected_value=0.0,
    )
    return replace(one, **change)  # type: ignore[arg-type]


def broken(
    offers: Sequence[Offer], *limits: Limit, ladder: tuple[float, ...] = (0.1, 0.2, 0.5), ending: float | None = None
) -> list[tuple[str, str, float]]:
    campaign = Campaign(slots=SLOTS, ladder=ladder, limits=limits, price_ending=ending)
    verdict = check(offers, campaign, shop(), planned_on=demand())
    return [(b.limit, b.where, pytest.approx(b.amount)) for b in verdict.broken]


def test_a_good_plan_breaks_nothing() -> None:
    limits = (
        Appearances(maximum=2, cool_down_hours=22.0),
        CategoryCount(category="home", minimum=2, maximum=2),
        CategoryCount(category="home/kitchen", maximum=1, per_slot=True),
        Budget(amount=12.0),
        MarginFloor(margin_frac=0.25),
        Excluded(item_ids=("i3",)),
    )
    assert broken([offer(), offer("i1"), offer("i0", "s1")], *limits) == []


@pytest.mark.parametrize(
    ("offers", "limits", "expected"),
    [
        ([offer("i0"), offer("i1"), offer("i2")], (), ("positions", "s0", 1.0)),
        ([offer("i0"), offer("i0", price=9.0)], (), ("one price", "i0 in s0 and s0", 1.0)),
        ([offer("i0"), offer("i0")], (), ("listed twice", "i0 in s0", 1.0)),
        ([offer("i9")], (), ("known item", "i9 in s0", 1.0)),
        ([offer(slot="s9")], (), ("known slot", "i0 in s9", 1.0)),
        ([offer(quota=101)], (), ("stock", "i0", 1.0)),
        ([offer(quota=60), offer(slot="s1", quota=60)], (), ("stock", "i0", 20.0)),
        ([offer(quota=120), offer(slot="s1", quota=-50)], (), ("stock", "i0", 20.0)),
        ([offer(quota=0)], (), ("quota", "i0 in s0", 1.0)),
        ([offer(quota=2.5)], (), ("quota", "i0 in s0", 0.5)),
        ([offer(price=0.0)], (), ("price", "i0 in s0", 0.01)),
        ([offer(price=-8.0)], (), ("price", "i0 in s0", 8.01)),
        ([offer(price=NAN)], (), ("price", "i0 in s0", INF)),
        ([offer(price=None)], (), ("price", "i0 in s0", INF)),
        ([offer(price=INF)], (), ("price", "i0 in s0", INF)),
        ([offer(quota=NAN)], (), ("quota", "i0 in s0", INF)),
        ([offer(quota=10**400)], (), ("quota", "i0 in s0", INF)),
        ([offer(discount_frac=NAN)], (), ("discount", "i0 in s0", INF)),
        ([offer(item=None)], (), ("known item", "None in s0", 1.0)),
        ([offer(item=["i0"])], (), ("known item", "['i0'] in s0", 1.0)),
        ([offer(expected_units=NAN)], (Budget(amount=3.0),), ("budget", "campaign, as stated", INF)),
        ([offer()], (Budget(amount=NAN),), ("budget", "campaign, as stated", INF)),
        ([offer()], (MarginFloor(margin_frac=NAN),), ("margin floor", "i0 in s0", INF)),
        ([offer()], (Appearances(maximum=NAN),), ("appearances", "i0", INF)),
        (
            [offer()],
            (CategoryCount(category="", maximum=3),),
            ("known limit", str(CategoryCount(category="", maximum=3)), 1.0),
        ),
        ([offer()], ("no sale on Sundays",), ("known limit", "no sale on Sundays", 1.0)),
        ([offer(price=8.5)], (), ("ladder", "i0 in s0", 0.5)),
        ([offer(price=7.995)], (), ("price ending", "i0 in s0", 0.005)),
        ([offer(discount_frac=0.3)], (), ("discount", "i0 in s0", 0.1)),
        ([], (CategoryCount(category="home", minimum=1),), ("category[home] minimum", "campaign", 1.0)),
        ([offer("i1")], (CategoryCount(category="home", minimum=1),), ("category[home] minimum", "campaign", 1.0)),
        ([offer()], (CategoryCount(category="home", maximum=0),), ("category[home] maximum", "campaign", 1.0)),
        ([offer(price=5.0)], (MarginFloor(margin_frac=0.1),), ("margin floor", "i0 in s0", 0.3)),
        ([offer(), offer(slot="s1")], (Appearances(maximum=1),), ("appearances", "i0", 1.0)),
        (
            [offer(slot="s1"), offer(slot="s0")],
            (Appearances(maximum=2, cool_down_hours=30.0),),
            ("cool-down", "i0 in s0 and s1", 8.0),
        ),
        ([offer()], (Excluded(item_ids=("i0",)),), ("excluded", "i0 in s0", 1.0)),
    ],
)
def test_each_broken_limit_is_named(
    offers: list[Offer], limits: tuple[Limit, ...], expected: tuple[str, str, float]
) -> None:
    assert expected in broken(offers, *limits)


def test_one_fault_is_one_finding() -> None:
    assert broken([offer(discount_frac=0.3)]) == [("discount", "i0 in s0", 0.1)]
    assert broken([offer(quota=101)]) == [("stock", "i0", 1.0)]
    assert broken([offer(), offer()]) == [("listed twice", "i0 in s0", 1.0)]
    assert broken([offer(price=5.0)], MarginFloor(margin_frac=0.1)) == [("margin floor", "i0 in s0", 0.3)]
    assert broken([offer()], Excluded(item_ids=("i0",))) == [("excluded", "i0 in s0", 1.0)]


def test_a_budget_is_judged_as_stated_and_on_each_kind_of_draws() -> None:
    """2 units at 2 off are 4 off; 400 equal draws leave a doubt of 20 / 400 of the 10 that the quota allows."""
    campaign = Campaign(slots=SLOTS, ladder=(0.2,), limits=(Budget(amount=3.0),))
    verdict = check([offer()], campaign, shop(), demand(400), planned_on=demand())
    assert [(b.limit, b.where, b.amount) for b in verdict.broken] == [
        ("budget", "campaign, as stated", 1.0),
        ("budget", "campaign, on the plan's own draws", 1.0),
        ("budget", "campaign, on fresh draws", 1.0),
    ]
    doubtful = replace(campaign, limits=(Budget(amount=3.55),))
    assert check([offer(expected_units=1.0)], doubtful, shop(), demand(400)).broken == ()


def test_a_price_above_list_price_pays_for_no_other_discount() -> None:
    offers = [offer(), offer("i1", price=14.0)]
    assert ("budget", "campaign, as stated", 1.0) in broken(offers, Budget(amount=3.0))


def test_an_ending_rounds_no_price_above_the_smallest_discount() -> None:
    """5 % off 10.00 is 9.50, and 9.99 ends like the campaign's prices, but it is no discount of 5 %."""
    assert ("ladder", "i0 in s0", 0.49) in broken([offer(price=9.99)], ladder=(0.05, 0.2), ending=0.99)
    assert broken([offer(price=7.99)], ladder=(0.05, 0.2), ending=0.99) == []


def test_slots_and_ladders_that_mean_nothing_allow_nothing() -> None:
    naive = replace(SLOTS[0], start=SLOTS[0].start.replace(tzinfo=None))
    for slots in ((SLOTS[0], replace(SLOTS[1], slot_id="s0")), (replace(SLOTS[0], end=SLOTS[0].start),), (naive,)):
        verdict = check([offer()], Campaign(slots=slots, ladder=(0.2,)), shop())
        assert [(b.limit, b.where, b.amount) for b in verdict.broken] == [("known slot", "i0 in s0", 1.0)]
    for ladder in ((), (NAN,), (-0.1, 1.0, 20.0)):
        assert broken([offer()], ladder=ladder) == [("ladder", "i0 in s0", INF)]
    assert broken([offer()], ladder=(NAN, 0.2)) == []


def test_items_without_one_sound_row_are_not_known() -> None:
    campaign = Campaign(slots=SLOTS, ladder=(0.2,))
    first = pl.col("item_id") == "i0"
    twice = pl.concat([shop(), shop().filter(first).with_columns(list_price=100.0)])
    tables = [
        twice,
        *(
            shop().with_columns(pl.when(first).then(wrong).otherwise(pl.col(name)).alias(name))
            for name, wrong in [
                ("list_price", NAN),
                ("list_price", None),
                ("unit_cost", -1.0),
                ("unit_cost", None),
                ("stock", None),
            ]
        ),
    ]
    for items in tables:
        verdict = check([offer()], campaign, items, demand())
        assert [(b.limit, b.where) for b in verdict.broken] == [("known item", "i0 in s0")]
        assert verdict.value == Estimate(value=0.0, ci_lower=0.0, ci_upper=0.0)


def test_a_category_that_is_null_belongs_to_none() -> None:
    items = shop().with_columns(category=pl.lit(None, pl.String))
    campaign = Campaign(slots=SLOTS, ladder=(0.2,), limits=(CategoryCount(category="home", minimum=1),))
    assert [b.amount for b in check([offer()], campaign, items).broken] == [1.0]


def test_strangers_take_positions() -> None:
    assert ("positions", "s0", 1.0) in broken([offer("i0"), offer("i1"), offer("i9")])


def test_costs_that_are_none_leave_no_value() -> None:
    for costs, amount in ((Costs(return_frac=1.25), 0.25), (Costs(holding_cost=NAN), INF)):
        plan = Plan(
            offers=(offer(),), status=PlanStatus.HEURISTIC, objective=0.0, bound=INF, gap_frac=INF, limit_prices={}
        )
        verdict = check(plan, Campaign(slots=SLOTS, ladder=(0.2,), costs=costs), shop(), demand())
        assert [(b.limit, b.where, b.amount) for b in verdict.broken] == [("costs", "campaign", amount)]
        assert verdict.value is None
        assert verdict.claims == "unchecked"


def test_demand_that_is_no_number_is_a_finding_and_elsewhere_an_error() -> None:
    campaign = Campaign(slots=SLOTS, ladder=(0.2,))
    draws = demand()
    draws.lift[0, 1] = NAN
    verdict = check([offer(), offer("i1")], campaign, shop(), draws)
    assert [(b.limit, b.where, b.amount) for b in verdict.broken] == [("demand", "i0 in s0", INF)]
    assert verdict.units == pytest.approx(2.0)
    draws.pull[1, 0] = NAN
    with pytest.raises(InputError, match="not a finite number"):
        check([offer("i1")], campaign, shop(), draws)


def test_no_draws_no_value() -> None:
    verdict = check([offer()], Campaign(slots=SLOTS, ladder=(0.2,)), shop())
    assert verdict == Verdict()
    assert verdict.to_polars().drop_nulls("value")["figure"].to_list() == ["findings"]


def test_a_verdict_in_words() -> None:
    fault = Broken(limit="stock", where="i0", amount=1.0, unit="units")
    assert Verdict().sentence.startswith("every limit kept; the stated units and values were not checked")
    assert Verdict(claims="exact").sentence.endswith("true on the draws the plan was made on")
    assert Verdict(broken=(fault, replace(fault, limit="quota"), fault)).sentence == "3 findings: stock, quota"
    assert findings_frame((fault,)).row(0) == ("stock", "i0", 1.0, "units")


def test_a_minimum_in_each_slot_counts_each_slot() -> None:
    limit = CategoryCount(category="home/kitchen", minimum=1, per_slot=True)
    found = broken([offer(), offer("i2")], limit)
    assert found == [("category[home/kitchen] minimum", "s1", 1.0), ("category[home/kitchen] minimum", "s2", 1.0)]


def test_prices_at_or_above_list_price_are_caught() -> None:
    assert ("below list price", "i0 in s0", 0.0) in broken([offer(price=10.0)])
    assert check([offer(price=10.0)], Campaign(slots=SLOTS, ladder=(0.2,)), shop(), demand()).units == 0.0
    assert broken([offer(price=7.99)], ending=0.99) == []
    assert broken([offer(price=8.0)], ending=0.99) == [("price ending", "i0 in s0", 0.01)]


def test_overlapping_slots_hold_one_price() -> None:
    slots = slots_every(2, hours=2.0, every=1.0)
    campaign = Campaign(slots=slots, ladder=(0.2,))
    verdict = check([offer(), offer(slot="s1")], campaign, shop(), demand())
    assert [b.limit for b in verdict.broken] == ["one price"]


def test_understated_units_do_not_hide_a_broken_budget() -> None:
    found = broken([offer(expected_units=0.1)], Budget(amount=3.0))
    assert found == [("budget", "campaign, on the plan's own draws", 1.0)]


def test_value_by_hand() -> None:
    """Two slots of 2 h sell 2 instead of 1 each: 2 extra, of which half a unit is missing later.

    Sale: 4 x (8 - 6) = 8; at list price 30 - 2 - 0.5 = 27.5 instead of 30, at a margin of 4: -10; together -2.
    """
    campaign = Campaign(slots=SLOTS, ladder=(0.2,))
    verdict = check([offer(), offer(slot="s1")], campaign, shop(), demand())
    assert verdict.value.value == pytest.approx(-2.0)
    assert (verdict.value.ci_lower, verdict.value.ci_upper) == pytest.approx((-2.0, -2.0))
    assert verdict.mean_error == pytest.approx(0.0)
    assert verdict.gross_sales == pytest.approx(32.0)
    assert verdict.units == pytest.approx(4.0)
    assert verdict.sell_through == pytest.approx(0.4)
    assert verdict.discount_cost == pytest.approx(8.0)
    # 10 % come back and cost 1 each, a leftover costs 0.5: fewer kept, 0.5 x 1.5 less gone
    costs = Costs(return_frac=0.1, return_cost=1.0, holding_cost=0.5)
    dearer = check([offer(), offer(slot="s1")], replace(campaign, costs=costs), shop(), demand())
    assert dearer.value.value == pytest.approx(0.9 * -2.0 - 0.1 * 1.5 + 0.5 * 1.5)


def test_scarce_stock_makes_a_sale_a_loss() -> None:
    """20 on hand sell anyway at list price: the 2 sold at 8 lose 2 each, whatever else happens."""
    campaign = Campaign(slots=SLOTS, ladder=(0.2,))
    assert check([offer()], campaign, shop(stock=20), demand()).value.value == pytest.approx(-4.0)


def test_other_items_gain_and_lose() -> None:
    """One extra unit of i0 takes half a unit from i1 (margin 4): 2 x 2 - 4 (displaced) - 1 (pulled) - 2."""
    effects = SparseEffects(source=np.array([0]), target=np.array([1]), effect=np.array([-0.5]))
    campaign = Campaign(slots=SLOTS, ladder=(0.2,))
    verdict = check([offer()], campaign, shop(), replace(demand(), effects=effects))
    assert verdict.value.value == pytest.approx(4.0 - 4.0 - 1.0 - 2.0)


def test_what_several_offers_take_from_one_item_ends_with_its_demand() -> None:
    """i0 and i1 sell one extra unit each, and each would take 20 of the 30 units of i2 (margin 4).

    Alone each loses 1 (as above) and 20 x 4; together they lose 2 and 30 x 4, because i2 has no more to lose.
    """
    effects = SparseEffects(source=np.array([0, 1]), target=np.array([2, 2]), effect=np.array([-20.0, -20.0]))
    draws, campaign = replace(demand(), effects=effects), Campaign(slots=SLOTS, ladder=(0.2,))
    values = [check(some, campaign, shop(), draws).value for some in ([offer()], [offer("i1")], [offer(), offer("i1")])]
    assert [v.value for v in values if v is not None] == pytest.approx([-81.0, -81.0, -122.0])


def test_the_interval_holds_its_share_of_outcomes() -> None:
    rng = np.random.default_rng(0)
    draws = demand(1000)
    draws = replace(draws, lift=rng.uniform(1.5, 2.5, draws.lift.shape))
    verdict = check([offer()], Campaign(slots=SLOTS, ladder=(0.2,)), shop(), draws, level=0.8)
    lift = draws.lift[0]
    values = lift * 2.0 - 4.0 - 0.25 * 4.0 * (lift - 1.0)
    assert verdict.value.value == pytest.approx(values.mean())
    inside = (values >= verdict.value.ci_lower) & (values <= verdict.value.ci_upper)
    assert inside.mean() == pytest.approx(0.8, abs=0.002)  # the ends fall between draws
    assert verdict.mean_error == pytest.approx(values.std(ddof=1) / 1000**0.5)


def test_an_empty_plan_is_worth_nothing() -> None:
    verdict = check([], Campaign(slots=SLOTS, ladder=(0.2,)), shop(), demand(1))
    assert verdict.value.value == 0.0
    assert verdict.mean_error is None
    assert verdict.sell_through is None
    assert verdict.to_polars().filter(pl.col("figure") == "sell-through")["value"].to_list() == [None]


def test_a_level_is_a_probability() -> None:
    with pytest.raises(SettingsError, match="level of an interval is 90"):
        check([], Campaign(slots=SLOTS, ladder=(0.2,)), shop(), demand(), level=90)


def test_an_entry_that_is_no_offer_is_a_finding() -> None:
    assert broken([offer(), None]) == [("offer", "entry 1", 1.0)]  # type: ignore[list-item]
