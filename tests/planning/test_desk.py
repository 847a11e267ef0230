"""What-if: the same plans as from scratch, from values and prices that are at hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from tests.planning.draws import World, catalog, limits, log_linear, slots_every, worlds

from flashlift.domain import Campaign
from flashlift.errors import InfeasibleError
from flashlift.limits import Appearances, Budget, CategoryCount, Excluded, MarginFloor
from flashlift.planning import Desk, check, solve


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=6, max_slots=3), limits(6), limits(6))
def test_other_limits_give_the_plans_of_a_new_start(world: World, first: tuple, second: tuple) -> None:  # type: ignore[type-arg]
    desk = Desk.open(world.campaign, world.items, world.draws)
    for some in (first, second, first):
        campaign = replace(world.campaign, limits=some)
        try:
            wanted = solve(campaign, world.items, world.draws, gap_frac=1e-9).objective
        except InfeasibleError:
            with pytest.raises(InfeasibleError):
                desk.plan(some)
            continue
        plan = desk.plan(some, gap_frac=1e-9)
        assert plan.objective == pytest.approx(wanted, rel=1e-6, abs=1e-6)
        assert check(plan, campaign, world.items, world.draws, planned_on=world.draws).broken == ()


def test_a_what_if_of_a_larger_campaign_keeps_its_gap() -> None:
    rng = np.random.default_rng(8)
    slots = slots_every(8, positions=5)
    first = (Appearances(), Budget(amount=2_000.0), CategoryCount(category="home", minimum=1, per_slot=True))
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.3, 0.4), limits=first)
    items, draws = catalog(rng, 400, stock=2_000), log_linear(rng, 400, slots, 10)
    desk = Desk.open(campaign, items, draws, threads=2)
    before = desk.plan(gap_frac=2e-3)
    assert before.gap_frac <= 2e-3
    gone = tuple(sorted({offer.item_id for offer in before.offers})[:5])
    for other in (Excluded(item_ids=gone), MarginFloor(margin_frac=0.3), Budget(amount=500.0)):
        after = desk.plan((*first, other), gap_frac=2e-3)
        assert after.gap_frac <= 2e-3
        assert after.objective <= before.bound + 1e-6
        assert check(after, replace(campaign, limits=(*first, other)), items, draws, planned_on=draws).broken == ()
    assert desk.plan(gap_frac=2e-3).objective == pytest.approx(before.objective, rel=2e-3)
