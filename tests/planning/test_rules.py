"""Rules of thumb do what they say and keep the limits."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign, PlanStatus
from flashlift.errors import FlashliftError, InfeasibleError, SettingsError
from flashlift.limits import Appearances, CategoryCount, MarginFloor
from flashlift.planning import best_sellers, check, fair_rule, flat_rule, random_plan, slow_movers, solve


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=6, max_slots=3))
def test_every_rule_keeps_the_limits_and_never_beats_the_planner(world: World) -> None:
    args = (world.campaign, world.items, world.draws)
    rules = [best_sellers, slow_movers, fair_rule, lambda *a: random_plan(*a, rng=np.random.default_rng(0))]
    for rule in rules:
        try:
            plan = rule(*args)
        except FlashliftError:
            continue  # a minimum out of the rule's reach
        assert check(plan, *args, planned_on=world.draws).broken == ()
        assert plan.status is PlanStatus.HEURISTIC
        assert plan.bound == math.inf
        best = solve(*args, gap_frac=0.0)
        assert plan.objective <= best.objective + 1e-6


def world(*, n_items: int = 6, n_slots: int = 2, positions: int = 2) -> World:
    rng = np.random.default_rng(2)
    slots = slots_every(n_slots, positions=positions)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.4), limits=(Appearances(),))
    return World(campaign=campaign, items=catalog(rng, n_items), draws=log_linear(rng, n_items, slots, 8))


def test_best_sellers_fill_the_slots_in_order() -> None:
    shop = world()
    plan = best_sellers(shop.campaign, shop.items, shop.draws)
    usual = shop.draws.without_sale(np.arange(6)).mean(axis=1)
    top = [f"i{k}" for k in np.argsort(-usual)[:4]]
    assert {o.item_id for o in plan.offers if o.slot_id == "s0"} == set(top[:2])
    assert {o.item_id for o in plan.offers if o.slot_id == "s1"} == set(top[2:])
    assert all(o.discount_frac == pytest.approx(0.2, abs=0.005) for o in plan.offers)


def test_slow_movers_have_the_longest_cover() -> None:
    shop = world()
    plan = slow_movers(shop.campaign, shop.items, shop.draws)
    cover = shop.items["stock"].to_numpy() / shop.draws.without_sale(np.arange(6)).mean(axis=1)
    offered = {int(o.item_id[1:]) for o in plan.offers}
    assert offered <= set(np.argsort(-cover)[: len(offered) + 2].tolist())  # some have no demand at all
    assert all(o.discount_frac == pytest.approx(0.4, abs=0.005) for o in plan.offers)


def test_the_fair_rule_never_sells_below_cost_or_floor() -> None:
    shop = world(n_items=12)
    items = shop.items.with_columns(unit_cost=shop.items["list_price"] * np.linspace(0.5, 1.0, 12))
    for floor, campaign in [
        (0.0, shop.campaign),
        (0.2, Campaign(slots=shop.campaign.slots, ladder=(0.2,), limits=(MarginFloor(margin_frac=0.2),))),
    ]:
        offers = fair_rule(campaign, items, shop.draws).offers
        cost = dict(zip(items["item_id"], items["unit_cost"], strict=True))
        assert offers
        assert all((o.price - cost[o.item_id]) / o.price >= floor - 1e-9 for o in offers)


def test_a_ranking_may_differ_by_slot() -> None:
    shop = world(positions=1)
    ranking = np.zeros((6, 2))
    ranking[3, 1], ranking[4, 0] = 2.0, 1.0
    plan = flat_rule(shop.campaign, shop.items, shop.draws, ranking=ranking, discount=0.1)
    assert [(o.item_id, o.slot_id) for o in plan.offers] == [("i4", "s0"), ("i3", "s1")]


def test_random_plans_follow_their_generator() -> None:
    shop = world()
    one, again, other = (
        random_plan(shop.campaign, shop.items, shop.draws, rng=np.random.default_rng(s)) for s in (1, 1, 2)
    )
    assert one == again
    assert one != other


def test_minima_come_first_and_failure_is_an_error() -> None:
    shop = world()
    home = CategoryCount(category="home", minimum=3)
    campaign = Campaign(slots=shop.campaign.slots, ladder=(0.2,), limits=(Appearances(), home))
    plan = best_sellers(campaign, shop.items, shop.draws)
    assert sum(int(o.item_id[1:]) % 2 == 0 for o in plan.offers) == 3
    beyond = Campaign(slots=shop.campaign.slots, ladder=(0.2,), limits=(CategoryCount(category="attic", minimum=1),))
    with pytest.raises(FlashliftError, match="does not reach a category minimum") as caught:
        best_sellers(beyond, shop.items, shop.draws)
    assert not isinstance(caught.value, InfeasibleError)


def test_an_empty_ladder_is_refused() -> None:
    shop = world()
    nothing = Campaign(slots=shop.campaign.slots, ladder=())
    for rule in (best_sellers, fair_rule):
        with pytest.raises(SettingsError, match="ladder of the campaign is empty"):
            rule(nothing, shop.items, shop.draws)
