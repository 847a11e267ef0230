"""The checker against its slow plain twin, with effects between the offers of a plan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning import oracle
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign, Offer
from flashlift.limits import SoftLimit
from flashlift.planning import check, check_value
from flashlift.planning.check_facts import read_facts
from flashlift.protocols import SparseEffects

COUNTED = (
    "positions",
    "stock",
    "category",
    "budget",
    "margin floor",
    "appearances",
    "cool-down",
    "excluded",
    "brand",
    "pinned",
    "reference price",
    "competitor",
    "blackout",
    "rest",
    "nominated",
    "sell-through",
    "per customer",
    "change",
    "never together",
    "always together",
)
SOFT = ("category", "brand", "budget", "change")


@st.composite
def offers_at_random(draw: st.DrawFn, world: World) -> list[Offer]:
    """Offers that nobody planned, each (item, slot) at most once."""
    cells = [(item, slot.slot_id) for item in world.items["item_id"] for slot in world.campaign.slots]
    chosen = draw(st.lists(st.sampled_from(cells), max_size=8, unique=True))
    list_price = dict(zip(world.items["item_id"], world.items["list_price"], strict=True))
    offers = []
    for item, slot in chosen:
        discount = draw(st.sampled_from([0.05, 0.2, 0.5, 0.9]))
        offers.append(
            Offer(
                item_id=item,
                slot_id=slot,
                discount_frac=discount,
                price=list_price[item] * (1 - discount),
                quota=draw(st.integers(1, 30)),
                expected_units=draw(st.floats(0.0, 30.0)),
                expected_value=0.0,
            )
        )
    return offers


@settings(max_examples=150, deadline=None)
@given(st.data(), worlds(max_items=4, max_slots=4))
def test_limits_are_broken_by_as_much_as_plain_counting_says(data: st.DataObject, world: World) -> None:
    offers = data.draw(offers_at_random(world))
    verdict = check(offers, world.campaign, world.items)
    counted = [b for b in (*verdict.broken, *verdict.soft) if b.limit.startswith(COUNTED)]
    found = {(b.limit, b.where): b.amount for b in counted}
    expected = oracle.amounts(offers, world)
    assert found.keys() == expected.keys()
    assert found == pytest.approx(expected, abs=1e-6)
    assert verdict.penalties == pytest.approx(oracle.penalties(offers, world), abs=1e-4)
    named = [limit.penalty is not None for limit in world.campaign.limits if isinstance(limit, SoftLimit)]
    assert bool(verdict.soft) == (verdict.penalties > 0.0)
    if named and all(named):
        assert not {b.limit for b in verdict.broken if b.limit.startswith(SOFT)}


@st.composite
def entangled(draw: st.DrawFn) -> World:
    """Effects between all items, some onto themselves, large enough to use up demand and stock."""
    world = draw(worlds(max_items=5, max_slots=3))
    n = world.items.height
    n_effects = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    effects = SparseEffects(
        source=rng.integers(0, n, n_effects),
        target=rng.integers(0, n, n_effects),
        effect=rng.uniform(-2.0, 2.0, n_effects),
    )
    return replace(world, draws=replace(world.draws, effects=effects))


@settings(max_examples=150, deadline=None)
@given(st.data(), entangled())
def test_the_value_is_the_joint_one(data: st.DataObject, world: World) -> None:
    offers = data.draw(offers_at_random(world))
    stock = dict(zip(world.items["item_id"], world.items["stock"], strict=True))
    offers = [replace(one, quota=min(one.quota, stock[one.item_id])) for one in offers]
    verdict = check(offers, world.campaign, world.items, world.draws)
    values = [oracle.joint_value(offers, world, draw) for draw in range(world.draws.n_draws)]
    assert verdict.value is not None
    assert verdict.value.value == pytest.approx(np.mean(values), abs=1e-6)
    assert verdict.value.ci_lower == pytest.approx(np.quantile(values, 0.05), abs=1e-6)
    assert verdict.value.ci_upper == pytest.approx(np.quantile(values, 0.95), abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(st.data(), entangled())
def test_the_value_of_an_offer_alone_is_that_of_a_plan_with_it_alone(data: st.DataObject, world: World) -> None:
    offers = data.draw(offers_at_random(world))
    cells = check_value.read_cells(offers, read_facts(offers, world.campaign, world.items), world.draws)
    alone = check_value.gain_alone(cells, world.items, world.draws, world.campaign.costs).profit
    assert alone.shape == (len(offers), world.draws.n_draws)
    stock = dict(zip(world.items["item_id"], world.items["stock"], strict=True))
    for k, offer in enumerate(offers):
        fitting = replace(offer, quota=min(offer.quota, stock[offer.item_id]))
        values = [oracle.joint_value([fitting], world, draw) for draw in range(world.draws.n_draws)]
        assert alone[k] == pytest.approx(values, abs=1e-6)


def test_blocks_do_not_change_values(monkeypatch: pytest.MonkeyPatch) -> None:
    slots = slots_every(3)
    rng = np.random.default_rng(5)
    draws = log_linear(rng, 7, slots, 4, cross=True)
    items = catalog(rng, 7)
    campaign = Campaign(slots=slots, ladder=(0.2,))
    offers = [
        Offer(item_id=f"i{k}", slot_id=f"s{k % 3}", discount_frac=0.2, price=1.0 + k / 100, quota=9, expected_units=0.0,
              expected_value=0.0)
        for k in range(7)
    ]  # fmt: skip
    cells = check_value.read_cells(offers, read_facts(offers, campaign, items), draws)
    whole = check_value.gain_alone(cells, items, draws, campaign.costs).profit
    monkeypatch.setattr(check_value, "BLOCK", 2)
    assert check_value.gain_alone(cells, items, draws, campaign.costs).profit == pytest.approx(whole, abs=1e-12)
