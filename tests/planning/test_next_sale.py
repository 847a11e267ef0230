"""The shadow cost of the legal reference price: what a deep price now loses in a sale that is planned already."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.planning.draws import World, catalog, log_linear, slots_every, with_goals, worlds
from tests.planning.test_goals import worth
from tests.planning.test_large import sifting

from flashlift.domain import Campaign, Costs, NextSale, Offer
from flashlift.errors import InfeasibleError, SettingsError
from flashlift.limits import Appearances, MarginFloor
from flashlift.planning import check, load_plan, pareto, plan_table, save_plan, solve, solve_certified, verify
from flashlift.planning.problem import build_columns
from flashlift.planning.solution import offers_of


def shop(sale: NextSale | None, *, appearances: int = 1) -> World:
    rng = np.random.default_rng(5)
    slots = slots_every(3, positions=5)
    limits = (Appearances(maximum=appearances), MarginFloor(margin_frac=-1.0))
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.4), limits=limits, next_sale=sale)
    items = catalog(rng, 40).with_columns(list_price=10.0, unit_cost=4.0)
    return World(campaign=campaign, items=items, draws=log_linear(rng, 40, slots, 8))


def test_an_offer_loses_what_the_next_sale_sells_at_the_lower_price() -> None:
    """List price 10, next sale: 30 units at 20 % below the reference.

    From a reference of 10 they sell at 8. An offer at 6 makes it 6, and they sell at 4.80: 30 x 3.20 = 96 less. From a
    reference of 9, they would have sold at 7.20: 30 x 2.40 = 72 less; an offer at 9 costs nothing then. A tenth of
    the units comes back: 86.40 of 96.
    """
    world = shop(NextSale(units=30.0, discount_frac=0.2))
    items = world.items.with_columns(
        reference_price=pl.Series([None, 9.0] + [10.0] * 38),
        next_sale_units=pl.Series([None, None, 5.0] + [None] * 37, dtype=pl.Float64),
    )
    expected = {0: (24.0, 48.0, 96.0), 1: (0.0, 24.0, 72.0), 2: (4.0, 8.0, 16.0), 3: (24.0, 48.0, 96.0)}
    for share in (0.0, 0.1):
        campaign = replace(world.campaign, costs=Costs(return_frac=share))
        columns = build_columns(campaign, items, world.draws)
        free = build_columns(replace(campaign, next_sale=None), items, world.draws)
        assert columns.figures[:, 0] == pytest.approx(free.value)  # the profit is what it was
        assert columns.value == pytest.approx(free.value - columns.figures[:, 4])
        for item, costs in expected.items():
            for price, cost in zip((9.0, 8.0, 6.0), costs, strict=True):
                here = (columns.item == item) & np.isclose(columns.price, price)
                assert here.any()
                assert columns.figures[here, 4] == pytest.approx(cost * (1.0 - share))


def test_a_next_sale_makes_prices_less_deep_and_is_told_apart() -> None:
    free, dear = shop(None), shop(NextSale(units=20.0, discount_frac=0.1))
    before = solve(free.campaign, free.items, free.draws)
    after = solve(dear.campaign, dear.items, dear.draws)
    assert np.mean([o.discount_frac for o in after.offers]) < np.mean([o.discount_frac for o in before.offers])
    assert all(offer.shadow_cost is None for offer in before.offers)
    cost = sum(20.0 * 0.9 * (10.0 - offer.price) for offer in after.offers)
    assert sum(offer.shadow_cost or 0.0 for offer in after.offers) == pytest.approx(cost)
    assert after.objective == pytest.approx(sum(offer.expected_value for offer in after.offers) - cost)
    verdict = check(after, dear.campaign, dear.items, dear.draws, planned_on=dear.draws)
    assert verdict.broken == ()
    assert verdict.shadow_cost == pytest.approx(cost)
    assert check(after.offers, free.campaign, free.items, free.draws).shadow_cost is None
    without = tuple(replace(offer, shadow_cost=None) for offer in after.offers)
    assert check(without, free.campaign, free.items, free.draws).value == verdict.value  # profit knows nothing of it
    assert "shadow_cost" in plan_table(after, dear.campaign, dear.items).columns
    assert "shadow cost" in verdict.to_polars()["figure"].to_list()


def test_only_the_lowest_of_an_items_prices_counts_in_the_verdict() -> None:
    world = shop(NextSale(units=10.0, discount_frac=0.0), appearances=2)
    one = Offer(
        item_id="i0", slot_id="s0", discount_frac=0.2, price=8.0, quota=5, expected_units=1.0, expected_value=0.0
    )
    offers = (one, replace(one, slot_id="s1", price=6.0, discount_frac=0.4))
    assert check(offers, world.campaign, world.items, world.draws).shadow_cost == pytest.approx(40.0)


@settings(max_examples=40, deadline=None)
@given(
    with_goals(worlds(max_items=6, max_slots=3)),
    st.builds(NextSale, units=st.sampled_from([0.0, 3.0]), discount_frac=st.sampled_from([0.0, 0.3])),
)
def test_plans_certificates_and_checker_agree(world: World, sale: NextSale) -> None:
    campaign = replace(world.campaign, next_sale=sale)
    try:
        whole, proof = solve_certified(campaign, world.items, world.draws, gap_frac=1e-9)
    except InfeasibleError:
        return
    with sifting():
        sifted = solve(campaign, world.items, world.draws, gap_frac=1e-9)
    assert sifted.objective == pytest.approx(whole.objective, rel=1e-6, abs=1e-6)
    for plan in (whole, sifted):
        verdict = check(plan, campaign, world.items, world.draws, planned_on=world.draws)
        assert verdict.broken == ()
        total = sum(worth(offer, campaign.goal) - (offer.shadow_cost or 0.0) for offer in plan.offers)
        assert plan.objective == pytest.approx(total - verdict.penalties, abs=1e-6)
    assert verify(whole, campaign, world.items, proof.prices, proof.cells).broken == ()
    columns = build_columns(campaign, world.items, world.draws)
    every = offers_of(np.ones(len(columns), dtype=bool), columns, campaign, world.items)
    assert all((offer.shadow_cost or 0.0) >= 0.0 for offer in every)


def test_a_lie_about_it_is_found_and_it_survives_the_disk(tmp_path_factory: pytest.TempPathFactory) -> None:
    world = shop(NextSale(units=3.0, discount_frac=0.2))
    plan = solve(world.campaign, world.items, world.draws)
    for lie in (0.0, None, float("nan")):
        false = replace(plan, offers=(replace(plan.offers[0], shadow_cost=lie), *plan.offers[1:]))
        found = {one.limit for one in check(false, world.campaign, world.items).broken}
        assert {"shadow cost", "objective"} <= found
    free = replace(world.campaign, next_sale=None)
    assert "shadow cost" in {one.limit for one in check(plan, free, world.items).broken}
    folder = tmp_path_factory.mktemp("plan") / "one"
    verdict = save_plan(plan, world.campaign, world.items, folder, fresh=world.draws)
    saved = load_plan(folder)
    assert (saved.plan, saved.campaign, saved.verdict) == (plan, world.campaign, verdict)


def test_the_curve_of_profit_and_sales_leaves_it_aside() -> None:
    """It has two axes: plans that cost the next sale less would look dominated."""
    curves = [
        pareto(world.campaign, world.items, world.draws, fresh=world.draws, points=3, gap_frac=1e-9)
        for world in (shop(NextSale(units=20.0, discount_frac=0.1)), shop(None))
    ]
    assert curves[0].equals(curves[1])
    assert curves[0].height > 1


@pytest.mark.parametrize(("units", "discount"), [(-1.0, 0.2), (float("inf"), 0.2), (5.0, 1.0), (5.0, float("nan"))])
def test_next_sales_that_mean_nothing_are_refused(units: float, discount: float) -> None:
    world = shop(NextSale(units=units, discount_frac=discount))
    with pytest.raises(SettingsError, match="The next sale is expected to sell"):
        solve(world.campaign, world.items, world.draws)
