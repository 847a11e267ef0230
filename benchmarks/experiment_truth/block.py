"""One block of replicates: a shop, a sale of limited stock, some futures, and the customers who live in them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Protocol

import numpy as np
from scipy.special import stdtrit

from flashlift import market
from flashlift.domain import Costs, Offer, Slot
from flashlift.market import SimulatedShop, Stage
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.comparison import Comparison

__all__ = ["CONTROL", "TREATMENT", "Block", "Design", "Measured", "Size", "make_block"]

CONTROL = 0.3  # discount of the control arm
TREATMENT = 1.0 - (1.0 - CONTROL) * 1.25  # the same deals at a price 25 % higher
DAYS, HOURS = (1, 2, 3, 4), (9, 12, 15, 18)
WINDOW_HOURS = 2
PLENTY = 10**7


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the study is.

    Args:
        n_items: items of the shop.
        n_deals: of these, the best sellers, in the sale.
        n_customers: customers.
        n_events: sets how much is sold.
        n_blocks: blocks of replicates, each with a randomization of windows and items of its own.
        n_futures: replicates in a block.
    """

    n_items: int = 200
    n_deals: int = 100
    n_customers: int = 10_000
    n_events: int = 9_000_000
    n_blocks: int = 40
    n_futures: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a test says, one entry per replicate; money is revenue of the whole sale, all customers.

    Args:
        effect: estimated revenue at the treatment price less revenue at the control price.
        ci_lower, ci_upper: 95 % interval.
    """

    effect: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray

    @classmethod
    def of(cls, comparisons: Sequence[Comparison], scale: float) -> Measured:
        """From differences of means, `scale` units each."""
        effects = [one.effect for one in comparisons]
        return cls(
            effect=scale * np.array([one.value for one in effects]),
            ci_lower=scale * np.array([one.ci_lower for one in effects]),
            ci_upper=scale * np.array([one.ci_upper for one in effects]),
        )

    @classmethod
    def of_differences(cls, difference: FloatArray, scale: float) -> Measured:
        """From paired differences (n_pairs, n_futures), by Student's t, `scale` units each."""
        n = len(difference)
        half = stdtrit(n - 1, 0.975) * difference.std(axis=0, ddof=1) / n**0.5
        effect = difference.mean(axis=0)
        return cls(effect=scale * effect, ci_lower=scale * (effect - half), ci_upper=scale * (effect + half))


class Design(Protocol):
    """A file in `designs`."""

    NAME: str

    def measure(self, block: Block, control: float, treatment: float, *, rng: np.random.Generator) -> Measured:
        """Run the test in every future of the block, with these discounts in its arms, and analyze it."""
        ...


@dataclass(frozen=True, kw_only=True)
class Block:
    """A sale on the eve of its test.

    Args:
        shop: the shop.
        slots: windows of the sale; every deal runs in every window.
        deals: row numbers of the deals, the best seller first.
        stage: futures, with what is allotted to the sale as stock.
        expected: expected units of each deal in each window at the control price, stock unlimited, (n_deals, n_slots).
    """

    shop: SimulatedShop
    slots: tuple[Slot, ...]
    deals: IntArray
    stage: Stage
    expected: FloatArray

    @property
    def allotted(self) -> IntArray:
        """Units allotted to the sale, (n_deals,)."""
        return self.stage.stock[self.deals]

    def offers(self, discount: FloatArray | float, quota: IntArray | int = PLENTY) -> list[Offer]:
        """Every deal in every window; `discount` and `quota` broadcast to (n_deals, n_slots)."""
        shape = (len(self.deals), len(self.slots))
        cut, most = np.broadcast_to(discount, shape), np.broadcast_to(quota, shape)
        price = self.shop.items.price(cut, np.repeat(self.deals[:, None], shape[1], axis=1))
        return [
            Offer(
                item_id=f"i{row}",
                slot_id=slot.slot_id,
                discount_frac=float(cut[d, s]),
                price=float(price[d, s]),
                quota=int(most[d, s]),
                expected_units=0.0,
                expected_value=0.0,
            )
            for d, row in enumerate(self.deals)
            for s, slot in enumerate(self.slots)
        ]

    def revenue(self, offers: Sequence[Offer], stage: Stage | None = None) -> FloatArray:
        """Revenue of the offers, as `offers` made them, (n_deals, n_slots, n_futures)."""
        played = (stage or self.stage).play(offers, Costs())
        money = played.sold * played.price[:, None]
        return np.asarray(money.reshape(len(self.deals), len(self.slots), -1))


def make_block(world: str, stock: float, number: int, size: Size) -> Block:
    """The same shop for all blocks of a world; futures of its own for each.

    Args:
        world: name of the world.
        stock: units allotted to each deal, as a multiple of its expected demand at the control price.
        number: of the block.
        size: of the study.
    """
    config = market.MarketConfig(
        world=world, n_events=size.n_events, n_items=size.n_items, n_customers=size.n_customers, new_item_frac=0.0
    )
    shop = market.simulate(config, seed=0)
    slots = tuple(
        Slot(slot_id=f"day{d}-{h}h", start=start, end=start + timedelta(hours=WINDOW_HOURS), positions=size.n_deals)
        for d in DAYS
        for h in HOURS
        for start in [shop.now + timedelta(days=d, hours=h)]
    )
    deals = np.argsort(-shop.items.rate, kind="stable")[: size.n_deals]
    expected = _expected(shop, slots, deals)
    heap = np.zeros(size.n_items, dtype=np.int64)
    heap[deals] = np.maximum(np.rint(stock * expected.sum(axis=1)), 2)  # one for each arm of a split
    stage = replace(shop.futures(slots, size.n_futures, seed=1000 + number), stock=heap)
    return Block(shop=shop, slots=slots, deals=deals, stage=stage, expected=expected)


def _expected(shop: SimulatedShop, slots: tuple[Slot, ...], deals: IntArray) -> FloatArray:
    """Mean units of each deal in each window over futures that no replicate uses."""
    stage = shop.futures(slots, 40, seed=1)
    rich = replace(stage, stock=np.full_like(stage.stock, PLENTY))
    block = Block(shop=shop, slots=slots, deals=deals, stage=rich, expected=np.zeros((len(deals), len(slots))))
    sold = rich.play(block.offers(CONTROL), Costs()).sold.mean(axis=1)
    return np.asarray(sold.reshape(len(deals), len(slots)))
