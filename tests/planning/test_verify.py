"""The certificate: sound for every plan, deaf to a lying one."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import assume, given, settings
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds

from flashlift.domain import Campaign, Plan
from flashlift.errors import ArtifactError, InfeasibleError
from flashlift.limits import Appearances, Budget, CategoryCount
from flashlift.planning import Certificate, check, explore, reprove, save_plan, solve_certified, verify
from flashlift.planning.certificate import NARROW_PRICE, load_certificate

solving = sys.modules["flashlift.planning.solve"]


def certified(world: World, *, direct: bool) -> tuple[Plan, Certificate]:
    with pytest.MonkeyPatch.context() as patch:
        if not direct:
            patch.setattr(solving, "DIRECT", -1)
        try:
            return solve_certified(world.campaign, world.items, world.draws, gap_frac=1e-9)
        except InfeasibleError:
            assume(False)
            raise


@settings(max_examples=80, deadline=None)
@given(worlds(max_items=8, max_slots=4, max_steps=4))
def test_a_certificate_verifies_and_bounds_the_optimum(world: World) -> None:
    for direct in (True, False):
        plan, certificate = certified(world, direct=direct)
        proof = verify(plan, world.campaign, world.items, certificate.prices, certificate.cells)
        assert proof.broken == ()
        assert proof.bound >= plan.objective - 1e-6 * max(abs(plan.objective), 1.0)
        size = sum(abs(offer.expected_value) for offer in plan.offers)  # values of large campaigns are single precision
        assert proof.objective == pytest.approx(plan.objective, abs=1e-6 * max(size, 1.0))


@settings(max_examples=40, deadline=None)
@given(worlds(max_items=6, max_slots=3))
def test_any_prices_of_the_right_sign_are_a_proof(world: World) -> None:
    plan, certificate = certified(world, direct=True)
    rng = np.random.default_rng(0)
    soft = any(getattr(limit, "penalty", None) is not None for limit in world.campaign.limits)
    most = 1.0 if soft else 3.0  # the price of a soft limit is its penalty at most
    noisy = certificate.prices.with_columns(
        price=pl.col("price") * pl.Series(rng.uniform(0.0, most, certificate.prices.height))
    )
    proof = verify(plan, world.campaign, world.items, noisy, certificate.cells)
    assert proof.broken == ()
    assert proof.bound >= plan.objective - 1e-6 * max(abs(plan.objective), 1.0)


def shop(appearances: int = 2) -> World:
    rng = np.random.default_rng(4)
    slots = slots_every(4, positions=3)
    limits = (
        Appearances(maximum=appearances, cool_down_hours=30.0),
        Budget(amount=60.0),
        CategoryCount(category="home", minimum=1, maximum=2, per_slot=True),
    )
    campaign = Campaign(slots=slots, ladder=(0.1, 0.2, 0.4), limits=limits)
    return World(campaign=campaign, items=catalog(rng, 80), draws=log_linear(rng, 80, slots, 8))


def findings(world: World, plan: Plan, certificate: Certificate) -> set[str]:
    return {
        one.limit for one in verify(plan, world.campaign, world.items, certificate.prices, certificate.cells).broken
    }


def test_the_proof_is_near_the_plan() -> None:
    world = shop()
    plan, certificate = certified(world, direct=True)
    proof = verify(plan, world.campaign, world.items, certificate.prices, certificate.cells)
    assert proof.gap_frac < 0.05
    assert proof.sentence.startswith("verified: every limit kept")
    sifted = certified(world, direct=False)[1]
    assert verify(plan, world.campaign, world.items, sifted.prices, sifted.cells).gap_frac < 0.05


def test_lies_are_found() -> None:
    world = shop()
    plan, certificate = certified(world, direct=True)
    offer = plan.offers[0]
    richer = replace(plan, offers=(replace(offer, expected_value=offer.expected_value + 1.0), *plan.offers[1:]))
    assert "value" in findings(world, richer, certificate)
    busier = replace(plan, offers=(replace(offer, expected_units=offer.expected_units + 1.0), *plan.offers[1:]))
    assert "units" in findings(world, busier, certificate)
    more = replace(plan, offers=(replace(offer, quota=offer.quota + 1), *plan.offers[1:]))
    assert "quota" in findings(world, more, certificate)
    assert "bound" in findings(world, replace(plan, objective=10.0 * plan.objective + 100.0), certificate)
    twice = replace(plan, offers=(*plan.offers, plan.offers[0]))
    assert "listed twice" in findings(world, twice, certificate)


def test_prices_in_single_precision_are_exact_to_the_cent() -> None:
    cents = np.arange(0, int(NARROW_PRICE) * 100, 7)
    assert np.array_equal(np.rint((cents / 100.0).astype(np.float32).astype(np.float64) * 100.0), cents)


@pytest.mark.parametrize("scale", [1.0, 1e5])
def test_offers_of_a_large_campaign_are_found_in_its_table(scale: float) -> None:
    """Prices of a hundred thousand and more are told apart to the cent as well."""
    world = shop()
    dear = world.items.with_columns((pl.col("list_price", "unit_cost") * scale).round(2))
    world = replace(world, items=dear, campaign=replace(world.campaign, limits=(Appearances(),)))
    plan, certificate = certified(world, direct=False)
    assert certificate.cells.schema["price"] == (pl.Float32 if scale == 1.0 else pl.Float64)
    assert plan.offers
    assert findings(world, plan, certificate) == set()
    drawn = explore(plan, world.campaign, world.items, certificate, share=0.03, rng=np.random.default_rng(0))
    assert check(drawn.plan, world.campaign, world.items, planned_on=world.draws).broken == ()


def test_a_price_beyond_the_penalty_is_no_proof() -> None:
    world = shop()
    soft = replace(world.campaign, limits=(Budget(amount=10.0, penalty=0.2),))
    world = replace(world, campaign=soft)
    plan, certificate = certified(world, direct=True)
    assert findings(world, plan, certificate) == set()
    [price] = certificate.prices.filter(row="budget")["price"]
    assert price == pytest.approx(0.2)
    dearer = certificate.prices.with_columns(pl.when(row="budget").then(0.3).otherwise("price").alias("price"))
    assert "penalty" in findings(world, plan, replace(certificate, prices=dearer))


def test_a_table_without_the_offer_is_no_proof() -> None:
    world = shop()
    plan, certificate = certified(world, direct=True)
    slots = [slot.slot_id for slot in world.campaign.slots]
    gone = (pl.col("item") == int(plan.offers[0].item_id[1:])) & (pl.col("slot") == slots.index(plan.offers[0].slot_id))
    assert "known offer" in findings(world, plan, replace(certificate, cells=certificate.cells.filter(~gone)))


@pytest.mark.parametrize(
    ("row", "price", "limit"),
    [
        ("positions[s0]", -1.0, "sign of a price"),
        ("positions[s0]", float("nan"), "sign of a price"),
        ("category[home, s0] minimum", 1.0, "sign of a price"),
        ("budget", float("inf"), "sign of a price"),
        ("no such row", 1.0, "known row"),
    ],
)
def test_prices_that_prove_nothing_are_found(row: str, price: float, limit: str) -> None:
    world = shop()
    plan, certificate = certified(world, direct=True)
    rest = certificate.prices.filter(pl.col("row") != row)
    false = pl.concat([rest, pl.DataFrame({"row": [row], "price": [price]})])
    assert limit in findings(world, plan, replace(certificate, prices=false))


def test_saved_and_loaded_it_proves_the_same(tmp_path: Path) -> None:
    world = shop()
    plan, certificate = certified(world, direct=True)
    folder = tmp_path / "plan"
    save_plan(plan, world.campaign, world.items, folder, fresh=world.draws, certificate=certificate)
    again = load_certificate(folder / "certificate")
    assert again.prices.equals(certificate.prices)
    assert again.cells.equals(certificate.cells)
    assert again.facts == certificate.facts
    assert again.facts["n_draws"] == 8
    assert reprove(folder) == verify(plan, world.campaign, world.items, certificate.prices, certificate.cells)
    save_plan(plan, world.campaign, world.items, folder, fresh=world.draws)
    with pytest.raises(ArtifactError):  # the proof of an earlier plan is none of this one
        reprove(folder)
