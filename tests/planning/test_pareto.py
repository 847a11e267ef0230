"""Profit against gross sales: every point the best for its weight, none dominated, none of the convex curve missing."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations, pairwise

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign, Goal
from flashlift.errors import InfeasibleError, SettingsError
from flashlift.limits import Appearances, CategoryCount, MarginFloor
from flashlift.planning import check, pareto, solve
from flashlift.planning.pareto import BOTH
from flashlift.planning.problem import build_columns
from flashlift.planning.solution import offers_of


def every_plan(world: World) -> list[tuple[float, float, float]]:
    """Profit, gross sales and penalties of every set of offers within the limits."""
    campaign = replace(world.campaign, goal=BOTH)
    columns = build_columns(campaign, world.items, world.draws)
    assume(len(columns) <= 8)
    found = []
    for size in range(len(columns) + 1):
        for some in combinations(range(len(columns)), size):
            offers = offers_of(np.isin(np.arange(len(columns)), some), columns, campaign, world.items)
            verdict = check(offers, campaign, world.items)
            if not verdict.broken:
                total = columns.figures[list(some), :2].sum(axis=0) if some else np.zeros(2)
                found.append((float(total[0]), float(total[1]), verdict.penalties))
    return found


@settings(max_examples=30, deadline=None)
@given(worlds(max_items=3, max_slots=2, max_steps=2), st.integers(2, 6))
def test_no_plan_is_worth_more_at_the_weight_of_a_point(world: World, points: int) -> None:
    plans = every_plan(world)
    if not plans:
        with pytest.raises(InfeasibleError):
            pareto(world.campaign, world.items, world.draws, fresh=world.draws)
        return
    curve = pareto(world.campaign, world.items, world.draws, fresh=world.draws, points=points, gap_frac=1e-9)
    assert 1 <= curve.height <= points
    for row in curve.iter_rows(named=True):
        w = row["weight"]
        best = max((1 - w) * profit + w * revenue - penalty for profit, revenue, penalty in plans)
        reached = (1 - w) * row["planned_profit"] + w * row["planned_revenue"]
        assert reached >= best - 1e-6 * max(abs(best), 1.0)
        assert row["gap_frac"] <= 1e-6
    told = curve.select("profit", "revenue").rows()
    assert told == sorted(told, key=lambda row: (-row[0], row[1]))
    assert all(b[0] < a[0] and b[1] > a[1] for a, b in pairwise(told))


def shop(n_items: int = 60, *, positions: int = 4) -> World:
    rng = np.random.default_rng(3)
    slots = slots_every(2, positions=positions)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.3, 0.5), limits=(Appearances(), MarginFloor(margin_frac=-1.0)))
    draws = log_linear(rng, n_items, slots, 12)
    return World(campaign=campaign, items=catalog(rng, n_items, stock=5_000), draws=draws)


def test_no_corner_of_the_curve_is_missing() -> None:
    """One slot and one place: a plan is an offer, so the corners are those of the offers' convex hull."""
    world = shop(30)
    ladder = tuple(round(0.05 * k, 2) for k in range(1, 13))
    one = replace(world, campaign=replace(world.campaign, slots=slots_every(1, positions=1), ladder=ladder))
    columns = build_columns(replace(one.campaign, goal=BOTH), one.items, one.draws)
    figures = [(float(p), float(r)) for p, r in columns.figures[:, :2]] + [(0.0, 0.0)]
    weights = np.linspace(0.0, 1.0, 20_001)
    profit, revenue = np.array(figures).T
    best = ((1 - weights[:, None]) * profit + weights[:, None] * revenue).argmax(axis=1)
    corners = sorted({figures[k] for k in best})
    curve = pareto(one.campaign, one.items, one.draws, fresh=one.draws, points=40, gap_frac=1e-9)
    found = sorted(curve.select("planned_profit", "planned_revenue").rows())
    assert len(corners) >= 4
    assert np.array(found) == pytest.approx(np.array(corners), abs=1e-6)


def test_the_ends_are_the_plans_of_one_goal_and_fresh_draws_are_told() -> None:
    world = shop()
    fresh = log_linear(np.random.default_rng(99), 60, world.campaign.slots, 12)
    told: list[str] = []
    curve = pareto(
        replace(world.campaign, goal=Goal(buyers=3.0)),  # its own goal is left aside
        world.items,
        world.draws,
        fresh=fresh,
        points=5,
        gap_frac=1e-6,
        progress=lambda task, done, total, note="": told.append(task),
    )
    assert {"Value offers", "Pareto curve"} <= set(told)
    assert 3 <= curve.height <= 5
    best = solve(world.campaign, world.items, world.draws, gap_frac=1e-9)
    first = curve.row(0, named=True)
    assert (first["weight"], first["offers"]) == (0.0, len(best.offers))
    assert first["planned_profit"] == pytest.approx(best.objective, rel=1e-5)
    verdict = check(best.offers, world.campaign, world.items, fresh)
    assert verdict.value is not None
    assert (first["profit"], first["revenue"]) == pytest.approx((verdict.value.value, verdict.revenue), rel=1e-5)
    assert first["buyers"] == pytest.approx(verdict.units)
    last = curve.row(-1, named=True)
    between = replace(world.campaign, goal=Goal(profit=1.0 - last["weight"], revenue=last["weight"]))
    again = solve(between, world.items, world.draws, gap_frac=1e-9)
    reached = between.goal.profit * last["planned_profit"] + between.goal.revenue * last["planned_revenue"]
    assert reached == pytest.approx(again.objective, rel=1e-5)


def test_what_the_limits_forbid_has_no_curve() -> None:
    world = shop(6)
    limits = (CategoryCount(category="home", minimum=9),)
    with pytest.raises(InfeasibleError, match=r"category\[home\] minimum"):
        pareto(replace(world.campaign, limits=limits), world.items, world.draws, fresh=world.draws)
    with pytest.raises(SettingsError, match="A curve of 1 points is none"):
        pareto(world.campaign, world.items, world.draws, fresh=world.draws, points=1)


def test_equal_and_dominated_points_are_left_out() -> None:
    from flashlift.planning.pareto import _undominated

    told = [(5.0, 1.0), (4.0, 2.0), (4.0, 1.5), (3.0, 2.0), (3.0, 3.0), (3.0, 3.0), (2.0, 2.5)]
    kept = _undominated(pl.DataFrame(told, schema=["profit", "revenue"], orient="row"))
    assert kept.rows() == [(5.0, 1.0), (4.0, 2.0), (3.0, 3.0)]
