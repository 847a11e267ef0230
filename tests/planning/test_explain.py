"""What is said of a plan holds of the plans that it speaks of."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from tests.planning.draws import World, catalog, log_linear, slots_every

from flashlift.domain import Campaign, Plan
from flashlift.errors import InputError
from flashlift.limits import Appearances, Budget, CategoryCount, Excluded
from flashlift.planning import Certificate, explain, solve, solve_certified, verify
from flashlift.planning.explain import Explained

N = 40


def shop(seed: int, budget: float = 400.0) -> World:
    """Every item has a category of its own, so that a minimum can ask for it."""
    rng = np.random.default_rng(seed)
    slots = slots_every(3, positions=4)
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.4), limits=(Appearances(), Budget(amount=budget)))
    items = catalog(rng, N, categories=[f"c{k}" for k in range(N)])
    return World(campaign=campaign, items=items, draws=log_linear(rng, N, slots, 8))


def explained(world: World) -> tuple[Plan, Certificate, Explained]:
    plan, certificate = solve_certified(world.campaign, world.items, world.draws)
    return plan, certificate, explain(plan, world.campaign, world.items, certificate)


@pytest.mark.parametrize("seed", range(6))
def test_a_plan_with_an_item_that_is_short_falls_short_by_so_much(seed: int) -> None:
    world = shop(seed)
    plan, certificate, told = explained(world)
    bound = verify(plan, world.campaign, world.items, certificate.prices, certificate.cells).bound
    near = told.entering(N)
    assert near.height == N - len({offer.item_id for offer in plan.offers})
    assert near["short"].is_sorted()
    assert (near["short"] > 0.0).any()
    for row in near.head(15).iter_rows(named=True):
        wanted = CategoryCount(category=f"c{row['item_id'][1:]}", minimum=1)
        forced = replace(world.campaign, limits=(*world.campaign.limits, wanted))
        with_it = solve(forced, world.items, world.draws)
        assert with_it.objective <= bound - row["short"] + 1e-6


def test_the_words_name_price_slot_and_what_is_taken() -> None:
    world = shop(1)
    plan, _, told = explained(world)
    offer = plan.offers[0]
    said = told.item(offer.item_id)
    assert f"runs in {offer.slot_id} at {offer.price:.2f}" in said
    assert "The next best price there is" in said
    outside = told.entering(N).filter(pl.col("short") > 0.0)["item_id"][0]
    assert "It would enter if it earned" in told.item(outside)
    assert "positions[" in told.item(outside)


def test_a_unit_cost_lower_by_what_is_said_brings_the_item_in() -> None:
    world = shop(3, budget=1e6)
    told = explained(world)[2]
    entered = 0
    for row in told.entering(6).iter_rows(named=True):
        said = told.item(row["item_id"])
        if "a unit cost of" not in said:
            continue
        at = int(row["item_id"][1:])
        cost = float(said.split("a unit cost of ")[1].split(" ")[0])
        cheaper = world.items.with_columns(
            unit_cost=pl.when(pl.col("item_id") == row["item_id"]).then(0.9 * cost).otherwise(pl.col("unit_cost"))
        )
        plan = solve(world.campaign, cheaper, world.draws)
        entered += any(offer.item_id == f"i{at}" for offer in plan.offers)
    assert entered >= 4  # the rest of the account moves with the cost, too, so not every time


def test_an_item_that_cannot_run_and_one_that_is_unknown() -> None:
    world = shop(2)
    shut = replace(world, campaign=replace(world.campaign, limits=(*world.campaign.limits, Excluded(item_ids=("i3",)))))
    told = explained(shut)[2]
    assert told.item("i3") == "i3 could not run: what forbids it: excluded."
    bare = replace(
        world, items=world.items.with_columns(stock=pl.when(pl.col("item_id") != "i3").then("stock").otherwise(0))
    )
    assert explained(bare)[2].item("i3") == "i3 could not run: there is no stock of it to sell."
    with pytest.raises(InputError, match="Item i99 is not among the 40 items that the plan chose from"):
        told.item("i99")


def test_a_certificate_of_another_campaign_is_refused() -> None:
    world = shop(2)
    plan, certificate, told = explained(world)
    assert "budget" in told.limits["row"].to_list()
    with pytest.raises(InputError, match="not of this campaign"):
        explain(plan, replace(world.campaign, limits=(Appearances(),)), world.items, certificate)
