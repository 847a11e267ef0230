from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.contracts.demand_draws import check_demand_draws

from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.market import WORLDS, MarketConfig, SimulatedShop, simulate


def test_keeps_the_promises_of_the_protocol(shop: SimulatedShop, slots: list[Slot]) -> None:
    check_demand_draws(shop.truth, shop.sale_items, slots)
    check_demand_draws(shop.truth, shop.sale_items.reverse().head(7), slots[:1])


@pytest.mark.parametrize("world", WORLDS)
def test_keeps_them_in_every_world(world: str, slots: list[Slot]) -> None:
    shop = simulate(MarketConfig.sized(15_000, world=world), seed=2)
    check_demand_draws(shop.truth, shop.sale_items, slots)


def test_units_have_the_mean_of_the_law(shop: SimulatedShop, slots: list[Slot], best: list[int]) -> None:
    draws = shop.truth.draw(shop.sale_items, slots, 3000, rng=np.random.default_rng(1))
    item, slot = np.array(best), np.zeros(len(best), dtype=np.int64)
    base = draws.futures.atom_rate[draws.futures.in_slot[0]][:, item].sum(axis=0)
    for discount in (0.0, 0.1, 0.4):
        units = draws.units(item, slot, np.full(len(item), discount))
        mean = base * draws.multiplier(item, slot, np.full(len(item), discount))
        noise = (units - mean).std(axis=1) / draws.n_draws**0.5
        assert (np.abs(units.mean(axis=1) - mean.mean(axis=1)) < 4 * noise).all()
    half = draws.units(item, slot, np.full(len(item), 0.3), np.full(len(item), 0.5)).mean(axis=1)
    none, full = (draws.units(item, slot, np.full(len(item), d)).mean(axis=1) for d in (0.0, 0.3))
    np.testing.assert_allclose(half, (none + full) / 2, rtol=0.1)  # Monte-Carlo noise of 3000 draws


def test_slots_are_part_of_the_horizon_in_every_draw_even_if_they_overlap(
    shop: SimulatedShop, slots: list[Slot]
) -> None:
    whole = Slot(slot_id="all", start=slots[0].start, end=slots[1].end, positions=1)
    draws = shop.truth.draw(shop.sale_items, [*slots, whole], 50, rng=np.random.default_rng(1))
    every = np.arange(len(shop.items))
    first, second, both = (draws.units(every, np.full_like(every, s), np.zeros(len(every))) for s in range(3))
    assert (first + second <= both).all()
    assert (both <= draws.without_sale(every)).all()


def test_the_truth_knows_the_present_state(shop: SimulatedShop, slots: list[Slot]) -> None:
    present = shop.present
    better = replace(shop.truth, present=replace(present, state=present.state + 1.0))
    every = np.arange(len(shop.items))
    plain, lifted = (
        m.draw(shop.sale_items, slots, 100, rng=np.random.default_rng(1)).without_sale(every).sum()
        for m in (shop.truth, better)
    )
    assert plain < lifted < np.e * plain  # a state decays towards normal


@pytest.mark.parametrize("world", WORLDS)
def test_elasticities_are_a_plausible_answer_to_price(world: str) -> None:
    shop = simulate(MarketConfig.sized(60_000, world=world), seed=2)
    truth = shop.elasticities()["elasticity"].to_numpy()
    assert (truth < -0.2).all()
    assert -2.8 < truth.mean() < -1.5
    assert truth.std() > 0.4


def test_elasticities_and_lift_are_the_slope_and_the_jump_of_the_units() -> None:
    shop = simulate(MarketConfig.sized(60_000, world="log_linear"), seed=2)
    np.testing.assert_allclose(shop.elasticities()["elasticity"], shop.law.price.elasticity)
    lift = shop.visibility["lift"].to_numpy()
    every, ones = np.arange(len(lift)), np.ones(len(lift))
    np.testing.assert_allclose(shop.law.appeal(every, 1e-12 * ones, ones), lift)
    assert 1.1 < lift.min() < lift.max() < 2.6


def test_elasticities_of_competing_items_are_those_of_their_units(slots: list[Slot]) -> None:
    """From the units of many draws, each offer alone, the lift taken out by a law without one."""
    shop = simulate(MarketConfig.sized(60_000, world="substitution", state_sd=0.0), seed=2)
    blind = replace(shop, law=replace(shop.law, lift=np.ones(len(shop.items))))
    draws = blind.truth.draw(shop.sale_items, slots, 5, rng=np.random.default_rng(1))
    every = np.arange(len(shop.items))
    factor = draws.multiplier(every, np.zeros_like(every), np.full(len(every), 0.2)).mean(axis=1)
    arc = np.log(factor) / np.log(0.8)
    # Units missing after past promotions shift the shares within a group a little.
    np.testing.assert_allclose(arc, blind.elasticities()["elasticity"], rtol=0.02)


def test_foreign_items_no_slots_and_slots_in_the_past_are_refused(shop: SimulatedShop, slots: list[Slot]) -> None:
    rng = np.random.default_rng(1)
    with pytest.raises(InputError, match="does not sell 'x'"):
        shop.truth.draw(
            shop.sale_items.with_columns(item_id="x" + shop.sale_items["item_id"].str.slice(0, 0)), slots, 5, rng=rng
        )
    with pytest.raises(InputError, match="no slot"):
        shop.truth.draw(shop.sale_items, [], 5, rng=rng)
    with pytest.raises(InputError, match="before the shop's present"):
        shop.truth.draw(shop.sale_items, [replace(slots[0], start=shop.now - timedelta(hours=1))], 5, rng=rng)
