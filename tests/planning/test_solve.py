"""The planner against brute force, against the checker, and at its edges."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from tests.planning import oracle
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import OPTIMAL_GAP_FRAC, Campaign, PlanStatus
from flashlift.errors import FlashliftError, InfeasibleError, SettingsError
from flashlift.limits import Appearances, Budget, CategoryCount, MarginFloor
from flashlift.planning import check, programme, solve
from flashlift.planning.limits import compile_limits
from flashlift.planning.problem import build_columns
from flashlift.planning.programme import maximize
from flashlift.planning.solution import offers_of


@settings(max_examples=100, deadline=None)
@given(worlds(max_items=8, max_slots=4, max_steps=4))
def test_every_plan_passes_the_checker(world: World) -> None:
    try:
        plan = solve(world.campaign, world.items, world.draws)
    except InfeasibleError as error:
        assert error.limits
        return
    verdict = check(plan, world.campaign, world.items, world.draws, planned_on=world.draws)
    assert verdict.broken == ()
    assert plan.status is PlanStatus.OPTIMAL
    value = sum(offer.expected_value for offer in plan.offers)
    assert plan.objective == pytest.approx(value - oracle.penalties(plan.offers, world), abs=1e-4)
    assert verdict.penalties == pytest.approx(value - plan.objective, abs=1e-4)
    assert plan.objective <= plan.bound <= plan.objective + 1e-4 * max(abs(plan.objective), 1.0) + 1e-9


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=6, max_slots=3))
def test_the_checker_reproduces_the_objective_for_one_appearance(world: World) -> None:
    once = (*(limit for limit in world.campaign.limits if not isinstance(limit, Appearances)), Appearances(maximum=1))
    plenty = world.items.with_columns(stock=1_000_000)
    campaign = replace(world.campaign, limits=once)
    effects = replace(world.draws.effects, effect=1e-4 * world.draws.effects.effect)
    # no item loses all it sells, where the sum of effects would be cut off
    draws = replace(world.draws, rate=world.draws.rate + 1.0, pull=0.0 * world.draws.pull, effects=effects)
    try:
        plan = solve(campaign, plenty, draws)
    except InfeasibleError:
        assume(False)
    verdict = check(plan, campaign, plenty, draws)
    assert verdict.value.value == pytest.approx(plan.objective + verdict.penalties, abs=1e-4)
    assert verdict.units == pytest.approx(sum(offer.expected_units for offer in plan.offers), abs=1e-9)


def brute_force(world: World) -> float | None:
    """Best total value, less penalties, over every set of offers that the checker accepts."""
    columns = build_columns(world.campaign, world.items, world.draws)
    assume(len(columns) <= 8)
    best = None
    for size in range(len(columns) + 1):
        for some in combinations(range(len(columns)), size):
            chosen = np.zeros(len(columns), dtype=bool)
            chosen[list(some)] = True
            offers = offers_of(chosen, columns, world.campaign, world.items)
            total = float(columns.value[chosen].sum()) - oracle.penalties(offers, world)
            if (best is None or total > best) and not check(offers, world.campaign, world.items, world.draws).broken:
                best = total
    return best


@settings(max_examples=40, deadline=None)
@given(worlds(max_items=3, max_slots=2, max_steps=2))
def test_agrees_with_brute_force_over_the_checker(world: World) -> None:
    best = brute_force(world)
    try:
        plan = solve(world.campaign, world.items, world.draws, gap_frac=0.0)
    except InfeasibleError:
        assert best is None
    else:
        assert best is not None
        assert plan.objective == pytest.approx(best, abs=1e-4)


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=4, max_slots=3))
def test_agrees_with_enumerating_the_rows(world: World) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    assume(0 < len(columns) <= 14)
    rows = compile_limits(world.campaign, world.items, columns, lean=False)
    every = (np.arange(2 ** len(columns))[:, None] >> np.arange(len(columns))) & 1
    activity = every @ rows.matrix.toarray().T
    over = np.maximum(np.maximum(rows.lower - activity, activity - rows.upper), 0.0)
    keeps = (rows.soft | (over <= 1e-6)).all(axis=1)
    worth = every @ columns.value - over[:, rows.soft] @ rows.penalty[rows.soft]
    optimum = maximize(columns.value, rows, time_limit_s=30.0, gap_frac=0.0)
    if optimum is None:
        assert not keeps.any()
    else:
        best = worth[keeps].max()
        assert rows.worth(columns.value, optimum.chosen) == pytest.approx(best, abs=1e-6)
        assert optimum.bound >= best - 1e-6


def campaign_of(
    *limits: object, n_slots: int = 2, positions: int = 2, ladder: tuple[float, ...] = (0.1, 0.3)
) -> Campaign:
    return Campaign(slots=slots_every(n_slots, positions=positions), ladder=ladder, limits=limits)


def world_of(campaign: Campaign, n_items: int = 20, seed: int = 3, n_draws: int = 16) -> World:
    rng = np.random.default_rng(seed)
    return World(
        campaign=campaign,
        items=catalog(rng, n_items),
        draws=log_linear(rng, n_items, campaign.slots, n_draws),
    )


def test_a_soft_limit_is_broken_where_that_pays() -> None:
    """A minimum that no plan reaches, and a budget that is worth breaking to the point where a euro earns its price."""
    names = Budget(amount=5.0, penalty=0.3), CategoryCount(category="home", minimum=50, penalty=2.0)
    world = world_of(campaign_of(*names))
    plan = solve(world.campaign, world.items, world.draws, gap_frac=1e-9)
    verdict = check(plan, world.campaign, world.items, world.draws, planned_on=world.draws)
    assert verdict.broken == ()
    assert {finding.limit for finding in verdict.soft} == {"budget", "category[home] minimum"}
    costs = [b.amount * (0.3 if b.unit == "currency" else 2.0) for b in verdict.soft]
    assert verdict.penalties == pytest.approx(sum(costs))
    assert plan.limit_prices["budget"] == pytest.approx(0.3)
    assert "but soft ones" in verdict.sentence
    hard = world_of(campaign_of(Budget(amount=5.0)))
    kept = solve(hard.campaign, hard.items, hard.draws, gap_frac=1e-9)
    free = solve(replace(hard.campaign, limits=()), hard.items, hard.draws, gap_frac=1e-9)
    dear, soft = (
        solve(replace(hard.campaign, limits=(limit,)), hard.items, hard.draws, gap_frac=1e-9)
        for limit in (Budget(amount=5.0, penalty=1e6), names[0])
    )
    assert kept.objective == pytest.approx(dear.objective)
    assert kept.objective < soft.objective < free.objective


@pytest.mark.parametrize("penalty", [0.0, -1.0, float("inf")])
def test_a_penalty_that_is_none_is_refused(penalty: float) -> None:
    world = world_of(campaign_of(Budget(amount=5.0, penalty=penalty)))
    with pytest.raises(SettingsError, match="penalty"):
        solve(world.campaign, world.items, world.draws)


def test_an_empty_catalog_gives_an_empty_plan() -> None:
    world = world_of(campaign_of())
    nothing = replace(world.draws, **{k: getattr(world.draws, k)[:0] for k in ("rate", "slope", "lift", "pull")})
    plan = solve(world.campaign, world.items[:0], nothing)
    assert (plan.offers, plan.objective, plan.bound, plan.gap_frac) == ((), 0.0, 0.0, 0.0)
    assert plan.status is PlanStatus.OPTIMAL
    with pytest.raises(InfeasibleError, match="only 0 offers could ever count"):
        solve(campaign_of(CategoryCount(category="home", minimum=1)), world.items[:0], nothing)


def test_no_slots_and_no_steps_give_an_empty_plan() -> None:
    world = world_of(campaign_of())
    assert solve(replace(world.campaign, slots=()), world.items, world.draws).offers == ()
    assert solve(replace(world.campaign, ladder=()), world.items, world.draws).offers == ()


def test_what_earns_nothing_is_left_out_unless_a_minimum_asks_for_it() -> None:
    world = world_of(campaign_of(Appearances()))
    draws = replace(world.draws, lift=np.ones_like(world.draws.lift), slope=np.zeros_like(world.draws.slope))
    assert solve(world.campaign, world.items, draws).offers == ()
    forced = replace(world.campaign, limits=(Appearances(), CategoryCount(category="home", minimum=3)))
    plan = solve(forced, world.items, draws)
    assert len(plan.offers) == 3
    assert plan.objective < 0.0
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.bound >= plan.objective


def test_offers_come_by_slot_and_then_by_value() -> None:
    world = world_of(campaign_of(Appearances(), n_slots=3, positions=3))
    plan = solve(world.campaign, world.items, world.draws)
    keys = [(offer.slot_id, -offer.expected_value) for offer in plan.offers]
    assert len(keys) == 9
    assert keys == sorted(keys)


def test_limit_prices_are_named_and_tell_the_worth_of_a_unit() -> None:
    world = world_of(campaign_of(Appearances(), Budget(amount=10.0), CategoryCount(category="home", maximum=1)))
    plan = solve(world.campaign, world.items, world.draws)
    assert set(plan.limit_prices) <= {
        "appearances",
        "budget",
        "category[home] maximum",
        "positions[s0]",
        "positions[s1]",
    }
    assert plan.limit_prices["budget"] > 0.0
    richer = replace(world.campaign, limits=(Appearances(), Budget(amount=10.5), world.campaign.limits[2]))
    gain = relaxation(richer, world) - relaxation(world.campaign, world)
    assert 0.0 < gain <= 0.5 * plan.limit_prices["budget"] + 1e-9  # the relaxation is concave in its bounds


def relaxation(campaign: Campaign, world: World) -> float:
    from flashlift.planning.highs import run

    columns = build_columns(campaign, world.items, world.draws)
    rows = compile_limits(campaign, world.items, columns)
    return run(columns.value, rows, binary=False, time_limit_s=10.0).bound


def test_same_seed_same_plan() -> None:
    world = world_of(campaign_of(Appearances(), Budget(amount=30.0), n_slots=4, positions=4), n_items=60)
    assert solve(world.campaign, world.items, world.draws) == solve(world.campaign, world.items, world.draws)


def hard_world() -> World:
    return world_of(
        campaign_of(
            Appearances(maximum=2, cool_down_hours=30.0),
            Budget(amount=150.0),
            MarginFloor(margin_frac=-1.0),
            n_slots=8,
            positions=12,
            ladder=(0.1, 0.15, 0.2, 0.3, 0.4, 0.5),
        ),
        n_items=400,
    )


def test_a_plan_that_ran_out_of_time_is_never_called_optimal() -> None:
    world = hard_world()
    plan = solve(world.campaign, world.items, world.draws, time_limit_s=0.0)
    assert plan.status is PlanStatus.TIME_LIMITED
    assert plan.gap_frac > 1e-4
    assert plan.bound == pytest.approx(plan.objective + plan.gap_frac * max(plan.objective, 1.0))
    assert check(plan, world.campaign, world.items, planned_on=world.draws).broken == ()
    better = solve(world.campaign, world.items, world.draws, gap_frac=1e-3)
    assert better.status is PlanStatus.OPTIMAL
    assert plan.objective <= better.objective <= plan.bound


def test_a_plan_far_from_its_bound_is_not_called_optimal_whatever_was_asked() -> None:
    world = hard_world()
    plan = solve(world.campaign, world.items, world.draws, gap_frac=0.5)
    assert plan.gap_frac <= 0.5
    assert (plan.status is PlanStatus.OPTIMAL) == (plan.gap_frac <= OPTIMAL_GAP_FRAC + 1e-9)
    assert check(plan, world.campaign, world.items, planned_on=world.draws).broken == ()


def test_no_plan_in_time_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """No start from the greedy fill, and no time for the solver."""
    monkeypatch.setattr(programme, "fill", lambda rows, order, optional: None)
    world = hard_world()
    with pytest.raises(FlashliftError, match="No plan within the limits was found in 0 s"):
        solve(world.campaign, world.items, world.draws, time_limit_s=0.0)


def test_ctrl_c_returns_the_best_plan_so_far() -> None:
    world = hard_world()
    asked: list[str] = []

    def interrupt(task: str, done: float, total: float, note: str = "") -> None:
        if task == "Optimize" and not asked:
            asked.append(note)
            raise KeyboardInterrupt

    plan = solve(world.campaign, world.items, world.draws, gap_frac=0.0, progress=interrupt)
    assert asked
    assert plan.status is PlanStatus.TIME_LIMITED
    assert plan.objective < plan.bound
    assert check(plan, world.campaign, world.items, planned_on=world.draws).broken == ()
