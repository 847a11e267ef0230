"""Rows against the checker: a choice keeps the rows exactly when no limit is broken."""

from __future__ import annotations

from itertools import combinations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.draws import FRIDAY, World, worlds

from flashlift.domain import Slot
from flashlift.planning import check
from flashlift.planning.cliques import cliques
from flashlift.planning.limits import compile_limits
from flashlift.planning.problem import build_columns
from flashlift.planning.solution import offers_of


@settings(max_examples=80, deadline=None)
@given(worlds(max_items=3, max_slots=3), st.integers(0, 2**32 - 1), st.booleans())
def test_rows_and_checker_agree_on_any_choice(world: World, seed: int, lean: bool) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    rows = compile_limits(world.campaign, world.items, columns, lean=lean)
    rng = np.random.default_rng(seed)
    for size in (0, 1, 2, 2, 3, 3, 4, 5):
        chosen = np.zeros(len(columns), dtype=bool)
        chosen[rng.permutation(len(columns))[:size]] = True
        offers = offers_of(chosen, columns, world.campaign, world.items)
        verdict = check(offers, world.campaign, world.items, world.draws)
        over = rows.violation(chosen) > 1e-6
        for kind, said in ((~rows.soft, verdict.broken), (rows.soft, verdict.soft)):
            names = [rows.names[i] for i in np.flatnonzero(over & kind)]
            assert bool(names) == bool(said), (names, said)


@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(1, 10)), min_size=1, max_size=8),
    st.sampled_from([0.0, 2.0, 7.0]),
)
def test_cliques_hold_exactly_the_pairs_that_clash(windows: list[tuple[int, int]], pause: float) -> None:
    from datetime import timedelta

    slots = [
        Slot(slot_id=str(k), start=FRIDAY + timedelta(hours=a), end=FRIDAY + timedelta(hours=a + n), positions=1)
        for k, (a, n) in enumerate(windows)
    ]
    clash = {
        (i, j)
        for i, j in combinations(range(len(slots)), 2)
        if windows[i][0] < sum(windows[j]) + pause and windows[j][0] < sum(windows[i]) + pause
    }
    sets = cliques(slots, pause)
    assert {pair for one in sets for pair in combinations(one, 2)} == clash
    assert {i for one in sets for i in one} == set(range(len(slots)))
