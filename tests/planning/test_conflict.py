"""Infeasible campaigns name a minimal set of limits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from scipy import sparse
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign
from flashlift.errors import InfeasibleError
from flashlift.limits import Appearances, Budget, CategoryCount, Excluded, Limit, MarginFloor
from flashlift.planning import solve
from flashlift.planning.conflict import conflict
from flashlift.planning.limits import Rows, compile_limits
from flashlift.planning.problem import build_columns
from flashlift.planning.relaxation import relaxation


def possible(rows: Rows, limits: Sequence[str]) -> bool:
    """Some choice keeps these limits, by enumeration."""
    part = rows.take(np.array([limit in limits for limit in rows.limits], dtype=bool))
    n = part.matrix.shape[1]
    every = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    activity = every @ part.matrix.toarray().T
    return bool(((activity >= part.lower - 1e-6) & (activity <= part.upper + 1e-6)).all(axis=1).any())


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=4, max_slots=3, max_steps=2))
def test_every_named_limit_is_needed(world: World) -> None:
    minima = (
        CategoryCount(category="home", minimum=2, per_slot=True),
        CategoryCount(category="toys", minimum=2),
        CategoryCount(category="toys", maximum=3),
    )
    campaign = Campaign(
        slots=world.campaign.slots, ladder=world.campaign.ladder, limits=(*minima, *world.campaign.limits)
    )
    columns = build_columns(campaign, world.items, world.draws, forbidden=True)
    assume(len(columns) <= 13)
    rows = compile_limits(campaign, world.items, columns, lean=False)
    rows = rows.take(~rows.soft)
    assume(not possible(rows, rows.limits))
    named = conflict(rows).limits
    assert not possible(rows, named)
    for limit in named:
        assert possible(rows, [other for other in named if other != limit])


def cheapest(rows: Rows) -> float:
    """The least sum of violations as shares of their bounds, by enumeration; prices and stock are never broken."""
    n = rows.matrix.shape[1]
    every = (np.arange(2**n)[:, None] >> np.arange(n)) & 1
    activity = every @ rows.matrix.toarray().T
    over = np.maximum(np.maximum(rows.lower - activity, activity - rows.upper), 0.0)
    hard = np.array([limit in {"one price", "stock"} for limit in rows.limits], dtype=bool)
    kept = (over[:, hard] <= 1e-6).all(axis=1)
    bound = np.where(rows.lower > 0.0, rows.lower, rows.upper)
    return float((over / np.maximum(np.abs(bound), 1.0))[kept].sum(axis=1).min())


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=4, max_slots=2, max_steps=2))
def test_the_cheapest_relaxation_is_the_cheapest_and_helps(world: World) -> None:
    minima = (CategoryCount(category="home", minimum=2, per_slot=True), CategoryCount(category="toys", minimum=2))
    campaign = replace(world.campaign, limits=(*minima, *world.campaign.limits))
    columns = build_columns(campaign, world.items, world.draws, forbidden=True)
    assume(len(columns) <= 12)
    rows = compile_limits(campaign, world.items, columns, lean=False)
    rows = rows.take(~rows.soft)
    assume(len(set(rows.names)) == len(rows.names))  # no limit given twice
    moves = relaxation(rows)
    by = np.array([moves.get(name, 0.0) for name in rows.names])
    eased = replace(rows, lower=rows.lower - by, upper=rows.upper + by)
    assert possible(eased, eased.limits)
    bound = np.where(rows.lower > 0.0, rows.lower, rows.upper)
    assert float((by / np.maximum(np.abs(bound), 1.0)).sum()) == pytest.approx(cheapest(rows), abs=1e-4)
    assert (moves == {}) == possible(rows, rows.limits)


def test_the_way_out_is_told() -> None:
    error = plan(CategoryCount(category="home", minimum=3, per_slot=True), positions=2, n_slots=1)
    assert error.relaxation == {"category[home, s0] minimum": 1.0}  # one of three; a position more is one of two
    assert "The least change that helps: category[home, s0] minimum from 3 to 2." in str(error)
    error = plan(CategoryCount(category="home", minimum=1), MarginFloor(margin_frac=0.5))
    assert sum(error.relaxation.values()) == 1.0


def plan(*limits: Limit, positions: int = 2, n_slots: int = 2, stock: int = 500, n_items: int = 8) -> InfeasibleError:
    rng = np.random.default_rng(5)
    slots = slots_every(n_slots, positions=positions)
    items = catalog(rng, n_items, stock=stock).with_columns(list_price=10.0, unit_cost=6.0)
    with pytest.raises(InfeasibleError) as caught:
        solve(Campaign(slots=slots, ladder=(0.1, 0.3), limits=limits), items, log_linear(rng, n_items, slots, 8))
    return caught.value


def test_minimum_against_positions() -> None:
    error = plan(CategoryCount(category="home", minimum=3, per_slot=True), positions=2, n_slots=1)
    assert set(error.limits) == {"category[home, s0] minimum", "positions[s0]"}
    assert "category[home, s0] minimum (at least 3)" in str(error)
    assert "positions[s0] (at most 2)" in str(error)
    assert "At least one of them must give way" in str(error)


def test_minimum_against_margin_floor() -> None:
    error = plan(CategoryCount(category="home", minimum=1), MarginFloor(margin_frac=0.5), Budget(amount=1e6))
    assert set(error.limits) == {"category[home] minimum", "margin floor"}


def test_minimum_against_exclusions() -> None:
    error = plan(CategoryCount(category="toys", minimum=1), Excluded(item_ids=("i1", "i3", "i5", "i7")))
    assert set(error.limits) == {"category[toys] minimum", "excluded"}


def test_minimum_against_budget() -> None:
    error = plan(CategoryCount(category="toys", minimum=1), Budget(amount=0.0))
    assert set(error.limits) == {"category[toys] minimum", "budget"}


def test_minimum_against_cool_down() -> None:
    error = plan(
        CategoryCount(category="home", minimum=1, per_slot=True),
        Appearances(maximum=5, cool_down_hours=100.0),
        n_items=1,
    )
    assert set(error.limits) == {"category[home, s0] minimum", "category[home, s1] minimum", "cool-down"}


def test_minimum_against_minimum_of_another_category() -> None:
    error = plan(
        CategoryCount(category="home", minimum=2), CategoryCount(category="toys", minimum=1), n_slots=1, positions=2
    )
    assert set(error.limits) == {"category[home] minimum", "category[toys] minimum", "positions[s0]"}


def test_a_limit_impossible_by_itself_says_how_many_offers_there_are() -> None:
    error = plan(CategoryCount(category="hoem", minimum=1))
    assert error.limits == ("category[hoem] minimum",)
    assert "only 0 offers could ever count" in str(error)


def test_stock_over_several_appearances_is_named() -> None:
    error = plan(CategoryCount(category="home", minimum=2), n_items=1, stock=1)
    assert "category[home] minimum" in error.limits


def test_conflicts_that_only_whole_offers_have() -> None:
    """Of two triangles at most one corner each can be taken whole, but half of every corner: 3 in all, not 2."""
    pairs = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5)]
    matrix = np.zeros((8, 6))
    for row, pair in enumerate(pairs):
        matrix[row, list(pair)] = 1.0
    matrix[6:] = 1.0
    names = (*(f"pair {a}{b}" for a, b in pairs), "minimum", "spare")
    rows = Rows(
        names=names,
        limits=names,
        matrix=sparse.csr_array(matrix),
        lower=np.array([*[-np.inf] * 6, 3.0, -np.inf]),
        upper=np.array([*[1.0] * 6, np.inf, 5.0]),
        penalty=np.full(8, np.inf),
    )
    assert set(conflict(rows).limits) == set(names) - {"spare"}
