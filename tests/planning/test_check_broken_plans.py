"""Sound plans of random campaigns pass; broken in any way, they are caught, with limit, place and amount."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.planning.draws import World, worlds
from tests.planning.oracle import funding

from flashlift.domain import OPTIMAL_GAP_FRAC, Offer, Plan, PlanStatus
from flashlift.errors import FlashliftError
from flashlift.limits import (
    Appearances,
    Budget,
    CategoryCount,
    Excluded,
    MarginFloor,
    Nomination,
    Nominations,
    StockReserve,
)
from flashlift.planning import Verdict, best_sellers, check, fair_rule, random_plan, slow_movers, solve

NAN, INF = float("nan"), float("inf")
Finding = tuple[str, str, float]


@dataclass(frozen=True, kw_only=True)
class Case:
    """A plan and its world; `at` is the offer to break."""

    plan: Plan
    world: World
    at: int

    @property
    def offer(self) -> Offer:
        return self.plan.offers[self.at]

    @property
    def where(self) -> str:
        return f"{self.offer.item_id} in {self.offer.slot_id}"

    @property
    def item(self) -> dict[str, Any]:
        return next(row for row in self.world.items.iter_rows(named=True) if row["item_id"] == self.offer.item_id)

    def same(self, name: str) -> int:
        """Offers of the plan that share the item or the slot of this one."""
        return sum(getattr(other, name) == getattr(self.offer, name) for other in self.plan.offers)

    def with_offer(self, **change: Any) -> Case:
        offers = list(self.plan.offers)
        offers[self.at] = replace(self.offer, **change)
        return replace(self, plan=replace(self.plan, offers=tuple(offers)))

    def with_plan(self, **change: Any) -> Case:
        return replace(self, plan=replace(self.plan, **change))

    def with_campaign(self, **change: Any) -> Case:
        return replace(self, world=replace(self.world, campaign=replace(self.world.campaign, **change)))

    def with_limit(self, limit: Any) -> Case:
        return self.with_campaign(limits=(*self.world.campaign.limits, limit))

    def with_slot(self, **change: Any) -> Case:
        slots = self.world.campaign.slots
        return self.with_campaign(
            slots=tuple(replace(s, **change) if s.slot_id == self.offer.slot_id else s for s in slots)
        )

    def verdict(self) -> Verdict:
        w = self.world
        return check(self.plan, w.campaign, w.items, w.draws, planned_on=w.draws)


@st.composite
def planned(draw: st.DrawFn) -> Case:
    """The best plan, or one by a rule of thumb, with at least one offer."""
    world = draw(worlds())
    args = (world.campaign, world.items, world.draws)
    makers: list[Callable[..., Plan]] = [
        solve, best_sellers, slow_movers, fair_rule, lambda *a: random_plan(*a, rng=np.random.default_rng(0)),
    ]  # fmt: skip
    try:
        plan = draw(st.sampled_from(makers))(*args)
    except FlashliftError:
        assume(False)
    assume(plan.offers)
    return Case(plan=plan, world=world, at=draw(st.integers(0, len(plan.offers) - 1)))


@settings(max_examples=100, deadline=None)
@given(planned())
def test_sound_plans_break_nothing(case: Case) -> None:
    verdict = case.verdict()
    assert verdict.broken == ()
    assert verdict.claims == "exact"
    kept = "every limit kept but soft ones (" if verdict.soft else "every limit kept, and"
    assert verdict.sentence.startswith(kept)
    assert check(case.plan, case.world.campaign, case.world.items).broken == ()


# Each kind of fault: what it does to a sound plan, and the finding that must come.
KINDS: dict[str, Callable[[Case], tuple[Case, Finding]]] = {
    "unknown item": lambda c: (c.with_offer(item_id="x"), ("known item", f"x in {c.offer.slot_id}", 1.0)),
    "no item": lambda c: (c.with_offer(item_id=None), ("known item", f"None in {c.offer.slot_id}", 1.0)),
    "unknown slot": lambda c: (c.with_offer(slot_id="x"), ("known slot", f"{c.offer.item_id} in x", 1.0)),
    "slot listed twice": lambda c: (
        c.with_campaign(slots=c.world.campaign.slots * 2),
        ("known slot", c.where, 1.0),
    ),
    "slot without length": lambda c: (
        c.with_slot(end=next(s.start for s in c.world.campaign.slots if s.slot_id == c.offer.slot_id)),
        ("known slot", c.where, 1.0),
    ),
    "price no number": lambda c: (c.with_offer(price=NAN), ("price", c.where, INF)),
    "price infinite": lambda c: (c.with_offer(price=INF), ("price", c.where, INF)),
    "price missing": lambda c: (c.with_offer(price=None), ("price", c.where, INF)),
    "price zero": lambda c: (c.with_offer(price=0.0), ("price", c.where, 0.01)),
    "price negative": lambda c: (c.with_offer(price=-c.offer.price), ("price", c.where, c.offer.price + 0.01)),
    "price off its ending": lambda c: (c.with_offer(price=c.offer.price + 0.003), ("price ending", c.where, 0.003)),
    "price between steps": lambda c: (c.with_offer(price=0.01), _off_its_price(c, 0.01)),
    "price at list price": lambda c: (
        c.with_offer(price=c.item["list_price"]),
        ("below list price", c.where, 0.0),
    ),
    "price above list price": lambda c: (
        c.with_offer(price=c.item["list_price"] + 2.0),
        ("below list price", c.where, 2.0),
    ),
    "discount overstated": lambda c: (
        c.with_offer(discount_frac=c.offer.discount_frac + 0.05),
        ("discount", c.where, 0.05),
    ),
    "discount no number": lambda c: (c.with_offer(discount_frac=NAN), ("discount", c.where, INF)),
    "propensity above one": lambda c: (c.with_offer(propensity=1.5), ("propensity", c.where, 0.5)),
    "propensity no number": lambda c: (c.with_offer(propensity=None), ("propensity", c.where, INF)),
    "quota zero": lambda c: (c.with_offer(quota=0), ("quota", c.where, 1.0)),
    "quota negative": lambda c: (c.with_offer(quota=-7), ("quota", c.where, 8.0)),
    "quota not whole": lambda c: (c.with_offer(quota=c.offer.quota + 0.25), ("quota", c.where, 0.25)),
    "quota no number": lambda c: (c.with_offer(quota=NAN), ("quota", c.where, INF)),
    "quota infinite": lambda c: (c.with_offer(quota=INF), ("quota", c.where, INF)),
    "quota beyond stock": lambda c: (
        c.with_offer(quota=c.item["stock"] + 7 + c.offer.quota),
        ("stock", c.offer.item_id, _quotas(c) + 7.0 + c.item["stock"] - _free(c)),
    ),
    "quota not the quantile": lambda c: (
        c.with_offer(quota=c.offer.quota + 1),
        ("quota quantile", c.where, 1.0),
    ),
    "too many in a slot": lambda c: (
        c.with_slot(positions=c.same("slot_id") - 1),
        ("positions", c.offer.slot_id, 1.0),
    ),
    "positions no number": lambda c: (c.with_slot(positions=NAN), ("positions", c.offer.slot_id, INF)),
    "listed twice": lambda c: (
        c.with_plan(offers=(*c.plan.offers, c.offer)),
        ("listed twice", c.where, 1.0),
    ),
    "two prices at once": lambda c: (
        c.with_plan(offers=(replace(c.offer, price=c.offer.price - 0.5), *c.plan.offers)),
        ("one price", f"{c.where} and {c.offer.slot_id}", 1.0),
    ),
    "two prices in overlapping slots": lambda c: _beside(c, hours=-0.5, limit="one price", amount=1.0),
    "too little rest": lambda c: _beside(
        c.with_limit(Appearances(maximum=99, cool_down_hours=5.0)), hours=1.5, limit="cool-down", amount=3.5
    ),
    "too many appearances": lambda c: (
        c.with_limit(Appearances(maximum=c.same("item_id") - 1)),
        ("appearances", c.offer.item_id, 1.0),
    ),
    "too few of a category": lambda c: (
        c.with_limit(CategoryCount(category=c.item["category"], minimum=_in_category(c) + 2)),
        (f"category[{c.item['category']}] minimum", "campaign", 2.0),
    ),
    "too many of a category": lambda c: (
        c.with_limit(CategoryCount(category=c.item["category"], maximum=_in_category(c) - 1)),
        (f"category[{c.item['category']}] maximum", "campaign", 1.0),
    ),
    "too few of a category in a slot": lambda c: (
        c.with_limit(CategoryCount(category="attic", minimum=1, per_slot=True)),
        ("category[attic] minimum", c.offer.slot_id, 1.0),
    ),
    "too many of a category in a slot": lambda c: (
        c.with_limit(CategoryCount(category=c.item["category"], maximum=0, per_slot=True)),
        (f"category[{c.item['category']}] maximum", c.offer.slot_id, float(_in_category(c, slot=c.offer.slot_id))),
    ),
    "category without a name": lambda c: (
        c.with_limit(CategoryCount(category="", maximum=9)),
        ("known limit", str(CategoryCount(category="", maximum=9)), 1.0),
    ),
    "budget overdrawn": lambda c: (
        c.with_limit(Budget(amount=_given(c) - 1.0)),
        ("budget", "campaign, on the plan's own draws", 1.0),
    ),
    "budget overdrawn as stated": lambda c: (
        c.with_offer(expected_units=c.offer.expected_units + 5.0).with_limit(Budget(amount=_given(c))),
        ("budget", "campaign, as stated", 5.0 * _own(c, c.offer) * (c.item["list_price"] - c.offer.price)),
    ),
    "budget no number": lambda c: (c.with_limit(Budget(amount=NAN)), ("budget", "campaign, as stated", INF)),
    "not as nominated": lambda c: (c.with_limit(_nomination(c, 1.0)), ("nominated", c.where, 1.0)),
    "beyond the nominated stock": lambda c: (
        c.with_limit(_nomination(c, stock=1)).with_offer(quota=c.item["stock"] + 9),
        ("stock", c.offer.item_id, _quotas(c) - c.offer.quota + c.item["stock"] + 9.0 - min(_free(c), 1.0)),
    ),
    "more than all of the discount paid": lambda c: (
        c.with_limit(_nomination(c, share=2.0 - (1.0 - _own(c, c.offer)))),
        ("funding", c.offer.item_id, 1.0),
    ),
    "margin below the floor": lambda c: (
        c.with_limit(MarginFloor(margin_frac=1.0 - c.item["unit_cost"] / c.offer.price + 0.1)),
        ("margin floor", c.where, 0.1),
    ),
    "excluded": lambda c: (c.with_limit(Excluded(item_ids=(c.offer.item_id,))), ("excluded", c.where, 1.0)),
    "units overstated": lambda c: (
        c.with_offer(expected_units=c.offer.expected_units + 2e-3),
        ("expected units", c.where, 2e-3),
    ),
    "units no number": lambda c: (c.with_offer(expected_units=NAN), ("expected units", c.where, INF)),
    "units negative": lambda c: (c.with_offer(expected_units=-3.0), ("expected units", c.where, -3.0)),
    "units beyond the quota": lambda c: (
        c.with_offer(expected_units=c.offer.quota + 4.0),
        ("expected units", c.where, 4.0),
    ),
    "value overstated": lambda c: (
        c.with_offer(expected_value=c.offer.expected_value + 3.0),
        ("expected value", c.where, 3.0),
    ),
    "value no number": lambda c: (c.with_offer(expected_value=NAN), ("expected value", c.where, INF)),
    "objective overstated": lambda c: (
        c.with_plan(objective=c.plan.objective + 1.0),
        ("objective", "campaign", 1.0),
    ),
    "objective no number": lambda c: (c.with_plan(objective=NAN), ("objective", "campaign", INF)),
    "bound below the objective": lambda c: (c.with_plan(bound=c.plan.objective - 2.0), ("bound", "campaign", 2.0)),
    "bound no number": lambda c: (c.with_plan(bound=NAN), ("bound", "campaign", INF)),
    "gap too small": lambda c: (
        c.with_plan(bound=c.plan.objective + 0.4 * _scale(c), gap_frac=0.1),
        ("gap", "campaign", -0.3),
    ),
    "gap no number": lambda c: (c.with_plan(gap_frac=NAN), ("gap", "campaign", INF)),
    "called optimal with a large gap": lambda c: (
        c.with_plan(status=PlanStatus.OPTIMAL, bound=c.plan.objective + 0.4 * _scale(c), gap_frac=0.4),
        ("status", "campaign", 0.4 - OPTIMAL_GAP_FRAC),
    ),
    "called searched without a bound": lambda c: (
        c.with_plan(status=PlanStatus.TIME_LIMITED, bound=INF, gap_frac=INF),
        ("status", "campaign", INF),
    ),
    "no status": lambda c: (c.with_plan(status="excellent"), ("status", "campaign", INF)),
    "limit price no number": lambda c: (c.with_plan(limit_prices={"stock": NAN}), ("limit price", "stock", INF)),
}

# Faults of one offer that leave the amounts of all others as they are.
LOCAL = [
    "price off its ending", "discount overstated", "discount no number", "quota zero", "quota no number",
    "units overstated", "units no number", "units negative", "value overstated", "value no number",
]  # fmt: skip
# Faults of which the checker says exactly one thing.
SINGLE = {
    "discount overstated", "discount no number", "too many in a slot", "positions no number", "too few of a category",
    "too many of a category", "category without a name", "gap no number", "no status", "limit price no number",
}  # fmt: skip


def _nomination(c: Case, off: float = 0.0, *, stock: int = 10**6, share: float = 0.0) -> Nominations:
    """A further nomination of the offer's item."""
    one = Nomination(item_id=c.offer.item_id, price=c.offer.price + off, stock=stock, funding_frac=share)
    return Nominations(offers=(one,))


def _nominated(c: Case) -> Nomination | None:
    limits = [limit for limit in c.world.campaign.limits if isinstance(limit, Nominations)]
    return next((one for limit in limits for one in limit.offers if one.item_id == c.offer.item_id), None)


def _off_its_price(c: Case, price: float) -> Finding:
    one = _nominated(c)
    if one is not None:
        return "nominated", c.where, one.price - price
    off = min(abs(c.item["list_price"] * (1 - step) - price) for step in c.world.campaign.ladder)
    return "ladder", c.where, off


def _free(c: Case) -> float:
    kept = [limit for limit in c.world.campaign.limits if isinstance(limit, StockReserve)]
    reserve = max([0.0, *(max(limit.units, math.ceil(limit.share * c.item["stock"] - 1e-9)) for limit in kept)])
    one = _nominated(c)
    return float(min(max(c.item["stock"] - reserve, 0.0), math.inf if one is None else one.stock))


def _own(c: Case, offer: Offer) -> float:
    """Share of the discount that nobody else pays."""
    row = c.world.items.row(by_predicate=pl.col("item_id") == offer.item_id, named=True)
    return 1.0 - funding(offer.item_id, row, c.world)


def _quotas(c: Case) -> float:
    return float(sum(other.quota for other in c.plan.offers if other.item_id == c.offer.item_id))


def _in_category(c: Case, slot: str | None = None) -> int:
    category = dict(zip(c.world.items["item_id"], c.world.items["category"], strict=True))
    return sum(
        category[other.item_id] == c.item["category"] and slot in {None, other.slot_id} for other in c.plan.offers
    )


def _given(c: Case) -> float:
    list_price = dict(zip(c.world.items["item_id"], c.world.items["list_price"], strict=True))
    return sum(
        _own(c, other) * (list_price[other.item_id] - other.price) * other.expected_units for other in c.plan.offers
    )


def _scale(c: Case) -> float:
    return max(abs(c.plan.objective), 1.0)


def _beside(c: Case, *, hours: float, limit: str, amount: float) -> tuple[Case, Finding]:
    """The same item again, in a new slot that starts `hours` after the end of its own."""
    own = next(slot for slot in c.world.campaign.slots if slot.slot_id == c.offer.slot_id)
    start = own.end + timedelta(hours=hours)
    new = replace(own, slot_id="new", start=start, end=start + timedelta(hours=1))
    draws = c.world.draws
    world = replace(c.world, draws=replace(draws, hours=np.append(draws.hours, 1.0)))
    again = c.with_campaign(slots=(*c.world.campaign.slots, new)).with_plan(
        offers=(*c.plan.offers, replace(c.offer, slot_id="new"))
    )
    campaign = again.world.campaign
    return replace(again, world=replace(world, campaign=campaign)), (limit, f"{c.where} and new", amount)


def findings(case: Case) -> list[tuple[str, str, object]]:
    return [(b.limit, b.where, pytest.approx(b.amount, abs=1e-6)) for b in case.verdict().broken]


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(case=planned())
def test_every_kind_of_fault_is_named_with_its_amount(kind: str, case: Case) -> None:
    assume(kind != "quota not the quantile" or case.offer.quota < case.item["stock"])
    broken, expected = KINDS[kind](case)
    found = findings(broken)
    assert expected in found
    if kind in SINGLE:
        assert found == [expected]


@settings(max_examples=60, deadline=None)
@given(st.data(), planned())
def test_every_one_of_several_faults_is_named(data: st.DataObject, case: Case) -> None:
    places = data.draw(st.lists(st.integers(0, len(case.plan.offers) - 1), min_size=2, max_size=5, unique=True)
                       if len(case.plan.offers) > 1 else st.just([0]))  # fmt: skip
    expected = []
    for at in places:
        case, finding = KINDS[data.draw(st.sampled_from(LOCAL))](replace(case, at=at))
        expected.append(finding)
    found = findings(case)
    assert all(one in found for one in expected)


def _garbage() -> st.SearchStrategy[Any]:
    return st.one_of(
        st.none(), st.booleans(), st.floats(), st.integers(), st.integers(-(10**400), 10**400), st.text(max_size=1),
        st.lists(st.integers(), max_size=2), st.complex_numbers(),
    )  # fmt: skip


@settings(max_examples=120, deadline=None)
@given(st.data(), planned(), st.booleans())
def test_no_garbage_makes_the_checker_fail(data: st.DataObject, case: Case, heavy: bool) -> None:
    """Whatever stands in the fields of an offer or the plan, there is a verdict; a verdict with nothing to
    say means that the plan is the sound one it was."""
    fields = data.draw(st.sets(st.sampled_from(Offer.__slots__), min_size=1, max_size=7 if heavy else 1))
    change = {name: data.draw(_garbage()) for name in sorted(fields)}
    broken = case.with_offer(**change)
    if heavy:
        names = data.draw(st.sets(st.sampled_from(["status", "objective", "bound", "gap_frac"])))
        broken = broken.with_plan(**{name: data.draw(_garbage()) for name in sorted(names)})
    verdict = broken.verdict()
    assert verdict.value is not None
    assert np.isfinite(verdict.value.value)
    assert all(not np.isnan(b.amount) for b in verdict.broken)
    if not verdict.broken:
        for name in Offer.__slots__:
            mine, sound = getattr(broken.offer, name), getattr(case.offer, name)
            assert mine == sound or mine == pytest.approx(sound, abs=1e-6)
