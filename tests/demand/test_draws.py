"""Draws: the contract, the Poisson quantile against scipy, and the laws that planning relies on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import poisson
from tests.contracts.demand_draws import check_demand_draws
from tests.demand.conftest import make_slots

from flashlift.demand import FittedDemand
from flashlift.demand.draws import poisson_quantile
from flashlift.errors import InputError
from flashlift.market import SimulatedShop


def test_contract_on_the_simulated_shop(model: FittedDemand, shop: SimulatedShop) -> None:
    check_demand_draws(model, shop.sale_items.head(25), make_slots(shop.now, 4))


def test_contract_for_items_never_seen(model: FittedDemand, shop: SimulatedShop) -> None:
    strange = shop.sale_items.head(4).with_columns(
        pl.Series("item_id", ["new-a", "new-b", "new-c", "new-d"]),
        pl.Series("category", ["no such category", "no such category", *shop.sale_items["category"][:2]]),
    )
    check_demand_draws(model, strange, make_slots(shop.now, 2))


@given(
    mean=st.floats(0.0, 400.0),
    uniform=st.floats(1e-6, 1 - 1e-6),
)
def test_quantile_is_scipys(mean: float, uniform: float) -> None:
    ours = poisson_quantile(np.array([uniform]), np.array([mean]))[0]
    exact = max(poisson.ppf(uniform, mean), 0.0)
    # Exact up to 4; above, the expansion may miss a step of the staircase by one.
    assert abs(ours - exact) <= (0 if mean <= 4 and abs(poisson.cdf(exact, mean) - uniform) > 1e-12 else 1)


@given(low=st.floats(0.0, 50.0), more=st.floats(0.0, 50.0), uniform=st.floats(1e-12, 1 - 1e-12))
def test_quantile_never_falls(low: float, more: float, uniform: float) -> None:
    few, many = poisson_quantile(np.array([uniform, uniform]), np.array([low, low + more]))
    assert many >= few


def test_quantile_has_the_mean_it_is_given() -> None:
    uniform = (np.arange(200_000) + 0.5) / 200_000
    for mean in (0.03, 0.7, 3.9, 4.1, 12.0, 90.0):
        assert poisson_quantile(uniform, np.full(len(uniform), mean)).mean() == pytest.approx(mean, rel=0.01)


def test_cells_do_not_depend_on_the_blocks_they_are_evaluated_in(
    model: FittedDemand, shop: SimulatedShop, monkeypatch: pytest.MonkeyPatch
) -> None:
    draws = model.draw(shop.sale_items.head(23), make_slots(shop.now, 3), 40, rng=np.random.default_rng(0))
    rng = np.random.default_rng(1)
    cells = rng.integers(0, 23, 500), rng.integers(0, 3, 500), rng.choice([0.0, 0.1, 0.4], 500), rng.random(500)
    units, usual = draws.units(*cells), draws.without_sale(np.arange(23))
    curve = model.curves(model.item_ids, [0.0, 0.3])
    for block in (1, 7 * 40):
        monkeypatch.setattr("flashlift.demand.draws._BLOCK", block)
        monkeypatch.setattr("flashlift.demand.posterior._BLOCK", block)
        np.testing.assert_array_equal(draws.units(*cells), units)
        np.testing.assert_array_equal(draws.without_sale(np.arange(23)), usual)
        assert model.curves(model.item_ids, [0.0, 0.3]).equals(curve)
    assert draws.units(*(part[:0] for part in cells)).shape == (0, 40)


def test_the_horizon_contains_its_slots_draw_by_draw(model: FittedDemand, shop: SimulatedShop) -> None:
    items, slots = shop.sale_items.head(30), make_slots(shop.now, 5)
    draws = model.draw(items, slots, 50, rng=np.random.default_rng(0))
    every = np.arange(30)
    within = sum(draws.units(every, np.full(30, s), np.zeros(30)) for s in range(5))
    assert (draws.without_sale(every) >= within - 1e-9).all()


def test_overlapping_slots_are_not_counted_twice(model: FittedDemand, shop: SimulatedShop) -> None:
    items, every = shop.sale_items.head(60), np.arange(60)
    one = make_slots(shop.now, 1, hours=24)
    twice = [one[0], *make_slots(shop.now, 1, hours=24)]
    first = model.draw(items, one, 400, rng=np.random.default_rng(0)).without_sale(every).mean()
    second = model.draw(items, twice, 400, rng=np.random.default_rng(0)).without_sale(every).mean()
    assert second == pytest.approx(first, rel=0.03)


def test_mean_of_draws_is_the_baseline(model: FittedDemand, shop: SimulatedShop) -> None:
    draws = model.draw(shop.sale_items, make_slots(shop.now, 1, hours=24), 2000, rng=np.random.default_rng(0))
    every = np.arange(len(shop.sale_items))
    units = draws.units(every, np.zeros(len(every), dtype=np.int64), np.zeros(len(every)))
    assert units.mean(1).sum() == pytest.approx(draws.slot_units[:, 0].sum(), rel=0.03)


def test_support_is_zero_where_sales_were_seen_and_grows_beyond(model: FittedDemand, shop: SimulatedShop) -> None:
    draws = model.draw(shop.sale_items, make_slots(shop.now, 1), 2, rng=np.random.default_rng(0))
    every = np.arange(len(shop.sale_items))
    assert (draws.support(every, np.full(len(every), 0.05)) == 0).all()
    beyond = draws.support(every, np.full(len(every), 0.9))
    np.testing.assert_allclose(beyond, 0.9 - draws.deepest)


def test_a_slot_in_the_past_is_refused(model: FittedDemand, shop: SimulatedShop) -> None:
    with pytest.raises(InputError, match="before the end of the fitted log"):
        model.draw(shop.sale_items, make_slots(shop.now, 1, after_hours=-30), 2, rng=np.random.default_rng(0))
    with pytest.raises(InputError, match="no slots"):
        model.draw(shop.sale_items, [], 2, rng=np.random.default_rng(0))
