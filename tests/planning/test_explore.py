"""Prices by lot: few, honest about their propensity, and within every limit whatever is drawn."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign, Offer
from flashlift.errors import InfeasibleError, SettingsError
from flashlift.limits import Appearances, Budget
from flashlift.planning import check, explore, solve_certified
from flashlift.planning.explore import _information


def shop(budget: float = 1e5) -> World:
    rng = np.random.default_rng(0)
    slots = slots_every(10, positions=10)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.3, 0.4), limits=(Appearances(), Budget(amount=budget)))
    return World(campaign=campaign, items=catalog(rng, 150), draws=log_linear(rng, 150, slots, 10))


def test_a_few_places_draw_their_price_and_the_rest_stay() -> None:
    world = shop()
    plan, proof = solve_certified(world.campaign, world.items, world.draws)
    found = explore(plan, world.campaign, world.items, proof, share=0.03, rng=np.random.default_rng(1))
    places = found.lots.group_by("item_id", "slot_id").agg(pl.col("propensity").sum(), pl.col("drawn").sum(), pl.len())
    assert places.height == 3
    assert places["propensity"].to_list() == [1.0] * 3
    assert places["drawn"].to_list() == [1] * 3
    assert places["len"].to_list() == [2] * 3
    assert found.lots.group_by("item_id", "slot_id").agg(pl.col("planned").sum())["planned"].to_list() == [1] * 3
    by_lot = {(one.item_id, one.slot_id): one.price for one in found.plan.offers if one.propensity == 0.5}
    assert by_lot == {(one["item_id"], one["slot_id"]): one["price"] for one in found.lots.filter("drawn").to_dicts()}
    assert {one.propensity for one in plan.offers} == {1.0}
    changed = [(a, b) for a, b in zip(plan.offers, found.plan.offers, strict=True) if a != b]
    assert len(changed) == 3  # a lot that drew the plan's own price differs by its propensity
    assert {a.item_id for a, _ in changed} <= set(places["item_id"])
    mean = found.lots.group_by("item_id").agg(pl.col("expected_value").mean())["expected_value"].sum()
    own = sum(offer.expected_value for offer in plan.offers if offer.item_id in set(places["item_id"]))
    assert found.cost == pytest.approx(own - mean)
    assert found.plan.objective == pytest.approx(sum(offer.expected_value for offer in found.plan.offers))
    assert found.plan.bound == plan.bound
    again = explore(plan, world.campaign, world.items, proof, share=0.03, rng=np.random.default_rng(1))
    assert again.plan == found.plan


def test_every_price_is_drawn_as_often_as_its_propensity_says() -> None:
    world = shop()
    plan, proof = solve_certified(world.campaign, world.items, world.draws)
    times: dict[tuple[str, float], int] = {}
    n = 200
    for seed in range(n):
        lots = explore(
            plan, world.campaign, world.items, proof, share=0.01, n_prices=4, rng=np.random.default_rng(seed)
        ).lots
        assert lots["propensity"].to_list() == [0.25] * 4
        for row in lots.filter("drawn").iter_rows(named=True):
            times[row["item_id"], row["price"]] = times.get((row["item_id"], row["price"]), 0) + 1
    assert len(times) == 4
    spread = 4.0 * (n * 0.25 * 0.75) ** 0.5
    assert all(abs(count - n / 4) < spread for count in times.values())


@settings(max_examples=40, deadline=None)
@given(worlds(max_items=6, max_slots=4, max_steps=3), st.integers(2, 3))
def test_limits_hold_whatever_is_drawn(world: World, n_prices: int) -> None:
    slots = tuple(replace(slot, positions=40) for slot in world.campaign.slots)  # enough places for some to be explored
    campaign = replace(world.campaign, slots=slots)
    try:
        plan, proof = solve_certified(campaign, world.items, world.draws)
    except InfeasibleError:
        assume(False)
    found = explore(plan, campaign, world.items, proof, share=0.03, n_prices=n_prices, rng=np.random.default_rng(0))
    assert found.lots.select("item_id", "slot_id").n_unique() <= int(0.03 * 40 * len(slots) + 1e-9)
    assert check(found.plan, campaign, world.items, planned_on=world.draws).broken == ()
    keys = list(found.lots.select("item_id", "slot_id").unique(maintain_order=True).iter_rows())
    choices = [found.lots.filter(pl.col("item_id") == i, pl.col("slot_id") == s).rows(named=True) for i, s in keys]
    for drawn in list(product(*choices))[:30]:
        prices = {(one["item_id"], one["slot_id"]): one for one in drawn}
        offers = [at_price(offer, world, prices.get((offer.item_id, offer.slot_id))) for offer in plan.offers]
        assert check(offers, campaign, world.items).broken == ()


def at_price(offer: Offer, world: World, one: dict[str, float] | None) -> Offer:
    """The offer at the price of a lot, if it has one."""
    if one is None:
        return offer
    list_price = world.items.row(by_predicate=pl.col("item_id") == offer.item_id, named=True)["list_price"]
    return replace(
        offer,
        price=one["price"],
        discount_frac=1.0 - one["price"] / list_price,
        expected_units=one["expected_units"],
        expected_value=one["expected_value"],
    )


def test_a_budget_without_room_leaves_nothing_to_explore() -> None:
    world = shop(budget=40.0)
    plan, proof = solve_certified(world.campaign, world.items, world.draws)
    spent = sum((world.items["list_price"][int(o.item_id[1:])] - o.price) * o.expected_units for o in plan.offers)
    tight = replace(world.campaign, limits=(Appearances(), Budget(amount=spent + 1e-6)))
    found = explore(plan, tight, world.items, proof, share=0.03, rng=np.random.default_rng(1))
    for offers in (plan.offers, found.plan.offers):
        assert check(offers, tight, world.items).broken == ()


@pytest.mark.parametrize("share", [-0.01, 0.031, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    world = shop()
    plan, proof = solve_certified(world.campaign, world.items, world.draws)
    with pytest.raises(SettingsError, match="share of places to explore"):
        explore(plan, world.campaign, world.items, proof, share=share, rng=np.random.default_rng(0))


def test_the_information_is_one_over_the_variance_of_the_estimate() -> None:
    """Poisson counts at two prices, elasticity by maximum likelihood in closed form, 20,000 replicates."""
    rng = np.random.default_rng(3)
    prices, mean = np.array([8.0, 6.0]), np.array([400.0, 900.0])
    counts = rng.poisson(mean, (20_000, 2))
    estimate = np.log(counts[:, 1] / counts[:, 0]) / np.log(prices[0] / prices[1])
    offer = Offer(
        item_id="a", slot_id="s", discount_frac=0.2, price=8.0, quota=9, expected_units=800.0, expected_value=0.0
    )
    pair = (offer, replace(offer, price=6.0, expected_units=1800.0))  # half the time each: 400 and 900 units
    assert 1.0 / estimate.var() == pytest.approx(_information(pair), rel=0.05)  # 0.05: five standard errors
