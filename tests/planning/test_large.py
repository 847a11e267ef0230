"""Column sifting against the whole problem solved at once, and against the checker."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign, Plan, PlanStatus
from flashlift.errors import InfeasibleError
from flashlift.limits import Appearances, Budget, CategoryCount, Pinned
from flashlift.planning import check, solve
from flashlift.planning.families import families
from flashlift.planning.grid import build_grid
from flashlift.planning.problem import Problem
from flashlift.planning.schedules import Pricer
from flashlift.planning.sifting import _levels, relax

solving = sys.modules["flashlift.planning.solve"]  # the package's name `solve` is the function


@contextmanager
def sifting() -> Iterator[None]:
    """Every problem counts as large."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(solving, "DIRECT", -1)
        yield


def softened(world: World) -> bool:
    """What a soft row is broken by is only known to the solver's tolerance, times its penalty."""
    return any(getattr(limit, "penalty", None) is not None for limit in world.campaign.limits)


def plan_of(world: World, gap_frac: float = 1e-9) -> Plan | None:
    try:
        return solve(world.campaign, world.items, world.draws, gap_frac=gap_frac)
    except InfeasibleError:
        return None


@settings(max_examples=120, deadline=None)
@given(worlds(max_items=8, max_slots=4, max_steps=4))
def test_sifting_finds_the_plan_of_the_whole_programme(world: World) -> None:
    whole = plan_of(world)
    with sifting():
        sifted = plan_of(world)
    assert (whole is None) == (sifted is None)
    if whole is not None and sifted is not None:
        assert sifted.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-6)
        assert sifted.bound >= whole.objective - 1e-9
        assert sifted.status is PlanStatus.OPTIMAL or (softened(world) and sifted.gap_frac < 1e-6)
        assert check(sifted, world.campaign, world.items, world.draws, planned_on=world.draws).broken == ()


def pricer_of(world: World) -> Pricer:
    problem = Problem.of(world.campaign, world.items, world.draws)
    return Pricer.of(world.campaign, build_grid(problem), families(world.campaign, world.items))


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=6, max_slots=4, max_steps=3), st.integers(0, 2**32 - 1))
def test_any_prices_bound_every_plan(world: World, seed: int) -> None:
    """The Lagrangian bound holds at whatever prices, and so does what an offer costs it."""
    plan = plan_of(world)
    if plan is None:
        return
    pricer, rng = pricer_of(world), np.random.default_rng(seed)
    price = pricer.clipped(rng.normal(0.0, 3.0, len(pricer.bound)))
    bound = pricer.bound_at(price)
    assert bound >= plan.objective - 1e-6
    slack = pricer.slack(price, np.arange(world.items.height))
    ids = world.items["item_id"].to_list()
    slots = [slot.slot_id for slot in world.campaign.slots]
    for offer in plan.offers:
        item, slot = ids.index(offer.item_id), slots.index(offer.slot_id)
        assert bound - slack[item, slot].min() >= plan.objective - 1e-6


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=5, max_slots=4, max_steps=3), st.integers(0, 2**32 - 1))
def test_the_best_schedule_is_the_best_of_all(world: World, seed: int) -> None:
    """Dynamic programming against every set of slots."""
    pricer, rng = pricer_of(world), np.random.default_rng(seed)
    price = pricer.clipped(rng.normal(0.0, 2.0, len(pricer.bound)))
    items = np.arange(world.items.height)
    best = pricer.best(price)
    place, slot, step = pricer.schedules(price, items)
    at, row, coefficient = pricer.rows(place, slot, step)
    worth = pricer.grid.value[place, slot, step] - np.bincount(at, coefficient * price[row], len(place))
    assert np.bincount(place, worth, len(items)) == pytest.approx(best, abs=1e-5)
    limits = [limit for limit in world.campaign.limits if isinstance(limit, Appearances)]
    pause = max([0.0, *(limit.cool_down_hours for limit in limits)])
    most = min([len(world.campaign.slots), *(limit.maximum for limit in limits)])
    for item in items:
        assert best[item] == pytest.approx(by_hand(pricer, price, world, int(item), pause, most), abs=1e-5)


def by_hand(pricer: Pricer, price: np.ndarray, world: World, item: int, pause: float, most: int) -> float:
    slots, grid = world.campaign.slots, pricer.grid
    worth = []
    for s in range(len(slots)):
        steps = np.arange(grid.value.shape[2])
        here = np.full(len(steps), item), np.full(len(steps), s), steps
        at, row, coefficient = pricer.rows(*here)
        worth.append(float((grid.value[here] - np.bincount(at, coefficient * price[row], len(steps))).max()))
    best = 0.0
    for chosen in range(2 ** len(slots)):
        some = [s for s in range(len(slots)) if chosen >> s & 1]
        times = sorted((slots[s].start, slots[s].end) for s in some)
        apart = all((b[0] - a[1]).total_seconds() / 3600.0 >= pause for a, b in pairwise(times))
        if len(some) <= most and apart:
            best = max(best, sum(worth[s] for s in some))
    return best


def test_the_bound_of_a_large_campaign_comes_near_the_plan() -> None:
    rng = np.random.default_rng(5)
    slots = slots_every(12, positions=6, hours=2.0, every=3.0)
    campaign = Campaign(
        slots=slots,
        ladder=(0.1, 0.2, 0.3, 0.4, 0.5),
        limits=(
            Appearances(maximum=2, cool_down_hours=5.0),
            Budget(amount=900.0),
            CategoryCount(category="home", minimum=1, maximum=3, per_slot=True),
        ),
    )
    items, draws = catalog(rng, 600, stock=2_000), log_linear(rng, 600, slots, 12)
    problem = Problem.of(campaign, items, draws)
    assert problem.n_cells > solving.DIRECT
    plan = solve(campaign, items, draws, gap_frac=2e-3)
    assert plan.status is PlanStatus.OPTIMAL
    assert 0.0 <= plan.gap_frac <= 2e-3
    assert check(plan, campaign, items, draws, planned_on=draws).broken == ()
    assert plan == solve(campaign, items, draws, gap_frac=2e-3, threads=2)
    pricer = Pricer.of(campaign, build_grid(problem), families(campaign, items))
    relaxation = relax(pricer, gap_frac=1e-6, time_limit_s=60.0)
    assert relaxation.finished
    assert pricer.bound_at(relaxation.price) == pytest.approx(relaxation.bound)
    assert plan.objective <= relaxation.bound * (1.0 + 1e-9)


def test_threads_change_nothing_in_the_grid() -> None:
    rng = np.random.default_rng(1)
    slots = slots_every(3)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.3))
    items, draws = catalog(rng, 40), log_linear(rng, 40, slots, 8)
    problem = Problem.of(campaign, items, draws)
    one, two = build_grid(problem), build_grid(problem, threads=2)
    assert np.array_equal(one.value, two.value)
    assert np.array_equal(one.quota, two.quota)
    exact = problem.value(*problem.cells(slice(0, 40)))
    at = problem.cells(slice(0, 40))
    assert (one.value[at][exact.quota > 0] >= exact.value[exact.quota > 0]).all()
    assert one.value[at][exact.quota > 0] == pytest.approx(exact.value[exact.quota > 0], rel=1e-6)


def test_a_large_campaign_without_a_plan_names_its_conflict() -> None:
    rng = np.random.default_rng(2)
    slots = slots_every(2, positions=2)
    limits = (CategoryCount(category="home", minimum=3, per_slot=True), Appearances())
    campaign = Campaign(slots=slots, ladder=(0.1, 0.3), limits=limits)
    items, draws = catalog(rng, 30), log_linear(rng, 30, slots, 4)
    with sifting(), pytest.raises(InfeasibleError, match=r"category\[home, s\d\] minimum"):
        solve(campaign, items, draws)
    easier = replace(campaign, limits=(CategoryCount(category="home", minimum=2, per_slot=True), Appearances()))
    with sifting():
        assert len(solve(easier, items, draws).offers) == 4


def test_a_minimum_that_must_be_kept_is_worth_a_dear_penalty() -> None:
    """A pinned item breaks a soft budget at a cost far beyond what any offer earns."""
    rng = np.random.default_rng(1)
    slots = slots_every(1, positions=1)
    items = catalog(rng, 2)
    limits = (Budget(amount=0.001, penalty=1e4), Pinned(item_id="i0"))
    campaign = Campaign(slots=slots, ladder=(0.05,), limits=limits)
    world = World(campaign=campaign, items=items, draws=log_linear(rng, 2, slots, 1))
    whole = plan_of(world)
    with sifting():
        sifted = plan_of(world)
    assert whole is not None and sifted is not None
    assert whole.objective < -100.0
    assert sifted.objective == pytest.approx(whole.objective)


@pytest.mark.parametrize("budget", [None, 2_000.0])
def test_prices_of_whole_families_are_near_where_slots_are_alike(budget: float | None) -> None:
    """Every item wants the same slots, and the budget holds half of what the places could give."""
    rng = np.random.default_rng(6)
    slots = slots_every(20, positions=5, hours=2.0, every=6.0)
    budgets = () if budget is None else (Budget(amount=budget),)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.3), limits=(Appearances(maximum=2), *budgets))
    world = World(campaign=campaign, items=catalog(rng, 600), draws=log_linear(rng, 600, slots, 6))
    pricer = pricer_of(world)
    found = relax(pricer, gap_frac=1e-5, time_limit_s=60.0)
    assert found.finished
    assert pricer.bound_at(_levels(pricer)) <= 1.1 * found.bound
    assert pricer.bound_at(np.zeros(len(pricer.bound))) > 1.5 * found.bound
