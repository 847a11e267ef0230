from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from tests.contracts.demand_draws import check_demand_draws

from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.market import SimulatedShop


def test_keeps_the_promises_of_the_protocol(shop: SimulatedShop, slots: list[Slot]) -> None:
    check_demand_draws(shop.truth, shop.sale_items, slots)
    check_demand_draws(shop.truth, shop.sale_items.reverse().head(7), slots[:1])


def test_units_have_the_mean_of_the_law(shop: SimulatedShop, slots: list[Slot], best: list[int]) -> None:
    draws = shop.truth.draw(shop.sale_items, slots, 3000, rng=np.random.default_rng(1))
    item, slot = np.array(best), np.zeros(len(best), dtype=np.int64)
    base = draws.slot_rate(0, item)
    for discount in (0.0, 0.1, 0.4):
        units = draws.units(item, slot, np.full(len(item), discount))
        factor = shop.response.multiplier(item, np.full(len(item), discount))
        noise = (units - base * factor[:, None]).std(axis=1) / draws.n_draws**0.5
        assert (np.abs(units.mean(axis=1) - base.mean(axis=1) * factor) < 4 * noise).all()
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
    better = replace(shop.truth, state=shop.truth.state + 1.0)
    every = np.arange(len(shop.items))
    plain, lifted = (
        m.draw(shop.sale_items, slots, 100, rng=np.random.default_rng(1)).without_sale(every).sum()
        for m in (shop.truth, better)
    )
    assert plain < lifted < np.e * plain  # a state decays towards normal


def test_elasticities_and_lift_are_the_slope_and_the_jump_of_the_units(shop: SimulatedShop) -> None:
    truth = shop.elasticities()["elasticity"].to_numpy()
    np.testing.assert_allclose(truth, shop.response.elasticity)
    assert (truth < -0.5).all()
    assert -2.8 < truth.mean() < -1.8
    assert truth.std() > 0.6
    lift = shop.visibility["lift"].to_numpy()
    every = np.arange(len(lift))
    np.testing.assert_allclose(shop.response.multiplier(every, np.full(len(lift), 1e-12)), lift)
    assert 1.2 < lift.min() < lift.max() < 2.6


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
