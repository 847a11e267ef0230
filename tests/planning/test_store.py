"""Plans survive the disk and print as a table."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from polars.testing import assert_frame_equal
from tests.planning.draws import FRIDAY, World, catalog, log_linear, slots_every, worlds

from flashlift import artifacts
from flashlift.domain import Campaign, Costs, Plan, PlanStatus
from flashlift.errors import ArtifactError, InfeasibleError
from flashlift.limits import (
    AlwaysTogether,
    Appearances,
    Blackout,
    BrandCount,
    Budget,
    CategoryCount,
    Excluded,
    FunderBudget,
    MarginFloor,
    MaxChange,
    NeverTogether,
    Nomination,
    Nominations,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    StockReserve,
)
from flashlift.planning import best_sellers, check, load_plan, plan_table, recheck, save_plan, solve


@settings(max_examples=20, deadline=None)
@given(worlds())
def test_round_trip(tmp_path_factory: pytest.TempPathFactory, world: World) -> None:
    folder = tmp_path_factory.mktemp("plan") / "one"
    try:
        plan = solve(world.campaign, world.items, world.draws)
    except InfeasibleError:
        plan = Plan(
            offers=(), status=PlanStatus.TIME_LIMITED, objective=0.0, bound=1.0, gap_frac=1.0, limit_prices={"x": 0.1}
        )
    verdict = save_plan(plan, world.campaign, world.items, folder, fresh=world.draws, inputs="abc")
    assert verdict == check(plan, world.campaign, world.items, world.draws)
    saved = load_plan(folder)
    assert (saved.plan, saved.campaign, saved.verdict) == (plan, world.campaign, verdict)
    assert_frame_equal(saved.items, world.items)
    head = artifacts.read_manifest(folder)
    assert head is not None
    assert head["inputs"] == "abc"


def test_every_kind_of_limit_survives(tmp_path: Path) -> None:
    campaign = Campaign(
        slots=slots_every(2),
        ladder=(0.1,),
        limits=(
            Appearances(maximum=2, cool_down_hours=4.5),
            Budget(amount=1.5),
            CategoryCount(category="限时", maximum=None, per_slot=True),
            Excluded(item_ids=("a", "b")),
            Blackout(start=FRIDAY, end=FRIDAY + timedelta(hours=1), item_ids=("i0",)),
            BrandCount(brand="限时", minimum=1),
            Pinned(item_id="i0", discount_frac=0.1),
            ReferencePrice(minimum_frac=0.05, policy="ours"),
            NotAboveCompetitor(),
            Rest(hours=72.0),
            FunderBudget(funder="b", amount=5.0, brand="c"),
            Nominations(offers=(Nomination(item_id="i0", price=1.5, stock=3, seller="s", funding_frac=0.5),)),
            StockReserve(units=3, share=0.5),
            SellThrough(minimum_frac=0.5),
            PerCustomer(maximum=2),
            MaxChange(item_ids=("i0",), new=1),
            NeverTogether(item_ids=("i0", "i1")),
            AlwaysTogether(item_ids=("i0", "i1")),
            MarginFloor(margin_frac=-0.1),
        ),
        costs=Costs(return_frac=0.1, return_cost=1.0, holding_cost=0.5),
        price_ending=0.99,
    )
    plan = Plan(offers=(), status=PlanStatus.OPTIMAL, objective=0.0, bound=0.0, gap_frac=0.0, limit_prices={})
    rng = np.random.default_rng(0)
    save_plan(plan, campaign, catalog(rng, 2), tmp_path / "p", fresh=log_linear(rng, 2, campaign.slots, 3))
    saved = load_plan(tmp_path / "p")
    assert (saved.plan, saved.campaign) == (plan, campaign)


@settings(max_examples=5, deadline=None)
@given(worlds())
def test_plans_of_rules_survive_too(tmp_path_factory: pytest.TempPathFactory, world: World) -> None:
    campaign = Campaign(slots=world.campaign.slots, ladder=world.campaign.ladder)
    plan = best_sellers(campaign, world.items, world.draws)
    folder = tmp_path_factory.mktemp("plan") / "rule"
    verdict = save_plan(plan, campaign, world.items, folder, fresh=world.draws, planned_on=world.draws)
    assert verdict.broken == ()
    assert verdict.claims == "exact"
    saved = load_plan(folder)
    assert (saved.plan, saved.campaign, saved.verdict) == (plan, campaign, verdict)


def one_plan(tmp_path: Path) -> tuple[Plan, World, Path]:
    rng = np.random.default_rng(1)
    campaign = Campaign(slots=slots_every(2), ladder=(0.2,), limits=(Appearances(),))
    world = World(campaign=campaign, items=catalog(rng, 4), draws=log_linear(rng, 4, campaign.slots, 5))
    plan = best_sellers(campaign, world.items, world.draws)
    return plan, world, tmp_path / "p"


def test_a_broken_plan_is_saved_with_its_faults(tmp_path: Path) -> None:
    plan, world, folder = one_plan(tmp_path)
    where = f"{plan.offers[0].item_id} in s0"
    broken = replace(plan, offers=(replace(plan.offers[0], price=float("inf"), quota=0), *plan.offers[1:]))
    verdict = save_plan(broken, world.campaign, world.items, folder, fresh=world.draws)
    assert {("price", where, math.inf), ("quota", where, 1.0)} <= {(b.limit, b.where, b.amount) for b in verdict.broken}
    assert load_plan(folder).verdict == verdict


def test_a_saved_plan_is_judged_again_without_trust(tmp_path: Path) -> None:
    """A forged price is found, though the verdict saved with it says that all is well."""
    plan, world, folder = one_plan(tmp_path)
    save_plan(plan, world.campaign, world.items, folder, fresh=world.draws, planned_on=world.draws)
    assert recheck(folder).broken == ()
    assert recheck(folder).value is None
    assert recheck(folder, draws=world.draws) == check(plan, world.campaign, world.items, world.draws)
    dearer = recheck(folder, items=world.items.with_columns(pl.col("list_price") * 2.0))
    assert {b.limit for b in dearer.broken} == {"ladder", "discount"}
    saved = artifacts.load(folder, "plan")
    forged = saved.frames["offers"].with_columns(price=pl.lit(None, pl.Float64))
    artifacts.save(replace(saved, frames={**saved.frames, "offers": forged}), folder)
    assert load_plan(folder).verdict.broken == ()
    assert [(b.limit, b.amount) for b in recheck(folder).broken] == [("price", math.inf)] * len(plan.offers)


def test_figures_changed_on_disk_are_found_without_draws(tmp_path: Path) -> None:
    plan, world, folder = one_plan(tmp_path)
    save_plan(plan, world.campaign, world.items, folder, fresh=world.draws)
    offers = pl.read_parquet(folder / "offers.parquet")
    offers.with_columns(pl.col("expected_units") * 3.0).write_parquet(folder / "offers.parquet")
    with pytest.raises(ArtifactError, match="changed since"):
        recheck(folder)


def test_damage_is_named(tmp_path: Path) -> None:
    artifacts.save(artifacts.Artifact(kind="plan", manifest={"plan": {"status": "odd"}}), tmp_path / "p")
    with pytest.raises(ArtifactError, match="is damaged"):
        load_plan(tmp_path / "p")
    with pytest.raises(ArtifactError, match="There is no plan"):
        load_plan(tmp_path / "q")


@settings(max_examples=10, deadline=None)
@given(worlds())
def test_the_table_has_a_row_for_each_offer(world: World) -> None:
    campaign = Campaign(slots=world.campaign.slots, ladder=world.campaign.ladder)
    plan = solve(campaign, world.items, world.draws)
    table = plan_table(plan, campaign, world.items)
    assert table["item_id"].to_list() == [offer.item_id for offer in plan.offers]
    starts = {slot.slot_id: slot.start for slot in campaign.slots}
    assert table["start"].to_list() == [starts[offer.slot_id] for offer in plan.offers]
    cheaper = table.select((pl.col("price") < pl.col("list_price")).all()).item()
    assert cheaper
    assert table.null_count().select(pl.exclude("title")).sum_horizontal().item() == 0
