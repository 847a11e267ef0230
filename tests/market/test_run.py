from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import polars as pl
import pytest
from tests.market.conftest import MakeOffers

from flashlift.account import contribution
from flashlift.domain import Costs, Offer, Slot
from flashlift.errors import InputError
from flashlift.market import MarketConfig, SimulatedShop, simulate
from flashlift.schema import Events

COSTS = Costs(return_frac=0.05, return_cost=1.0, holding_cost=0.2)


def plain(shop: SimulatedShop, offers: list[Offer], slots: list[Slot], seed: int = 1, futures: int = 60) -> float:
    return shop.run(offers, slots, COSTS, seed=seed, n_futures=futures, with_events=False).value.value


def test_an_empty_plan_is_worth_exactly_nothing(shop: SimulatedShop, slots: list[Slot]) -> None:
    outcome = shop.run([], slots, COSTS, seed=1, n_futures=5)
    assert (outcome.value.value, outcome.value.ci_lower, outcome.value.ci_upper) == (0.0, 0.0, 0.0)
    assert outcome.gross_sales == 0.0
    assert outcome.sell_through is None
    assert len(outcome.events) > 0  # the shop stays open


def test_the_value_is_the_account_over_draws_of_the_truth(
    shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    offers = offers_of(best, "s1", 0.15, quota=30)
    outcome = shop.run(offers, slots, COSTS, seed=4, n_futures=2000, with_events=False)
    draws = shop.truth.draw(shop.sale_items, slots, 2000, rng=np.random.default_rng(99))
    value = np.zeros(2000)
    for row, offer in zip(best, offers, strict=True):
        one, s1 = np.array([row]), np.array([1])
        base = draws.units(one, s1, np.array([0.0]))
        stock = np.array([[float(shop.sale_items["stock"][row])]])
        sold = np.minimum(draws.units(one, s1, np.array([1 - offer.price / shop.items.list_price[row]])), 30.0)
        sold = np.minimum(sold, stock)
        without = draws.without_sale(one)
        facts = {
            "list_price": shop.items.list_price[one, None],
            "unit_cost": shop.items.unit_cost[one, None],
            "stock": stock,
            "costs": COSTS,
        }
        after = draws.aftermath(one, sold - base)
        none = np.zeros_like(without)
        value += (
            contribution(sold, sold * offer.price, without - base + after, **facts)  # type: ignore[arg-type]
            - contribution(none, none, without, **facts)  # type: ignore[arg-type]
        )[0]
    error = value.std() * (2 / 2000) ** 0.5
    assert abs(value.mean() - outcome.value.value) < 4 * error
    assert outcome.value.ci_lower < outcome.value.value < outcome.value.ci_upper


def test_same_seed_same_outcome(shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers) -> None:
    one, again, other = (shop.run(offers_of(best), slots, COSTS, seed=s, n_futures=10) for s in (1, 1, 2))
    assert one.value == again.value
    assert one.events.equals(again.events)
    assert one.value != other.value


def test_common_random_numbers_sharpen_the_comparison_of_plans(
    shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    one, other = offers_of(best, discount=0.2), offers_of(best, discount=0.25)
    seeds = range(24)
    first = np.array([plain(shop, one, slots, seed, 8) for seed in seeds])
    second = np.array([plain(shop, other, slots, seed, 8) for seed in seeds])
    independent = (first - np.roll(second, 1)).var()
    assert (first - second).var() < independent / 3


def test_a_doubled_quota_never_sells_less(
    shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    sold = [
        shop.run(offers_of(best, quota=q), slots, COSTS, seed=1, n_futures=50, with_events=False).units["mean_units"]
        for q in (0, 1, 2, 4, 8)
    ]
    assert sold[0].sum() == 0
    for less, more in pairwise(sold):
        assert (less <= more).all()
    assert sold[1].sum() < sold[4].sum()


def test_a_quota_of_nothing_costs_the_displaced_sales(
    shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    assert plain(shop, offers_of(best, quota=0), slots) < 0


def test_sales_stop_when_the_stock_is_used_up(
    shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    poor = replace(shop, past=replace(shop.past, on_hand=np.minimum(shop.past.on_hand, 1)))
    offers = offers_of(best, "s0", 0.4) + offers_of(best, "s1", 0.4)
    outcome = poor.run(offers, slots, COSTS, seed=1, n_futures=50)
    both = outcome.units.group_by("item_id").agg(pl.col("mean_units", "event_units").sum())
    assert (both["mean_units"] <= 1).all()
    assert both["mean_units"].sum() > 3
    bought = outcome.events.filter(pl.col("event") == "purchase").group_by("item_id").agg(pl.col("quantity").sum())
    assert (bought["quantity"] <= 1).all()


def test_the_events_are_those_of_the_units(
    shop: SimulatedShop, slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    offers = offers_of(best[:6], "s0", 0.3, quota=3) + offers_of(best[6:], "s1", 0.3)
    outcome = shop.run(offers, slots, COSTS, seed=1, n_futures=3)
    Events.validate(outcome.events)
    assert outcome.events["at"].is_sorted()
    prices = pl.DataFrame(
        [{"item_id": o.item_id, "price": o.price, "slot_id": o.slot_id, "quota": o.quota} for o in offers]
    )
    deals = outcome.events.filter(pl.col("event") == "purchase").join(prices, on=["item_id", "price"])
    window = pl.DataFrame([{"slot_id": s.slot_id, "start": s.start, "end": s.end} for s in slots])
    placed = deals.join(window, on="slot_id")
    assert ((placed["at"] >= placed["start"]) & (placed["at"] < placed["end"])).all()
    told = deals.group_by("item_id", "quota").agg(pl.col("quantity").sum())
    assert (told["quantity"] <= told["quota"]).all()
    expected = outcome.units.filter(pl.col("event_units") > 0).select("item_id", quantity="event_units").sort("item_id")
    assert told.select("item_id", "quantity").sort("item_id").rows() == expected.rows()
    assert outcome.units["event_units"].sum() > 5
    # Nobody pays the list price of an item while it is on sale.
    during = outcome.events.join(prices.rename({"price": "sale_price"}), on="item_id").join(window, on="slot_id")
    during = during.filter((pl.col("event") != "refund") & pl.col("at").is_between("start", "end", closed="left"))
    assert (during["price"] == during["sale_price"]).all()


def test_the_future_differs_from_no_sale_by_extra_less_what_moved_in_time(
    slots: list[Slot], best: list[int], offers_of: MakeOffers
) -> None:
    alone = simulate(MarketConfig.sized(60_000, world="waiting"), seed=4)
    rich = replace(alone, past=replace(alone.past, on_hand=alone.past.on_hand + 100_000))
    totals = []
    for offers in ([], offers_of(best, "s0", 0.4)):
        events = rich.run(offers, slots, COSTS, seed=1, n_futures=2).events
        bought = events.filter(pl.col("event") == "purchase").group_by("item_id").agg(pl.col("quantity").sum())
        totals.append(dict(bought.iter_rows()))
    draws = rich.truth.draw(rich.items.frame, slots, 2, rng=np.random.default_rng((1, rich.seed)).spawn(2)[0])
    zero = np.zeros(len(best), dtype=np.int64)
    price = rich.items.price(np.full(len(best), 0.4), np.array(best))
    wanted = draws.units(np.array(best), zero, 1 - price / rich.items.list_price[best])[:, 0]
    extra = wanted - draws.units(np.array(best), zero, zero.astype(float))[:, 0]
    for row, more in zip(best, extra, strict=True):
        gained = totals[1].pop(f"i{row}") - totals[0].pop(f"i{row}")
        assert abs(gained - more + rich.law.missing(np.array([row]), np.array([[more]]))[0, 0]) < 1
    assert extra.sum() > 10
    assert totals[0] == totals[1]  # all other items


def test_deep_discounts_on_best_sellers_lose_money(
    shop: SimulatedShop, slots: list[Slot], offers_of: MakeOffers
) -> None:
    sellers = np.argsort(-shop.items.rate)[:20].tolist()
    values = [plain(shop, offers_of(sellers, discount=d), slots, futures=300) for d in (0.1, 0.2, 0.3, 0.4)]
    assert values[2] < 0
    assert values == sorted(values, reverse=True)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"item_id": "x"}, "does not sell 'x'"),
        ({"slot_id": "x"}, "slot 'x'"),
        ({"price": 0.0}, "price above 0"),
        ({"price": 1e6}, "below its list price"),
        ({"quota": -1}, "quota of -1"),
    ],
)
def test_impossible_offers_are_refused_with_the_value(
    shop: SimulatedShop, slots: list[Slot], offers_of: MakeOffers, change: dict[str, object], said: str
) -> None:
    offer = replace(offers_of([0])[0], **change)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=said):
        plain(shop, [offer], slots)


def test_an_item_has_one_price_at_a_time(shop: SimulatedShop, slots: list[Slot], offers_of: MakeOffers) -> None:
    with pytest.raises(InputError, match="twice at one moment"):
        plain(shop, offers_of([0]) + offers_of([0], discount=0.3), slots)
