"""The value of one offer, against a slow account of one draw at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from tests.planning.draws import World, catalog, log_linear, slots_every, worlds
from tests.planning.oracle import funding

from flashlift.domain import Campaign
from flashlift.errors import InputError, SettingsError
from flashlift.limits import Budget, CategoryCount, Excluded, MarginFloor
from flashlift.planning import check, problem
from flashlift.planning.problem import build_columns
from flashlift.planning.solution import offers_of
from flashlift.planning.stock import saleable


def one_draw(world: World, item: int, slot: int, price: float, quota: int, draw: int) -> tuple[float, float, float]:
    """Contribution of one item with one offer less without, extra units, units sold; plain arithmetic."""
    row = world.items.row(item, named=True)
    demand, costs = world.draws, world.campaign.costs
    cell = lambda d: demand.units(np.array([item]), np.array([slot]), np.array([d]))[0, draw]  # noqa: E731
    base = demand.without_sale(np.array([item]))[0, draw]
    sold = min(cell(1 - price / row["list_price"]), quota)
    extra = sold - cell(0.0)
    change = demand.aftermath(np.array([item]), np.full((1, demand.n_draws), extra))[0, draw]

    income = price + funding(row["item_id"], row, world) * (row["list_price"] - price)

    def total(in_sale: float, wanted: float) -> float:
        at_list = min(max(wanted, 0.0), max(row["stock"] - in_sale, 0.0))
        kept = in_sale * (income - row["unit_cost"]) + at_list * (row["list_price"] - row["unit_cost"])
        back = costs.return_frac * (in_sale + at_list)
        left = max(row["stock"] - in_sale, 0.0) - at_list
        return (1 - costs.return_frac) * kept - back * costs.return_cost - left * costs.holding_cost

    return total(sold, base - cell(0.0) + change) - total(0.0, base), extra, sold


def elsewhere(world: World, item: int, extra: float, draw: int) -> float:
    """What extra units of `item` do to the others, one unit's worth at a time their list margin."""
    cross, costs, total = world.draws.cross(), world.campaign.costs, 0.0
    for source, target, effect in zip(cross.source, cross.target, cross.effect, strict=True):
        if source == item:
            row = world.items.row(int(target), named=True)
            base = world.draws.without_sale(np.array([target]))[0, draw]
            more = min(max(base + effect * extra, 0.0), row["stock"]) - min(base, row["stock"])
            margin = (1 - costs.return_frac) * (row["list_price"] - row["unit_cost"])
            total += more * (margin - costs.return_frac * costs.return_cost + costs.holding_cost)
    return total


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=4, max_slots=2))
def test_values_agree_with_a_slow_account(world: World) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    for k in range(len(columns)):
        item, slot, price = int(columns.item[k]), int(columns.slot[k]), float(columns.price[k])
        quota = int(columns.quota[k])
        draws = [one_draw(world, item, slot, price, quota, d) for d in range(world.draws.n_draws)]
        values = [v + elsewhere(world, item, extra, d) for d, (v, extra, _) in enumerate(draws)]
        units = float(np.mean([sold for _, _, sold in draws]))
        assert columns.value[k] == pytest.approx(np.mean(values), abs=1e-7)
        assert columns.units[k] == pytest.approx(units, abs=1e-9)
        given_away = (world.items["list_price"][item] - price) * units
        assert columns.discount_cost[k] == pytest.approx(given_away, abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(worlds(max_items=4, max_slots=2))
def test_the_checker_gives_every_single_offer_the_same_value(world: World) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    for k in range(len(columns)):
        offers = offers_of(np.arange(len(columns)) == k, columns, world.campaign, world.items)
        verdict = check(offers, world.campaign, world.items, world.draws)
        assert verdict.value.value == pytest.approx(columns.value[k], abs=1e-6)
        assert verdict.discount_cost == pytest.approx(columns.discount_cost[k], abs=1e-6)


@settings(max_examples=60, deadline=None)
@given(worlds())
def test_quota_is_the_quantile_within_stock(world: World) -> None:
    columns = build_columns(world.campaign, world.items, world.draws)
    wanted = world.draws.units(columns.item, columns.slot, columns.discount)
    stock = saleable(world.campaign, world.items)[columns.item]
    assert (columns.quota >= 1).all()
    assert (columns.quota <= stock).all()
    covered = (wanted <= columns.quota[:, None] + 1e-6).mean(axis=1)
    assert ((covered >= world.campaign.quota_quantile - 1e-9) | (columns.quota == stock)).all()
    fewer = (wanted <= columns.quota[:, None] - 1 - 1e-6).mean(axis=1)
    assert (fewer < world.campaign.quota_quantile).all()


@settings(max_examples=30, deadline=None)
@given(worlds())
def test_values_do_not_depend_on_the_block_size(world: World) -> None:
    whole = build_columns(world.campaign, world.items, world.draws)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(problem, "BLOCK", 1)
        parts = build_columns(world.campaign, world.items, world.draws)
    np.testing.assert_array_equal(parts.item, whole.item)
    np.testing.assert_allclose(parts.value, whole.value, atol=1e-9)


def test_only_offers_that_may_run_become_columns() -> None:
    rng = np.random.default_rng(1)
    slots = slots_every(2)
    items = catalog(rng, 6).with_columns(list_price=10.0, unit_cost=7.0)
    stock = items["stock"].to_numpy().copy()
    stock[5] = 0
    items = items.with_columns(stock=stock)
    draws = log_linear(rng, 6, slots, 5)
    draws = replace(draws, rate=np.where(np.arange(6)[:, None] == 4, 0.0, draws.rate))  # i4: nobody wants it
    limits = (MarginFloor(margin_frac=0.125), Excluded(item_ids=("i0", "i1", "nowhere")))
    columns = build_columns(Campaign(slots=slots, ladder=(0.5, 0.2, 0.1), limits=limits), items, draws)
    assert set(columns.item.tolist()) == {2, 3}
    assert set(columns.price.tolist()) == {9.0, 8.0}  # 8.00 keeps exactly 12.5 %; 5.00 is below cost


def test_progress_reaches_its_end() -> None:
    rng = np.random.default_rng(1)
    slots = slots_every(2)
    seen: list[tuple[float, float]] = []
    build_columns(
        Campaign(slots=slots, ladder=(0.1,)),
        catalog(rng, 3),
        log_linear(rng, 3, slots, 4),
        progress=lambda task, done, total, note="": seen.append((done, total)),
    )
    assert seen[-1] == (6, 6)


def test_demand_that_is_no_number_is_an_error() -> None:
    rng = np.random.default_rng(1)
    slots = slots_every(2)
    draws = log_linear(rng, 3, slots, 4)
    draws.rate[1, 2] = np.nan
    with pytest.raises(InputError, match="item i1 are not finite"):
        build_columns(Campaign(slots=slots, ladder=(0.1,)), catalog(rng, 3), draws)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ladder": (0.2, 20.0)}, "discount 20.0"),
        ({"slots": slots_every(1) * 2}, "share a name"),
        ({"slots": slots_every(1, hours=0.0)}, "end after it starts"),
        ({"slots": slots_every(1, positions=-1)}, "-1 positions"),
        ({"quota_quantile": 1.5}, "quota_quantile is 1.5"),
        ({"price_ending": 1.99}, "price_ending is 1.99"),
        ({"price_ending": 0.995}, "whole cents"),
        ({"limits": (Budget(amount=float("nan")),)}, "no number"),
        ({"limits": (CategoryCount(category="", maximum=1),)}, "names no category"),
    ],
)
def test_contradictory_campaigns_are_refused(change: dict[str, object], message: str) -> None:
    rng = np.random.default_rng(1)
    slots = slots_every(1)
    campaign = replace(Campaign(slots=slots, ladder=(0.1,)), **change)
    with pytest.raises(SettingsError, match=message):
        build_columns(campaign, catalog(rng, 1), log_linear(rng, 1, slots, 2))
