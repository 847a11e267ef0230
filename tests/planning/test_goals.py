"""Plans for other goals than profit: every figure by itself, the best of the weighted sum, proven and checked."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.planning import oracle
from tests.planning.draws import World, catalog, log_linear, slots_every, with_goals, worlds
from tests.planning.test_large import sifting, softened

from flashlift.domain import Campaign, Costs, Goal, Offer, Plan, PlanStatus
from flashlift.errors import InfeasibleError, SettingsError
from flashlift.limits import Appearances, FunderBudget, MarginFloor, Nominations
from flashlift.planning import (
    Desk,
    check,
    explain,
    explore,
    load_plan,
    plan_table,
    reprove,
    save_plan,
    solve,
    solve_certified,
    verify,
)
from flashlift.planning.problem import build_columns
from flashlift.planning.solution import offers_of

solving = sys.modules["flashlift.planning.solve"]
STATED = ("expected_value", "expected_revenue", "expected_buyers", "expected_stock_cleared")


def worth(offer: Offer, goal: Goal) -> float:
    return sum(w * getattr(offer, name) for w, name in zip(asdict(goal).values(), STATED, strict=True))


def figures_of(world: World, offer: Offer) -> tuple[float, float, float, float]:
    """The four figures of one offer alone, one draw and one unit at a time."""
    n = world.draws.n_draws
    joint = np.mean([oracle.joint_figures([offer], world, draw) for draw in range(n)], axis=0)
    item, slot = int(offer.item_id[1:]), int(offer.slot_id[1:])
    wanted = world.draws.units(np.array([item]), np.array([slot]), np.array([offer.discount_frac]))[0]
    row = world.items.row(item, named=True)
    buyers = float(np.minimum(wanted, offer.quota).mean()) / (row.get("units_per_purchase") or 1.0)
    return float(joint[0]), float(joint[1]), buyers, float(joint[2])


@settings(max_examples=60, deadline=None)
@given(with_goals(worlds(max_items=4, max_slots=2)))
def test_every_figure_agrees_with_a_slow_account(world: World) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    offers = offers_of(np.ones(len(columns), dtype=bool), columns, world.campaign, world.items)
    assert len(offers) == len(columns)
    for offer in offers[:6]:
        stated = [getattr(offer, name) for name in STATED]
        assert stated == pytest.approx(figures_of(world, offer), abs=1e-6)
    assert sum(worth(offer, world.campaign.goal) for offer in offers) == pytest.approx(columns.value.sum(), abs=1e-6)


@settings(max_examples=30, deadline=None)
@given(worlds(max_items=4, max_slots=2), st.sampled_from([0.0, 0.2]))
def test_without_costs_profit_is_sales_less_the_goods_that_left(world: World, return_frac: float) -> None:
    """With returns alone, the part of the sales that is given back is missing; nobody else pays a part."""
    own = tuple(limit for limit in world.campaign.limits if not isinstance(limit, FunderBudget | Nominations))
    campaign = replace(world.campaign, goal=Goal(revenue=1.0), costs=Costs(return_frac=return_frac), limits=own)
    columns = build_columns(campaign, world.items, world.draws)
    profit, revenue, _, cleared, _ = columns.figures.T
    assert profit == pytest.approx((1.0 - return_frac) * revenue - cleared, abs=1e-6)


def plan_of(world: World, gap_frac: float = 1e-9) -> Plan | None:
    try:
        return solve(world.campaign, world.items, world.draws, gap_frac=gap_frac)
    except InfeasibleError:
        return None


@settings(max_examples=80, deadline=None)
@given(with_goals(worlds(max_items=8, max_slots=4, max_steps=4)))
def test_both_ways_find_one_plan_and_the_checker_agrees(world: World) -> None:
    whole = plan_of(world)
    with sifting():
        sifted = plan_of(world)
    assert (whole is None) == (sifted is None)
    for plan in (whole, sifted):
        if plan is None or whole is None:
            continue
        verdict = check(plan, world.campaign, world.items, world.draws, planned_on=world.draws)
        assert verdict.broken == ()
        assert plan.status is PlanStatus.OPTIMAL or (softened(world) and plan.gap_frac < 1e-6)
        total = sum(worth(offer, world.campaign.goal) for offer in plan.offers)
        assert plan.objective == pytest.approx(total - verdict.penalties, abs=1e-6)
        assert plan.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-6)
        assert plan.bound >= whole.objective - 1e-6


@settings(max_examples=30, deadline=None)
@given(with_goals(worlds(max_items=3, max_slots=2, max_steps=2)))
def test_no_set_of_offers_within_the_limits_is_worth_more(world: World) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    assume(len(columns) <= 8)
    best = None
    for size in range(len(columns) + 1):
        for some in combinations(range(len(columns)), size):
            chosen = np.isin(np.arange(len(columns)), some)
            offers = offers_of(chosen, columns, world.campaign, world.items)
            total = sum(
                w * figure
                for offer in offers
                for w, figure in zip(asdict(world.campaign.goal).values(), figures_of(world, offer), strict=True)
            )
            verdict = check(offers, world.campaign, world.items)
            if (best is None or total - verdict.penalties > best) and not verdict.broken:
                best = total - verdict.penalties
    plan = plan_of(world, gap_frac=0.0)
    assert (plan is None) == (best is None)
    if plan is not None:
        assert plan.objective == pytest.approx(best, abs=1e-6)


@settings(max_examples=50, deadline=None)
@given(with_goals(worlds(max_items=8, max_slots=4, max_steps=4)), st.booleans())
def test_a_certificate_proves_the_worth(world: World, direct: bool) -> None:
    with nullcontext() if direct else sifting():
        try:
            plan, proof = solve_certified(world.campaign, world.items, world.draws, gap_frac=1e-9)
        except InfeasibleError:
            return
    found = verify(plan, world.campaign, world.items, proof.prices, proof.cells)
    assert found.broken == ()
    assert found.bound >= plan.objective - 1e-6 * max(abs(plan.objective), 1.0)
    size = sum(abs(worth(offer, world.campaign.goal)) for offer in plan.offers)
    assert found.objective == pytest.approx(plan.objective, abs=1e-6 * max(size, 1.0))


@settings(max_examples=25, deadline=None)
@given(with_goals(worlds()))
def test_a_plan_and_its_goal_survive_the_disk(tmp_path_factory: pytest.TempPathFactory, world: World) -> None:
    plan = plan_of(world)
    assume(plan is not None)
    assert plan is not None
    folder = tmp_path_factory.mktemp("plan") / "one"
    save_plan(plan, world.campaign, world.items, folder, fresh=world.draws)
    saved = load_plan(folder)
    assert (saved.plan, saved.campaign) == (plan, world.campaign)
    table = plan_table(plan, world.campaign, world.items)
    assert table.columns[-3:] == list(STATED[1:])
    assert table.null_count().select(STATED[1:]).sum_horizontal().item() == 0


def shop(goal: Goal, *, costs: Costs = Costs()) -> World:  # noqa: B008  # immutable
    rng = np.random.default_rng(11)
    slots = slots_every(4, positions=6)
    limits = (Appearances(), MarginFloor(margin_frac=-1.0))
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.4), limits=limits, goal=goal, costs=costs)
    return World(campaign=campaign, items=catalog(rng, 80), draws=log_linear(rng, 80, slots, 8))


def test_each_goal_alone_is_served_best_by_its_own_plan() -> None:
    """Of all single goals, none other reaches more of a figure than the goal that asks for nothing else."""
    goals = {name: Goal(**{"profit": 0.0, name: 1.0}) for name in ("profit", "revenue", "buyers", "stock_cleared")}
    plans = {}
    for name, goal in goals.items():
        world = shop(goal)
        plans[name] = self_stated(solve(world.campaign, world.items, world.draws, gap_frac=1e-6), shop(Goal(buyers=1)))
    for name, goal in goals.items():
        totals = {other: sum(worth(offer, goal) for offer in offers) for other, offers in plans.items()}
        assert max(totals, key=totals.__getitem__) == name
        assert totals[name] > 1.01 * min(totals.values())


def self_stated(plan: Plan, world: World) -> list[Offer]:
    """The offers of a plan with all their figures, whatever goal they were chosen for."""
    columns = build_columns(world.campaign, world.items, world.draws)
    every = offers_of(np.ones(len(columns), dtype=bool), columns, world.campaign, world.items)
    chosen = {(offer.item_id, offer.slot_id, offer.price) for offer in plan.offers}
    return [offer for offer in every if (offer.item_id, offer.slot_id, offer.price) in chosen]


def test_a_desk_plans_for_the_goal_of_its_campaign() -> None:
    world = shop(Goal(revenue=0.3, buyers=0.2))
    desk = Desk.open(world.campaign, world.items, world.draws)
    plan, wanted = desk.plan(gap_frac=1e-9), solve(world.campaign, world.items, world.draws, gap_frac=1e-9)
    assert plan.objective == pytest.approx(wanted.objective, rel=1e-6)
    assert check(plan, world.campaign, world.items, planned_on=world.draws).broken == ()


def test_profit_alone_states_no_other_figure_and_the_verdict_tells_all() -> None:
    world = shop(Goal())
    plan = solve(world.campaign, world.items, world.draws)
    assert all(getattr(offer, name) is None for offer in plan.offers for name in STATED[1:])
    assert "expected_revenue" not in plan_table(plan, world.campaign, world.items).columns
    verdict = check(plan, world.campaign, world.items, world.draws)
    told = np.mean([oracle.joint_figures(plan.offers, world, draw) for draw in range(8)], axis=0)
    assert verdict.value is not None
    assert (verdict.value.value, verdict.revenue, verdict.stock_cleared) == pytest.approx(tuple(told), abs=1e-6)
    assert verdict.buyers == pytest.approx(verdict.units)  # one unit each, where nothing is known of purchases
    pairs = world.items.with_columns(units_per_purchase=2.0)
    assert check(plan, world.campaign, pairs, world.draws).buyers == pytest.approx(verdict.units / 2.0)


@pytest.mark.parametrize(
    ("name", "finding"),
    [
        ("expected_revenue", "expected revenue"),
        ("expected_buyers", "expected buyers"),
        ("expected_stock_cleared", "expected stock cleared"),
    ],
)
def test_a_lie_about_any_figure_is_found(name: str, finding: str) -> None:
    world = shop(Goal(revenue=0.1, buyers=0.1, stock_cleared=0.1))
    plan, proof = solve_certified(world.campaign, world.items, world.draws)
    said = getattr(plan.offers[0], name)
    for lie in (said + 1.0, None, float("nan")):
        false = replace(plan, offers=(replace(plan.offers[0], **{name: lie}), *plan.offers[1:]))
        found = {one.limit for one in check(false, world.campaign, world.items, planned_on=world.draws).broken}
        assert {finding, "objective"} <= found
        again = verify(false, world.campaign, world.items, proof.prices, proof.cells).broken
        assert "value" in {one.limit for one in again}


@pytest.mark.parametrize(
    "goal", [Goal(profit=0.0), Goal(revenue=-1.0), Goal(profit=float("nan")), Goal(buyers=float("inf"))]
)
def test_goals_that_want_nothing_or_no_number_are_refused(goal: Goal) -> None:
    world = shop(Goal())
    plan = solve(world.campaign, world.items, world.draws)
    campaign = replace(world.campaign, goal=goal)
    with pytest.raises(SettingsError, match="The campaign's goal has the weights profit ="):
        solve(campaign, world.items, world.draws)
    assert "goal" in {one.limit for one in check(plan, campaign, world.items).broken}


def test_a_plan_for_a_goal_is_explained_in_its_worth_and_not_explored(tmp_path: Path) -> None:
    world = shop(Goal(revenue=0.5))
    plan, proof = solve_certified(world.campaign, world.items, world.draws)
    told = explain(plan, world.campaign, world.items, proof)
    first = plan.offers[0]
    assert f"it is worth {worth(first, world.campaign.goal):.2f}" in told.item(first.item_id)
    assert "unit cost" not in told.item(told.entering(1)["item_id"][0])
    rng = np.random.default_rng(0)
    with pytest.raises(SettingsError, match="the campaign has another goal or a next sale"):
        explore(plan, world.campaign, world.items, proof, share=0.03, rng=rng)
    assert explore(plan, world.campaign, world.items, proof, share=0.0, rng=rng).plan == plan
    save_plan(plan, world.campaign, world.items, tmp_path / "p", fresh=world.draws, certificate=proof)
    assert reprove(tmp_path / "p").broken == ()
