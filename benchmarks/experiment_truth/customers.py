"""A split of the customers: who is in which arm, what each arm wants, and who of them gets the units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.experiment_truth.block import Block, Sale, returned
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Bought", "bought", "split"]


@dataclass(frozen=True, kw_only=True)
class Bought:
    """Sales and refunds of one replicate: row numbers of customer and deal, and money."""

    customer: IntArray
    item: IntArray
    value: FloatArray


def split(sale: Sale, rng: np.random.Generator) -> Iterator[tuple[int, FloatArray, list[FloatArray]]]:
    """Future, 1 for customers in treatment, and what the customers of each arm want, (n_deals, n_slots).

    Half of the customers are in each arm, drawn anew for every future; an arm wants what its own customers want at its
    own price.
    """
    block = sale.block
    people, category = block.shop.customers, block.shop.items.category
    n = len(people.frame)
    for future in range(block.stage.futures.n_futures):
        treated = np.zeros(n)
        treated[rng.permutation(n)[: n // 2]] = 1.0
        held = people.demand_share(category, treated.astype(np.int64), 2)[:, block.deals]
        yield (
            future,
            treated,
            [
                rng.binomial(block.wanted[cut][:, :, future].astype(np.int64), share[:, None]).astype(np.float64)
                for cut, share in zip(sale.arms, held, strict=True)
            ],
        )


def bought(sale: Sale, units: list[FloatArray], treated: FloatArray, rng: np.random.Generator) -> Bought:
    """Give the units of each arm, (n_deals,), to its customers by activity and taste; some are sent back."""
    block = sale.block
    people, category = block.shop.customers, block.shop.items.category[block.deals]
    parts: list[Bought] = []
    for a, cut in enumerate(sale.arms):
        members, price = np.flatnonzero(treated == a), block.price(cut)
        weight = (people.activity[:, None] * people.taste)[members]
        for c in np.unique(category):
            mine = np.flatnonzero(category == c)
            item = np.repeat(mine, units[a][mine].astype(np.int64))
            ladder = weight[:, c].cumsum()
            place = np.searchsorted(ladder, rng.random(len(item)) * ladder[-1], side="right")
            parts.append(_with_refunds(members[place.clip(0, len(members) - 1)], item, price[item], cut, rng))
    return Bought(
        customer=np.concatenate([one.customer for one in parts]),
        item=np.concatenate([one.item for one in parts]),
        value=np.concatenate([one.value for one in parts]),
    )


def _with_refunds(
    customer: IntArray, item: IntArray, value: FloatArray, cut: float, rng: np.random.Generator
) -> Bought:
    back = rng.random(len(item)) < returned(cut)
    return Bought(
        customer=np.concatenate([customer, customer[back]]),
        item=np.concatenate([item, item[back]]),
        value=np.concatenate([value, -value[back]]),
    )


def n_customers(block: Block) -> int:
    """Customers of the shop."""
    return len(block.shop.customers.frame)
