"""One plain example of each limit that few campaigns have: what it does to a plan, and what it refuses."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from tests.planning.draws import FRIDAY, catalog, log_linear, slots_every

from flashlift.domain import Campaign, Plan
from flashlift.errors import InfeasibleError, SettingsError
from flashlift.limits import (
    AlwaysTogether,
    Appearances,
    Blackout,
    BrandCount,
    FunderBudget,
    Limit,
    MaxChange,
    NeverTogether,
    NotAboveCompetitor,
    PerCustomer,
    Pinned,
    ReferencePrice,
    Rest,
    SellThrough,
    StockReserve,
)
from flashlift.planning import check, solve
from flashlift.planning.desk import Desk

SLOTS = slots_every(2, positions=3)
N = 12


def shop(**columns: object) -> pl.DataFrame:
    items = catalog(np.random.default_rng(4), N).with_columns(list_price=10.0, unit_cost=5.0)
    return items.with_columns(**{name: pl.Series(values) for name, values in columns.items()})


def plan(*limits: Limit, items: pl.DataFrame | None = None, ladder: tuple[float, ...] = (0.1, 0.2, 0.3)) -> Plan:
    items = shop() if items is None else items
    campaign = Campaign(slots=SLOTS, ladder=ladder, limits=(Appearances(maximum=2), *limits))
    draws = log_linear(np.random.default_rng(4), N, SLOTS, 8)
    found = solve(campaign, items, draws)
    assert check(found, campaign, items, planned_on=draws).broken == ()
    return found


def test_brands_are_counted_like_categories() -> None:
    items = shop(brand=["acme"] * 2 + ["zen"] * 9 + [None])
    brands = dict(zip(items["item_id"], items["brand"], strict=True))
    for per_slot, most in ((False, 1), (True, 2)):
        found = plan(BrandCount(brand="zen", maximum=1, per_slot=per_slot), items=items)
        assert sum(brands[offer.item_id] == "zen" for offer in found.offers) == most
    at_least = plan(BrandCount(brand="acme", minimum=2, per_slot=True), items=items)
    assert sum(brands[offer.item_id] == "acme" for offer in at_least.offers) >= 4
    with pytest.raises(SettingsError, match="Did you mean 'zen'"):
        plan(BrandCount(brand="zenn", maximum=1), items=items)


def test_a_reference_price_bounds_the_discount_on_it() -> None:
    """List price 10, lowest of the last days 9: 9.00 is no reduction, 8.00 is 11 %, 7.00 is 22 %."""
    items = shop(reference_price=[9.0] * 6 + [10.0] * 5 + [None])
    found = plan(ReferencePrice(minimum_frac=0.1, maximum_frac=0.2), items=items)
    reference = dict(zip(items["item_id"], items["reference_price"], strict=True))
    assert found.offers
    assert {(reference[offer.item_id], offer.price) for offer in found.offers} <= {(9.0, 8.0), (10.0, 9.0), (10.0, 8.0)}


def test_an_item_without_a_reference_runs_only_where_that_is_allowed() -> None:
    nothing_known = shop()
    assert plan(ReferencePrice()).offers == ()
    assert plan(ReferencePrice(unknown_may_run=True), items=nothing_known).offers
    with pytest.raises(SettingsError, match=r"between 0\.5 and 0\.2"):
        plan(ReferencePrice(minimum_frac=0.5, maximum_frac=0.2))


def test_no_price_above_a_known_competitor() -> None:
    items = shop(competitor_price=[7.5] * 6 + [None] * 6)
    found = plan(NotAboveCompetitor(), items=items)
    theirs = dict(zip(items["item_id"], items["competitor_price"], strict=True))
    assert all(theirs[offer.item_id] is None or offer.price == 7.0 for offer in found.offers)


def test_an_item_rests_after_its_last_sale_and_before_its_next_one() -> None:
    """Slots on Friday and Saturday, 18 to 20 o'clock; sales that ended on Friday at noon, and that begin on Sunday."""
    best = [offer.item_id for offer in plan().offers if offer.slot_id == "s0"]
    ended = [FRIDAY - timedelta(hours=6) if f"i{k}" in best else None for k in range(N)]
    items = shop(last_sale_end=ended)
    assert live(plan(Rest(hours=6.0), items=items)) == live(plan())
    for offer in (found := plan(Rest(hours=7.0), items=items)).offers:
        assert offer.slot_id == "s1" or offer.item_id not in best
    assert any(offer.item_id in best for offer in found.offers)
    soon = shop(next_sale_start=[SLOTS[1].end + timedelta(hours=10)] * N)
    assert {offer.slot_id for offer in plan(Rest(hours=11.0), items=soon).offers} == {"s0"}
    assert plan(Rest(hours=1000.0)) == plan()
    with pytest.raises(SettingsError, match="out of its range"):
        plan(Rest(hours=-1.0))


def test_a_blackout_closes_every_slot_that_it_touches() -> None:
    home = {f"i{k}" for k in range(0, N, 2)}
    last_minute = SLOTS[0].end - timedelta(minutes=1)
    found = plan(Blackout(start=last_minute, end=SLOTS[0].end, category="home"))
    assert home.isdisjoint(offer.item_id for offer in found.offers if offer.slot_id == "s0")
    assert not home.isdisjoint(offer.item_id for offer in found.offers if offer.slot_id == "s1")
    between = plan(Blackout(start=SLOTS[0].end, end=SLOTS[1].start))
    assert between == plan()
    assert {offer.slot_id for offer in plan(Blackout(start=FRIDAY, end=SLOTS[0].end)).offers} == {"s1"}
    with pytest.raises(SettingsError, match="names no time zone"):
        plan(Blackout(start=FRIDAY.replace(tzinfo=None), end=SLOTS[1].end))
    with pytest.raises(SettingsError, match="end after it starts"):
        plan(Blackout(start=FRIDAY, end=FRIDAY))


def test_a_pinned_item_is_in_the_plan_as_asked() -> None:
    worst = next(f"i{k}" for k in range(N) if f"i{k}" not in {offer.item_id for offer in plan().offers})
    assert worst in {offer.item_id for offer in plan(Pinned(item_id=worst)).offers}
    found = plan(Pinned(item_id=worst, slot_id="s1", discount_frac=0.3))
    assert [offer.price for offer in found.offers if (offer.item_id, offer.slot_id) == (worst, "s1")] == [7.0]


@pytest.mark.parametrize(
    ("pin", "words"),
    [
        (Pinned(item_id="i99"), "item 'i99', which the campaign does not have. Did you mean 'i9'"),
        (Pinned(item_id="i1", slot_id="s9"), "slot 's9'"),
        (Pinned(item_id="i1", discount_frac=0.25), "0.25 off, which is no step of the ladder"),
    ],
)
def test_a_pin_that_means_nothing_is_refused(pin: Pinned, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        plan(pin)


def live(found: Plan) -> dict[str, set[str]]:
    return {slot.slot_id: {offer.item_id for offer in found.offers if offer.slot_id == slot.slot_id} for slot in SLOTS}


def test_rivals_are_never_on_offer_at_one_moment() -> None:
    best = plan()
    rivals = tuple(sorted(live(best)["s0"]))
    assert len(rivals) == 3
    found = plan(NeverTogether(item_ids=rivals))
    assert all(len(items & set(rivals)) <= 1 for items in live(found).values())
    assert found.objective < best.objective


def test_a_set_runs_as_a_whole_or_not_at_all() -> None:
    best = plan()
    left_out = next(f"i{k}" for k in range(N) if f"i{k}" not in {offer.item_id for offer in best.offers})
    first = best.offers[0].item_id
    found = plan(AlwaysTogether(item_ids=(first, left_out)))
    assert all(len(items & {first, left_out}) in {0, 2} for items in live(found).values())
    asked = plan(AlwaysTogether(item_ids=(first, left_out)), Pinned(item_id=left_out, slot_id="s1"))
    assert {first, left_out} <= live(asked)["s1"]


def test_a_set_that_must_run_and_may_not_is_named() -> None:
    together = AlwaysTogether(item_ids=("i0", "i1", "i2", "i3"))
    with pytest.raises(InfeasibleError) as caught:
        plan(together, Pinned(item_id="i0", slot_id="s0"))
    assert "pinned[i0, s0]" in caught.value.limits
    assert any(name.startswith("always together") for name in caught.value.limits)
    with pytest.raises(SettingsError, match="fewer than two items"):
        plan(NeverTogether(item_ids=("i0", "i0")))


def test_a_pinned_item_that_may_not_run_is_named() -> None:
    items = shop(reference_price=[8.0] * N)
    with pytest.raises(InfeasibleError) as caught:
        plan(Pinned(item_id="i3", slot_id="s0"), ReferencePrice(minimum_frac=0.2), items=items)
    assert set(caught.value.limits) == {"pinned[i3, s0]", "reference price"}
    with pytest.raises(InfeasibleError) as caught:
        plan(*(Pinned(item_id=f"i{k}", slot_id="s0") for k in range(4)))
    assert set(caught.value.limits) == {*(f"pinned[i{k}, s0]" for k in range(4)), "positions[s0]"}


def test_the_reserve_is_kept_for_normal_sale() -> None:
    items = shop(stock=[4] * N)
    free = max(offer.quota for offer in plan(items=items).offers)
    assert free > 1
    kept = plan(StockReserve(units=3, share=0.5), items=items)
    assert {offer.quota for offer in kept.offers} == {1}
    assert plan(StockReserve(share=1.0), items=items).offers == ()
    with pytest.raises(SettingsError, match="out of its range"):
        plan(StockReserve(share=1.5))


def test_every_offer_sells_the_share_of_its_quota_asked_for() -> None:
    shares = [offer.expected_units / offer.quota for offer in plan().offers]
    target = float(np.median(shares))
    assert min(shares) < target
    found = plan(SellThrough(minimum_frac=target))
    assert found.offers
    assert all(offer.expected_units / offer.quota >= target - 1e-9 for offer in found.offers)
    with pytest.raises(InfeasibleError) as caught:
        plan(Pinned(item_id="i0"), SellThrough(minimum_frac=1.0))
    assert set(caught.value.limits) == {"pinned[i0]", "sell-through"}


def test_every_offer_states_what_a_customer_may_buy() -> None:
    assert {offer.per_customer for offer in plan().offers} == {None}
    assert {offer.per_customer for offer in plan(PerCustomer(maximum=2), PerCustomer(maximum=3)).offers} == {2}
    with pytest.raises(SettingsError, match="out of its range"):
        plan(PerCustomer(maximum=0))


def test_a_plan_moves_only_so_far_from_the_approved_one() -> None:
    worst = tuple(f"i{k}" for k in range(N) if f"i{k}" not in {offer.item_id for offer in plan().offers})[:4]
    found = plan(MaxChange(item_ids=worst, new=1, kept=3))
    old = [offer for offer in found.offers if offer.item_id in worst]
    assert len(found.offers) - len(old) <= 1
    assert len(old) >= 3


def test_a_desk_values_offers_again_for_another_reserve() -> None:
    items, draws = shop(stock=[4] * N), log_linear(np.random.default_rng(4), N, SLOTS, 8)
    limits = (Appearances(maximum=2), StockReserve(units=3))
    campaign = Campaign(slots=SLOTS, ladder=(0.1, 0.2, 0.3), limits=limits)
    desk = Desk.open(campaign, items, draws)
    assert desk.plan().objective == pytest.approx(solve(campaign, items, draws).objective, rel=1e-3)
    target = (*limits, SellThrough(minimum_frac=0.5), Blackout(start=FRIDAY, end=SLOTS[0].end, category="home"))
    same = solve(Campaign(slots=SLOTS, ladder=campaign.ladder, limits=target), items, draws)
    assert desk.plan(target).objective == pytest.approx(same.objective, rel=1e-3)
    free = Campaign(slots=SLOTS, ladder=campaign.ladder, limits=limits[:1])
    assert desk.plan(limits[:1]).objective == pytest.approx(solve(free, items, draws).objective, rel=1e-3)
    assert desk.plan().objective == pytest.approx(solve(campaign, items, draws).objective, rel=1e-3)


def test_a_funder_pays_a_share_up_to_his_budget() -> None:
    items = shop(brand=["acme"] * 6 + [None] * 6)

    def paid(found: Plan) -> float:
        mine = {*items.filter(pl.col("brand") == "acme")["item_id"], "i11"}
        return 0.5 * sum((10.0 - o.price) * o.expected_units for o in found.offers if o.item_id in mine)

    free = plan(items=items)
    funded = FunderBudget(funder="Acme", amount=0.5 * paid(free), share=0.5, brand="acme", item_ids=("i11",))
    found = plan(funded, items=items)
    assert 0.0 < paid(found) <= funded.amount + 1e-9
    assert "budget[Acme]" in found.limit_prices
    with pytest.raises(SettingsError, match="out of its range"):
        plan(FunderBudget(funder="Acme", amount=-1.0, brand="acme"), items=items)
