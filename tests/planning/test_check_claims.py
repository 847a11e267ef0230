"""What a plan states of its means, judged on fresh draws: honest plans pass, exaggerations do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from tests.planning.draws import NO_EFFECTS, World, catalog, slots_every

from flashlift.domain import Campaign, Plan
from flashlift.limits import Appearances, Budget
from flashlift.planning import check, solve
from flashlift.planning.check_claims import sampling_tolerance
from flashlift.protocols import FloatArray, IntArray, SparseEffects


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisson:
    """Independent Poisson units for every item, slot, discount step and draw; another seed gives fresh draws."""

    mean: FloatArray  # (n_items,) in a slot at list price
    n: int
    seed: int

    @property
    def n_draws(self) -> int:
        return self.n

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        rows = [
            np.random.default_rng([self.seed, i, s, round(1e6 * d)]).poisson(self.mean[i] * (1 + 5 * d), self.n)
            for i, s, d in zip(item, slot, discount, strict=True)
        ]
        return np.array(rows, dtype=np.float64).reshape(len(item), self.n)

    def without_sale(self, item: IntArray) -> FloatArray:
        return np.repeat(30.0 * self.mean[item, None], self.n, axis=1)

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        return -0.2 * extra_units

    def cross(self) -> SparseEffects:
        return NO_EFFECTS

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        return np.zeros(len(item))


def lucky_plan(seed: int, n_draws: int) -> tuple[Plan, World, Poisson]:
    """The best of many equal offers: what the optimizer saw of them was luck. Half of the items sell rarely."""
    slots = slots_every(3, positions=5)
    items = catalog(np.random.default_rng(0), 60).with_columns(list_price=10.0, unit_cost=3.0)
    mean = np.where(np.arange(60) % 2 == 0, 0.02, 3.0)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.3), limits=(Appearances(), Budget(amount=60.0)))
    seen, fresh = (Poisson(mean=mean, n=n_draws, seed=2 * seed + k) for k in (0, 1))
    plan = solve(campaign, items, seen)
    return plan, World(campaign=campaign, items=items, draws=fresh), seen  # type: ignore[arg-type]


@pytest.mark.parametrize("n_draws", [20, 200])
def test_luck_is_no_lie(n_draws: int) -> None:
    """Each plan states about 30 means, the luckiest of 540 offers. A doubt of 6 standard errors leaves fewer than one
    false alarm in a thousand plans; one among these ten would be no bad luck."""
    for seed in range(10):
        plan, world, _ = lucky_plan(seed, n_draws)
        assert len(plan.offers) > 5
        verdict = check(plan, world.campaign, world.items, world.draws)
        assert verdict.broken == ()
        assert verdict.claims == "sampled"
        assert verdict.value is not None
        assert verdict.value.value < plan.objective  # luck does not last


@pytest.mark.parametrize("exaggerated", ["expected_units", "expected_value"])
def test_exaggeration_is_caught_on_fresh_draws(exaggerated: str) -> None:
    """Three times the truth is far outside the doubt that 1,000 draws leave, for an offer that sells some units."""
    plan, world, _ = lucky_plan(3, 1000)
    at = max(range(len(plan.offers)), key=lambda k: plan.offers[k].expected_units)
    said = 3.0 * getattr(plan.offers[at], exaggerated)
    offers = list(plan.offers)
    offers[at] = replace(offers[at], **{exaggerated: said, "quota": max(offers[at].quota, round(said) + 1)})
    extra = sum(one.expected_value for one in offers) - plan.objective
    lie = replace(plan, offers=tuple(offers), objective=plan.objective + extra, bound=plan.bound + extra)
    found = check(lie, replace(world.campaign, limits=()), world.items, world.draws).broken
    name = exaggerated.replace("_", " ")
    own = [b for b in found if b.limit == name]
    assert [b.where for b in own] == [f"{offers[at].item_id} in {offers[at].slot_id}"]
    assert own[0].amount == pytest.approx(said * 2 / 3, rel=0.25)


def test_means_are_exact_on_the_draws_of_the_plan_and_only_there() -> None:
    plan, world, seen = lucky_plan(1, 60)
    assert check(plan, world.campaign, world.items, planned_on=seen).broken == ()
    found = {b.limit for b in check(plan, world.campaign, world.items, planned_on=world.draws).broken}
    assert {"expected units", "expected value"} <= found


def test_a_single_draw_judges_no_mean() -> None:
    plan, world, _ = lucky_plan(1, 60)
    one = Poisson(mean=world.draws.mean, n=1, seed=99)  # type: ignore[attr-defined]
    assert check(plan, world.campaign, world.items, one).broken == ()
    assert np.isinf(sampling_tolerance(np.ones((2, 1)), 1.0)).all()


def test_the_doubt_shrinks_with_the_root_of_the_draws() -> None:
    """6 standard errors of a difference of two means of n, and 20 / n of the reach."""
    samples = np.tile([0.0, 2.0], (3, 200))
    spread = samples.std(axis=1, ddof=1)
    expected = 6.0 * spread * (2 / 400) ** 0.5 + np.array([0.0, 20 / 400, 40 / 400])
    assert sampling_tolerance(samples, np.array([0.0, 1.0, 2.0])) == pytest.approx(expected)
