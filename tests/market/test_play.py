"""Joint play against a plain loop over futures, and the arms of experiments."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from math import exp, floor

import numpy as np
import pytest
from tests.market.offers import offer

from flashlift.domain import Costs, Offer, Slot
from flashlift.errors import InputError
from flashlift.market import Arm, MarketConfig, SimulatedShop, Stage, Stock, simulate
from flashlift.market.noise import poisson_quantile

COSTS = Costs(return_frac=0.05, return_cost=1.0, holding_cost=0.2)


def neighbors(shop: SimulatedShop) -> list[int]:
    """The items of the group that sells most."""
    sales = np.bincount(shop.items.group, shop.items.rate * (np.bincount(shop.items.group)[shop.items.group] > 2))
    return np.flatnonzero(shop.items.group == sales.argmax()).tolist()


@pytest.fixture(scope="module")
def stage(shop: SimulatedShop, slots: list[Slot]) -> Stage:
    return shop.futures(slots, 40, seed=7)


def plain_value(shop: SimulatedShop, stage: Stage, offers: list[Offer]) -> list[float]:
    """The mixture's law and the account by plain loops: one slot after the other, item by item, future by future."""
    futures, law, items = stage.futures, shop.law, shop.items
    values = []
    for k in range(futures.n_futures):
        left = {int(o.item_id[1:]): float(stage.stock[int(o.item_id[1:])]) for o in offers}
        sold_units: dict[int, float] = {}
        revenue: dict[int, float] = {}
        change: dict[int, float] = {}
        for atom, (start, _) in enumerate(futures.atoms):
            live = [o for o in offers if next(s for s in futures.slots if s.slot_id == o.slot_id).start == start]
            depths = [1 - o.price / items.list_price[int(o.item_id[1:])] for o in live]
            weights = [exp(law.attention.depth * d) for d in depths]
            drawn = (1 - exp(-len(live) / law.attention.scale)) / (1 - exp(-1 / law.attention.scale))
            own = {}
            for o, d, w in zip(live, depths, weights, strict=True):
                i = int(o.item_id[1:])
                one, ref = np.array([i]), futures.reference[atom, [i]]
                price = law.price.factor(one, np.array([d]), ref)[0] / law.price.factor(one, np.zeros(1), ref)[0]
                own[i] = (1 + (law.lift[i] - 1) * drawn * w / sum(weights)) * price
            for group in {int(items.group[i]) for i in own}:
                members = [int(j) for j in np.flatnonzero(items.group == group)]
                base = {j: float(futures.atom_rate[atom, j, k]) for j in members}
                drawn_mean = sum(base[j] * own.get(j, 1.0) for j in members) / sum(base.values())
                state = 1 / (law.choice.outside + (1 - law.choice.outside) * drawn_mean)
                for j in members:
                    factor, count = own.get(j, 1.0) * state, int(futures.counts[atom, j, k])
                    tie = (futures.tie_item[j, k] + futures.tie_atom[atom, k]) % 1.0
                    if factor >= 1:
                        wanted = count + poisson_quantile(np.array([tie]), np.array([base[j] * (factor - 1)]))[0]
                    else:
                        wanted = count - min(floor(count * (1 - factor) + tie), count)
                    if j in own:
                        deal = next(o for o in live if o.item_id == f"i{j}")
                        sold = min(wanted, deal.quota, left[j])
                        left[j] -= sold
                        sold_units[j] = sold_units.get(j, 0.0) + sold
                        revenue[j] = revenue.get(j, 0.0) + sold * deal.price
                        moved = law.pull[j] + law.wait[j] + law.price.scar(law.lift)[j]
                        change[j] = change.get(j, 0.0) - count - min(moved, 1.0) * max(sold - count, 0.0)
                    else:
                        change[j] = change.get(j, 0.0) + wanted - count
        total = 0.0
        for j, moved in change.items():
            without = float(futures.counts[:, j, k].sum() + futures.rest[j, k])
            cost, price, stock = items.unit_cost[j], items.list_price[j], float(stage.stock[j])

            def earned(units: float, money: float, at_list: float, cost=cost, price=price, stock=stock) -> float:
                bought = min(max(at_list, 0.0), max(stock - units, 0.0))
                margin = money - units * cost + bought * (price - cost)
                returned = COSTS.return_frac * (units + bought)
                kept = (1 - COSTS.return_frac) * margin - returned * COSTS.return_cost
                return kept - (max(stock - units, 0.0) - bought) * COSTS.holding_cost

            total += earned(sold_units.get(j, 0.0), revenue.get(j, 0.0), without + moved) - earned(0.0, 0.0, without)
        values.append(total)
    return values


def test_joint_play_equals_plain_loops(shop: SimulatedShop, stage: Stage) -> None:
    rows = neighbors(shop)
    others = [int(i) for i in np.argsort(-shop.items.rate)[:6] if int(i) not in rows]
    offers = [offer(shop, i, "s0", 0.3) for i in rows[:2]] + [offer(shop, rows[0], "s1", 0.2)]
    offers += [offer(shop, i, "s1", 0.4, quota=2) for i in others]
    found = stage.play(offers, COSTS).value
    np.testing.assert_allclose(found, plain_value(shop, stage, offers), rtol=1e-5, atol=1e-4)  # rates are 32-bit
    assert np.abs(found).max() > 1.0


def test_offers_of_one_group_are_worth_less_together(slots: list[Slot]) -> None:
    shop = simulate(MarketConfig.sized(120_000, world="substitution"), seed=4)
    stage = shop.futures(slots, 400, seed=7)
    offers = [offer(shop, i) for i in neighbors(shop)]
    together = stage.play(offers, Costs()).sold.sum(axis=0).mean()
    alone = sum(stage.play([one], Costs()).sold.sum(axis=0).mean() for one in offers)
    assert together < 0.97 * alone


def test_one_arm_of_everybody_is_the_plan(shop: SimulatedShop, stage: Stage) -> None:
    offers = [offer(shop, i) for i in range(8)]
    plan = stage.play(offers, COSTS)
    arm = stage.play_arms([Arm(name="everybody", share=1.0, offers=tuple(offers))], COSTS, stock=Stock.SPLIT)
    np.testing.assert_array_equal(plan.value, arm.value)


def test_arms_sell_their_share(shop: SimulatedShop, slots: list[Slot]) -> None:
    """Two arms with the same offers sell in proportion to their customers, and together what the plan sells."""
    stage = shop.futures(slots, 400, seed=3)
    offers = tuple(offer(shop, int(i)) for i in np.argsort(-shop.items.rate)[:10])
    rich = replace(stage, stock=stage.stock + 10_000)
    whole = rich.play(offers, COSTS).sold.sum(axis=0)
    parts = rich.play_arms([Arm(name="a", share=0.3, offers=offers), Arm(name="b", share=0.7, offers=offers)], COSTS)
    first, second = (parts.sold[parts.arm == k].sum(axis=0) for k in (0, 1))
    error = (first + second - whole).std() / 400**0.5
    assert abs((first + second - whole).mean()) < 4 * error
    assert first.sum() / (first + second).sum() == pytest.approx(0.3, abs=0.02)


def test_arms_share_stock_or_have_their_own(shop: SimulatedShop, slots: list[Slot]) -> None:
    stage = shop.futures(slots, 200, seed=3)
    row = int(np.argmax(np.where(shop.past.on_hand[-1] > 50, shop.items.rate, 0.0)))
    cheap, dear = offer(shop, row, discount=0.4, quota=4), offer(shop, row, discount=0.1, quota=4)
    arms = [Arm(name="cheap", share=0.5, offers=(cheap,)), Arm(name="dear", share=0.5, offers=(dear,))]
    shared, split = (stage.play_arms(arms, COSTS, stock=stock).sold for stock in (Stock.SHARED, Stock.SPLIT))
    assert (shared.sum(axis=0) <= 4).all()
    assert shared[0].max() > 2, "an arm may take more than its half of a shared heap"
    assert (split <= 2).all()
    assert (split.sum(axis=0) < 4).any()


def test_a_switched_off_arm_buys_at_list_price(shop: SimulatedShop, slots: list[Slot]) -> None:
    stage = shop.futures(slots, 300, seed=3)
    offers = tuple(offer(shop, int(i)) for i in np.argsort(-shop.items.rate)[:10])
    half = stage.play_arms([Arm(name="sale", share=0.5, offers=offers), Arm(name="none", share=0.5, offers=())], COSTS)
    whole = stage.play(offers, COSTS)
    assert half.sold.sum() == pytest.approx(whole.sold.sum() / 2, rel=0.05)
    assert half.displaced.sum() == pytest.approx(whole.displaced.sum() / 2, rel=0.05)


def test_shares_that_do_not_sum_to_one_are_refused(stage: Stage) -> None:
    with pytest.raises(InputError, match="sum to 1"):
        stage.play_arms([Arm(name="a", share=0.4, offers=())], COSTS)


def test_the_events_of_arms_belong_to_their_customers(shop: SimulatedShop, slots: list[Slot]) -> None:
    rows = [int(i) for i in np.argsort(-shop.items.rate)[:12]]
    arms = [
        Arm(name="deep", share=0.5, offers=tuple(offer(shop, i, discount=0.4) for i in rows)),
        Arm(name="flat", share=0.5, offers=tuple(offer(shop, i, discount=0.1) for i in rows)),
    ]
    outcome = shop.run(arms, slots, COSTS, seed=2, n_futures=3)
    assert outcome.events["at"].is_sorted()
    assert outcome.events["event_id"].is_unique().all()
    of = dict(outcome.assignment.iter_rows())
    assert 0.4 < np.mean([variant == "deep" for variant in of.values()]) < 0.6
    told = 0
    for arm in arms:
        for one in arm.offers:
            deal = (outcome.events["item_id"] == one.item_id) & (outcome.events["price"] == one.price)
            buyers = outcome.events.filter(deal & (outcome.events["event"] == "purchase"))
            assert all(of[customer] == arm.name for customer in buyers["customer_id"])
            told += int(buyers["quantity"].sum())
    assert told == outcome.units["event_units"].sum() > 5


def simultaneous(shop: SimulatedShop) -> list[Slot]:
    start = shop.now + timedelta(days=2, hours=18)
    return [Slot(slot_id=name, start=start, end=start + timedelta(hours=4), positions=20) for name in ("s0", "s1")]


def test_arms_that_meet_at_one_shelf_from_two_slots_come_in_random_order(shop: SimulatedShop) -> None:
    row = int(np.argmax(shop.items.rate))
    stage = shop.futures(simultaneous(shop), 1500, seed=3)
    stage = replace(stage, stock=np.full_like(stage.stock, 1))
    arms = [
        Arm(name="a", share=0.5, offers=(offer(shop, row, "s0", 0.4),)),
        Arm(name="b", share=0.5, offers=(offer(shop, row, "s1", 0.4),)),
    ]
    sold = stage.play_arms(arms, COSTS).sold
    assert (sold.sum(axis=0) <= 1).all()
    assert sold.sum() > 300, "the shelf was hardly contested"
    difference = sold[0] - sold[1]
    assert abs(difference.mean()) < 4 * difference.std() / 1500**0.5


def test_deals_live_at_one_moment_share_attention_whatever_their_slots(shop: SimulatedShop) -> None:
    stage = shop.futures(simultaneous(shop), 100, seed=3)
    rows = [int(i) for i in np.argsort(-shop.items.rate)[:10]]
    together = stage.play([offer(shop, i, "s0") for i in rows], COSTS)
    apart = stage.play([offer(shop, i, f"s{k % 2}") for k, i in enumerate(rows)], COSTS)
    np.testing.assert_array_equal(together.sold, apart.sold)


def test_a_quota_too_small_to_split_is_refused(shop: SimulatedShop, stage: Stage) -> None:
    arms = [Arm(name=name, share=0.5, offers=(offer(shop, 1, quota=1),)) for name in ("a", "b")]
    with pytest.raises(InputError, match="quota of 1 leaves nothing for the arm 'a'"):
        stage.play_arms(arms, COSTS, stock=Stock.SPLIT)


@pytest.mark.parametrize(
    ("arms", "said"),
    [
        ([Arm(name="a", share=0.5, offers=()), Arm(name="b", share=0.4, offers=())], "sum to 1"),
        ([Arm(name="a", share=float("nan"), offers=())], "sum to 1"),
        ([Arm(name="a", share=0.5, offers=()), Arm(name="a", share=0.5, offers=())], "share a name"),
        ([Arm(name="a", share=1.0, offers=()), "no offer"], "offers, or arms, and not both"),
        ([Arm(name="a", share=1.0 - 1e-12, offers=()), Arm(name="b", share=1e-12, offers=())], "No customer"),
    ],
)
def test_impossible_arms_are_refused(shop: SimulatedShop, slots: list[Slot], arms: list, said: str) -> None:
    with pytest.raises(InputError, match=said):
        shop.run(arms, slots, COSTS, seed=1, n_futures=3)


def test_offers_may_come_from_a_generator(shop: SimulatedShop, slots: list[Slot]) -> None:
    rows = (1, 2, 3)
    one = shop.run((offer(shop, i) for i in rows), slots, COSTS, seed=1, n_futures=3, with_events=False)
    other = shop.run([offer(shop, i) for i in rows], slots, COSTS, seed=1, n_futures=3, with_events=False)
    assert one.value == other.value
    assert len(one.units) == 3


def test_impossible_futures_and_costs_are_refused(shop: SimulatedShop, slots: list[Slot], stage: Stage) -> None:
    first = slots[0]
    for wrong, said in (
        ([first, first], "share a name"),
        ([replace(first, end=first.start)], "not after its start"),
        ([replace(first, start=first.start.replace(tzinfo=None))], "without a time zone"),
    ):
        with pytest.raises(InputError, match=said):
            shop.futures(wrong, 3, seed=1)
    with pytest.raises(InputError, match="0 futures"):
        shop.futures(slots, 0, seed=1)
    with pytest.raises(InputError, match="are no costs"):
        stage.play([], Costs(return_frac=2.0))
    with pytest.raises(InputError, match="quota of nan"):
        stage.play([replace(offer(shop, 1), quota=float("nan"))], COSTS)  # type: ignore[arg-type]
