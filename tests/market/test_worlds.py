"""Each mechanism does what its world claims, in the law, in the past it leaves and in the future it plays."""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.market.offers import offer

from flashlift.domain import Costs, Slot
from flashlift.errors import SettingsError
from flashlift.market import WORLDS, MarketConfig, SimulatedShop, simulate
from flashlift.market.worlds import world_named
from flashlift.market.worlds.attention import Shared
from flashlift.market.worlds.kinked import Kinked
from flashlift.market.worlds.log_linear import LogLinear
from flashlift.market.worlds.mixture import TwoKinds
from flashlift.market.worlds.substitution import Logit
from flashlift.schema import Events

SIX = {"log_linear", "kinked", "substitution", "attention", "waiting", "sell_outs"}
ONE = np.array([0])


def of(world: str, seed: int = 2, n_events: int = 120_000, **change: float) -> SimulatedShop:
    return simulate(MarketConfig.sized(n_events, world=world, **change), seed=seed)


def test_there_are_six_worlds_and_their_mixture_and_the_mixture_is_the_default() -> None:
    assert set(WORLDS) == SIX | {"mixture"}
    assert MarketConfig().world == "mixture"
    for name in WORLDS:
        assert len(world_named(name).assumes) > 60


def test_an_unknown_world_is_refused_with_the_choice() -> None:
    with pytest.raises(SettingsError, match=r"'flat'. Choose one of attention, kinked"):
        simulate(MarketConfig.sized(1_000, world="flat"), seed=1)


@pytest.mark.parametrize("world", WORLDS)
def test_every_world_writes_the_same_tables_and_plays_plans(world: str, slots: list[Slot]) -> None:
    shop = simulate(MarketConfig.sized(8_000, world=world), seed=3)
    Events.validate(shop.tables.events.collect())
    outcome = shop.run([offer(shop, row) for row in (1, 5, 9)], slots, Costs(), seed=1, n_futures=20)
    Events.validate(outcome.events)
    assert np.isfinite(outcome.value.value)


def test_worlds_of_one_seed_share_items_customers_and_elasticities() -> None:
    plain, other = (of(world, n_events=8_000) for world in ("log_linear", "substitution"))
    assert plain.items.frame.equals(other.items.frame)
    np.testing.assert_array_equal(plain.law.price.elasticity, other.law.price.elasticity)


# (b) kinked


def kinked_one(threshold: float = 0.08) -> Kinked:
    return Kinked(gain=np.array([-3.0]), loss=np.array([-0.8]), threshold=np.array([threshold]))


def test_small_cuts_go_unnoticed_and_larger_ones_act_beyond_the_threshold() -> None:
    law, usual = kinked_one(), np.ones(1)
    assert law.factor(ONE, np.array([0.05]), usual) == pytest.approx(1.0)
    cut = 0.3
    assert law.factor(ONE, np.array([cut]), usual) == pytest.approx(np.exp(3.0 * (-np.log1p(-cut) - 0.08)))


def test_after_a_sale_the_list_price_looks_dear() -> None:
    law = kinked_one()
    spoiled = law.factor(ONE, np.zeros(1), np.array([0.9]))
    assert spoiled == pytest.approx(0.9**0.8)
    # The same cut is worth less to customers who are used to less.
    used, fresh = (law.factor(ONE, np.array([0.3]), np.array([r])) for r in (0.85, 1.0))
    assert used < fresh


@given(st.floats(0.01, 0.3), st.floats(0.7, 1.0), st.lists(st.floats(0.0, 0.6), min_size=2, max_size=6).map(sorted))
def test_the_kinked_response_never_falls_with_the_discount(threshold: float, used: float, cuts: list[float]) -> None:
    factor = kinked_one(threshold).factor(np.zeros(len(cuts), dtype=int), np.array(cuts), np.full(len(cuts), used))
    assert (np.diff(factor) >= -1e-12).all()


def test_the_scar_is_what_the_memory_costs() -> None:
    """A sale of a quarter of a day at the median step, followed day by day until it is forgotten."""
    law, lift, part, rate = kinked_one(), 1.8, 0.25, 40.0
    extra = rate * part * (lift * law.factor(ONE, np.array([0.2]), np.ones(1))[0] - 1.0)
    reference, lost = 1.0 - (1.0 - law.memory) * part * 0.2, 0.0
    for _ in range(400):
        lost += rate * (1.0 - law.factor(ONE, np.zeros(1), np.array([reference]))[0])
        reference = 1.0 - (1.0 - reference) * law.memory
    assert law.scar(np.array([lift]))[0] == pytest.approx(lost / extra, rel=0.02)  # first order in a small fall


def test_the_past_remembers_its_promotions() -> None:
    shop = of("kinked", promotions_per_item=6)
    last = np.zeros(len(shop.items))
    start, length, item, _, _ = shop.past.promotion.T
    np.maximum.at(last, item, start + length)
    recent, never = last > shop.config.days - 5, last < shop.config.days - 100
    assert shop.past.reference[recent].mean() < 0.98 < shop.past.reference[never].mean()
    assert (shop.past.reference <= 1.0).all()


# (c) substitution


def test_a_group_as_usual_sells_as_usual() -> None:
    base = np.array([[3.0], [5.0], [2.0]])
    np.testing.assert_allclose(Logit(outside=0.4).factor(np.array([7, 7, 9]), base, np.ones_like(base)), 1.0)


@given(st.floats(0.01, 0.99), st.lists(st.floats(0.05, 8.0), min_size=2, max_size=5), st.floats(1.0, 9.0))
def test_logit_shares_are_those_of_the_textbook(outside: float, units: list[float], appeal: float) -> None:
    """Attractions a_i, outside option a_0: shares a_i / (a_0 + sum a); scaled so that appeals 1 give `units`."""
    base, appeals = np.array(units), np.ones(len(units))
    appeals[0] = appeal
    market = base.sum() / (1.0 - outside)
    attraction, none = base / market, outside
    shares = attraction * appeals / (none + (attraction * appeals).sum())
    found = base * appeals * Logit(outside=outside).factor(np.zeros(len(units), dtype=int), base, appeals)
    np.testing.assert_allclose(found, market * shares, rtol=1e-9)


def test_a_sold_out_item_gives_customers_to_its_neighbors() -> None:
    factor = Logit(outside=0.5).factor(np.zeros(2, dtype=int), np.array([4.0, 4.0]), np.array([0.0, 1.0]))
    assert factor[1] == pytest.approx(1.0 / 0.75)


def test_the_linear_cross_effects_are_those_of_a_played_plan(slots: list[Slot]) -> None:
    shop, slots = of("substitution"), slots[:1]
    rivals = np.bincount(shop.items.group, shop.items.rate)[shop.items.group] - shop.items.rate
    seller = int(np.argmax(np.minimum(rivals, shop.items.rate)))
    draws = shop.truth.draw(shop.sale_items, slots, 1500, rng=np.random.default_rng(3))
    one, first, deal = np.array([seller]), np.zeros(1, dtype=int), offer(shop, seller, discount=0.3)
    discount = np.array([1.0 - deal.price / shop.items.list_price[seller]])
    extra = (draws.units(one, first, discount) - draws.units(one, first, np.zeros(1))).mean()
    cross = draws.cross()
    linear = cross.effect[cross.source == seller].sum() * extra
    lost = shop.futures(slots, 1500, seed=5).play([deal], Costs()).lost.sum(axis=0).mean(axis=1).sum()
    assert linear < -0.05
    # Shares vary from draw to draw, the linear effect is of the mean; and both are means of 1500 draws of few units.
    assert lost == pytest.approx(-linear, rel=0.25)


# (d) attention


def test_traffic_saturates_and_is_shared_by_weight() -> None:
    law = Shared(scale=12.0, depth=2.0, position=0.06)
    assert law.share(np.array([0.2]), None) == pytest.approx(1.0)
    whole = [law.share(np.full(n, 0.2), None).sum() for n in range(1, 40)]
    assert (np.diff(whole) > 0).all()
    assert (np.diff(whole, 2) < 0).all()
    pair = law.share(np.array([0.1, 0.4]), None)
    assert pair[1] / pair[0] == pytest.approx(np.exp(0.6))
    placed = law.share(np.full(2, 0.2), np.array([1, 11]))
    assert placed[0] / placed[1] == pytest.approx(np.exp(0.6))
    assert len(law.share(np.zeros(0), None)) == 0


def test_company_costs_a_deal_its_visitors(slots: list[Slot]) -> None:
    shop = of("attention")
    futures = shop.futures(slots, 300, seed=1)
    offers = [offer(shop, int(row)) for row in np.argsort(-shop.items.rate)[:15]]
    alone = sum(futures.play([one], Costs()).sold.mean() for one in offers)
    together = futures.play(offers, Costs()).sold.mean(axis=1).sum()
    assert together < 0.9 * alone


# (e) waiting


def test_sales_fall_before_and_after_a_promotion() -> None:
    """Against the rate that season and state alone would give."""
    before, after, normal_days = [], [], []
    shop = of("waiting", n_events=250_000, state_sd=0.0, traffic_sd=0.0, pull_lower=0.3, pull_upper=0.3)
    season = np.array(
        [shop.calendar.day_factor(shop.config.start + timedelta(days=d))[shop.items.category] for d in range(180)]
    )
    relative = shop.past.rate / (shop.items.rate * season)
    start, length, item, _, _ = shop.past.promotion.T
    for s, n, i in zip(start, length, item, strict=True):
        if s > 45 and s + n < 170 and shop.items.arrival[i] == 0:
            before.append(relative[s - 4 : s, i].mean())
            after.append(relative[s + n : s + n + 7, i].mean())
            normal_days.append(relative[s - 12 : s - 5, i].mean())
    assert len(before) > 100
    assert np.mean(before) < np.mean(normal_days) - 0.05
    assert np.mean(after) < np.mean(normal_days) - 0.02


# (f) sell-outs


def test_shelves_run_empty_far_more_often_and_the_log_shows_less_than_was_wanted() -> None:
    ample, scarce = of("log_linear"), of("sell_outs")

    def empty(shop: SimulatedShop) -> float:
        return float((shop.past.on_hand[:-1] == 0)[60:, shop.items.arrival == 0].mean())

    assert empty(scarce) > 5 * empty(ample)
    assert empty(scarce) > 0.03
    wanted = scarce.past.rate[60:].sum()
    assert scarce.past.sold[60:].sum() < 0.97 * wanted
    history = scarce.tables.history
    assert history is not None
    assert history.filter(pl.col("on_hand") == 0).height > 0


# the mixture


def test_two_kinds_of_customers_make_the_elasticity_change_with_the_discount() -> None:
    law = TwoKinds(
        one=LogLinear(elasticity=np.array([-1.0])), other=LogLinear(elasticity=np.array([-4.0])), share=np.array([0.5])
    )
    arcs = [np.log(law.factor(ONE, np.array([d]), np.ones(1))[0]) / np.log1p(-d) for d in (0.05, 0.5)]
    assert arcs[1] < arcs[0] - 0.3
    assert law.scar(np.array([2.0]))[0] == 0.0
