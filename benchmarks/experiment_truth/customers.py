"""A split of the customers: who is in which arm, what each of them spends, and what the usual analysis makes of it."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Block, Measured
from flashlift.domain import Costs
from flashlift.market import Arm, Forward, Stock
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments

__all__ = ["split_customers"]


def split_customers(
    block: Block, control: float, treatment: float, *, stock: Stock, rng: np.random.Generator
) -> Measured:
    """Half of the customers see one price and half the other; revenue per customer is compared by Welch's t.

    The arms of every replicate are drawn anew, and demand comes from the customers who are in them. The effect is
    stated for all customers: their number x the difference of means.
    """
    shop, n_futures = block.shop, block.stage.futures.n_futures
    people = shop.customers
    arm_of = rng.integers(2, size=(n_futures, len(people.frame)))
    held = np.stack([people.demand_share(shop.items.category, arm, 2) for arm in arm_of], axis=2)
    arms = [
        Arm(name=name, share=0.5, offers=tuple(block.offers(discount, block.allotted[:, None])))
        for name, discount in (("control", control), ("treatment", treatment))
    ]
    played = block.stage.play_arms(arms, Costs(), stock=stock, demand_share=held)
    comparisons = []
    for k, arm in enumerate(arm_of):
        spent = _spent(block, played, k, arm, rng)
        comparisons.append(compare(Moments.of(spent[arm == 0]), Moments.of(spent[arm == 1])))
    return Measured.of(comparisons, scale=float(len(people.frame)))


def _spent(block: Block, played: Forward, future: int, arm: IntArray, rng: np.random.Generator) -> FloatArray:
    """Revenue of each customer in one future: every unit goes to a customer of its arm, by activity and taste."""
    people, category = block.shop.customers, block.shop.items.category
    units = played.sold[:, future].astype(np.int64)
    spent = np.zeros(len(arm))
    for a in (0, 1):
        members = np.flatnonzero(arm == a)
        weight = (people.activity[:, None] * people.taste)[members]
        for c in np.unique(category[block.deals]):
            mine = np.flatnonzero((played.arm == a) & (category[played.item] == c))
            price = np.repeat(played.price[mine], units[mine])
            ladder = weight[:, c].cumsum()
            buyer = np.searchsorted(ladder, rng.random(len(price)) * ladder[-1], side="right")
            spent[members] += np.bincount(buyer.clip(0, len(members) - 1), price, minlength=len(members))
    return spent
