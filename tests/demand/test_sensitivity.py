"""Hidden causes: the factor that turns a plan, the robustness value, and what it is compared with."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contracts.demand_draws import check_demand_draws
from tests.demand.conftest import make_slots

from flashlift.demand import (
    FittedDemand,
    HiddenShock,
    depth_sentence,
    robustness_value,
    tipping_factor,
    tipping_sentence,
)
from flashlift.demand.response import SaleRows
from flashlift.demand.sensitivity import robustness
from flashlift.errors import InputError
from flashlift.market import SimulatedShop
from flashlift.protocols import DemandDraws


def draws_of(model: FittedDemand, shop: SimulatedShop) -> DemandDraws:
    return model.draw(shop.sale_items.head(20), make_slots(shop.now, 2), 400, rng=np.random.default_rng(0))


def test_the_example_of_the_paper() -> None:
    """Cinelli and Hazlett (2020), table 1: t = 4.18 on 783 degrees of freedom, RV = 13.9 %; RV to halve it less."""
    assert robustness_value(4.18, 783) == pytest.approx(0.139, abs=0.0005)
    assert robustness_value(0.0, 783) == 0.0
    assert robustness_value(4.18, 783, 0.5) == pytest.approx(0.072, abs=0.0005)


@given(t=st.floats(0.01, 50), degrees=st.floats(5, 10_000))
def test_a_cause_of_that_strength_takes_the_effect_away(t: float, degrees: float) -> None:
    """A cause that explains RV of both has a bias of se sqrt(df) sqrt(RV^2 / (1 - RV)), which is the whole estimate."""
    rv = robustness_value(t, degrees)
    assert 0 < rv < 1
    assert np.sqrt(rv * rv / (1 - rv)) == pytest.approx(t / np.sqrt(degrees), rel=1e-6)


def test_figures_in_words() -> None:
    assert "earns nothing on average" in tipping_sentence(1.0)
    assert "No hidden cause turns the plan" in tipping_sentence(np.inf)
    assert "30% higher" in tipping_sentence(1.3) and "No placebo test" in tipping_sentence(1.3)
    assert tipping_sentence(1.3, 0.05).endswith("room for up to 5%, less than that.")
    assert tipping_sentence(1.3, 0.4).endswith("test the plan before you trust it.")
    assert depth_sentence(1.0).endswith("already.")
    assert depth_sentence(1.12) == "From 12% on, one step less discount would have been worth more."
    assert depth_sentence(np.inf).startswith("No such cause")


def sales(elasticity: float, *, state: float = 0.0, n: int = 600, seed: int = 0) -> SaleRows:
    rng = np.random.default_rng(seed)
    known = rng.normal(0, 0.3, n)
    x = np.maximum(rng.uniform(0.05, 0.6, n) - state * known, 0.01)
    baseline = rng.uniform(5, 30, n)
    units = rng.poisson(baseline * np.exp(0.3 + elasticity * x + known)).astype(float)
    controls = np.column_stack([known, np.zeros((n, 4))])
    return SaleRows(item=np.arange(n), units=units, baseline=baseline, x=x, controls=controls, lump=np.ones(n))


def test_a_strong_response_is_robust_and_none_is_not() -> None:
    strong, weak = robustness(sales(2.0)), robustness(sales(0.0))
    assert strong is not None
    assert weak is not None
    assert strong.value > 0.5
    assert weak.value < 0.15
    assert strong.half < strong.value
    assert robustness(sales(2.0, n=20)) is None


def test_what_the_known_state_explains_is_told_beside_it() -> None:
    free, chosen = robustness(sales(2.0)), robustness(sales(2.0, state=0.5))
    assert free is not None
    assert chosen is not None
    assert free.state_of_discounts < 0.02
    assert 0.3 < chosen.state_of_discounts < 0.6  # var of 0.5 * 0.3 normal against a uniform of width 0.55
    assert chosen.state_of_units > 0.3


def test_shocked_draws_keep_the_contract(model: FittedDemand, shop: SimulatedShop) -> None:
    class Shocked:
        def draw(self, *args: object, **kwargs: object) -> HiddenShock:
            return HiddenShock(draws=model.draw(*args, **kwargs), factor=1.3)  # type: ignore[arg-type]

    check_demand_draws(Shocked(), shop.sale_items.head(10), make_slots(shop.now, 2))


def test_a_shock_divides_lifts_and_leaves_the_rest(model: FittedDemand, shop: SimulatedShop) -> None:
    draws = draws_of(model, shop)
    every, slot = np.arange(20), np.zeros(20, dtype=np.int64)
    shocked = HiddenShock(draws=draws, factor=1.5)
    deep, none = np.full(20, 0.4), np.zeros(20)
    before, after = draws.units(every, slot, deep), shocked.units(every, slot, deep)
    base = draws.units(every, slot, none)
    assert after.sum() == pytest.approx(before.sum() / 1.5, rel=0.08)  # counts are coarse, and no sale lowers units
    assert (after >= base).all()
    assert (after <= before).all()
    np.testing.assert_array_equal(shocked.units(every, slot, none), base)
    np.testing.assert_array_equal(shocked.without_sale(every), draws.without_sale(every))
    assert shocked.n_draws == draws.n_draws
    with pytest.raises(InputError, match=r"hidden factor is 0\.5"):
        HiddenShock(draws=draws, factor=0.5)


def test_the_tipping_factor_is_where_the_value_is_nothing(model: FittedDemand, shop: SimulatedShop) -> None:
    draws = draws_of(model, shop)
    every, slot, deep = np.arange(20), np.zeros(20, dtype=np.int64), np.full(20, 0.3)

    def value(worth: float) -> float:
        def of(d: DemandDraws) -> float:
            return float(d.units(every, slot, deep).sum() - worth)

        return tipping_factor(draws, of)

    total = float(draws.units(every, slot, deep).sum())
    tips = value(0.8 * total)
    assert tips == pytest.approx(1 / 0.8, rel=0.05)
    assert HiddenShock(draws=draws, factor=tips * 1.05).units(every, slot, deep).sum() < 0.8 * total
    assert value(2 * total) == 1.0  # it never earned anything
    assert value(-1.0) == np.inf  # nothing can turn it
