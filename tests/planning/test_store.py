"""Plans survive the disk and print as a table."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from tests.planning.draws import World, slots_every, worlds

from flashlift import artifacts
from flashlift.domain import (
    Appearances,
    Budget,
    Campaign,
    CategoryCount,
    Costs,
    Excluded,
    MarginFloor,
    Plan,
    PlanStatus,
)
from flashlift.errors import ArtifactError, InfeasibleError
from flashlift.planning import best_sellers, load_plan, plan_table, save_plan, solve


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
    save_plan(plan, world.campaign, folder, inputs="abc")
    assert load_plan(folder) == (plan, world.campaign)
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
            MarginFloor(margin_frac=-0.1),
        ),
        costs=Costs(return_frac=0.1, return_cost=1.0, holding_cost=0.5),
        price_ending=0.99,
    )
    plan = Plan(offers=(), status=PlanStatus.OPTIMAL, objective=0.0, bound=0.0, gap_frac=0.0, limit_prices={})
    save_plan(plan, campaign, tmp_path / "p")
    assert load_plan(tmp_path / "p") == (plan, campaign)


@settings(max_examples=5, deadline=None)
@given(worlds())
def test_plans_of_rules_survive_too(tmp_path_factory: pytest.TempPathFactory, world: World) -> None:
    campaign = Campaign(slots=world.campaign.slots, ladder=world.campaign.ladder)
    plan = best_sellers(campaign, world.items, world.draws)
    folder = tmp_path_factory.mktemp("plan") / "rule"
    save_plan(plan, campaign, folder)
    assert load_plan(folder) == (plan, campaign)


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
