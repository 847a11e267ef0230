"""One block of replicates: a shop, a sale, some futures, what is wanted in them at each price, and shelves to empty."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cache
from typing import Protocol

import numpy as np
from scipy.special import stdtrit

from flashlift import market
from flashlift.domain import Costs, Offer, Slot
from flashlift.market import SimulatedShop, Stage
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.totals import TotalEffect

__all__ = [
    "CONTROL",
    "TREATMENT",
    "Block",
    "Design",
    "Measured",
    "Sale",
    "Size",
    "allotted",
    "make_block",
    "returned",
    "sold",
]

CONTROL = 0.3  # discount of the control arm
TREATMENT = 1.0 - (1.0 - CONTROL) * 1.25  # the same deals at a price 25 % higher
DAYS, HOURS = (1, 2, 3, 4), (9, 12, 15, 18)
WINDOW_HOURS = 2
PLENTY = 10**7
ITEM_ERROR, CELL_ERROR = 0.3, 0.1  # standard deviations of the log error of the forecast: of an item, of its windows
UNUSED = 1  # seed of the futures behind the forecast, in which no replicate lives


@dataclass(frozen=True, kw_only=True)
class Size:
    """How large the study is.

    Args:
        n_items: items of the shop.
        n_deals: of these, the best sellers, in the sale.
        n_customers: customers.
        n_events: sets how much is sold.
        n_blocks: blocks of replicates.
        n_futures: replicates in a block.
    """

    n_items: int = 200
    n_deals: int = 100
    n_customers: int = 10_000
    n_events: int = 9_000_000
    n_blocks: int = 14
    n_futures: int = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a test says, one entry per replicate; money is net revenue of the whole sale, all customers.

    Args:
        effect: estimated revenue at the treatment price less revenue at the control price.
        ci_lower, ci_upper: 95 % interval.
    """

    effect: FloatArray
    ci_lower: FloatArray
    ci_upper: FloatArray

    @classmethod
    def of(cls, found: Sequence[TotalEffect]) -> Measured:
        """From effects on totals."""
        effects = [one.effect for one in found]
        return cls(
            effect=np.array([one.value for one in effects]),
            ci_lower=np.array([one.ci_lower for one in effects]),
            ci_upper=np.array([one.ci_upper for one in effects]),
        )

    @classmethod
    def of_differences(cls, difference: FloatArray, scale: float) -> Measured:
        """From paired differences (n_pairs, n_futures), by Student's t, `scale` units each."""
        n = len(difference)
        half = stdtrit(n - 1, 0.975) * difference.std(axis=0, ddof=1) / n**0.5
        effect = difference.mean(axis=0)
        return cls(effect=scale * effect, ci_lower=scale * (effect - half), ci_upper=scale * (effect + half))


@dataclass(frozen=True, kw_only=True)
class Block:
    """A sale on the eve of its test.

    Args:
        shop: the shop.
        slots: windows of the sale; every deal runs in every window.
        deals: row numbers of the deals, the best seller first.
        group: product type of each deal, numbered from 0, within which deals may compete.
        stage: futures, with stock without end.
        expected: mean units of each deal in each window at the control price, (n_deals, n_slots).
        forecast: the same as the shop believes it to be.
        wanted: discount -> units that customers want of each deal in each window if all deals run at it,
            (n_deals, n_slots, n_futures).
        mixed: what `want` was asked for.
    """

    shop: SimulatedShop
    slots: tuple[Slot, ...]
    deals: IntArray
    group: IntArray
    stage: Stage
    expected: FloatArray
    forecast: FloatArray
    wanted: dict[float, FloatArray]
    mixed: dict[bytes, FloatArray] = field(default_factory=dict)

    def want(self, discount: FloatArray) -> FloatArray:
        """Units wanted where each deal runs at its own discount, (n_deals,), so that arms meet in the windows."""
        key = discount.tobytes()
        if key not in self.mixed:  # the same for every level of stock
            self.mixed[key] = _want(self.stage, self.shop, self.slots, self.deals, discount)
        return self.mixed[key]

    def price(self, discount: FloatArray | float) -> FloatArray:
        """Price of each deal, (n_deals,)."""
        return self.shop.items.price(np.broadcast_to(discount, self.deals.shape), self.deals)

    @property
    def size(self) -> FloatArray:
        """Forecast revenue of each deal at the control price, (n_deals,)."""
        return self.forecast.sum(axis=1) * self.price(CONTROL)


@dataclass(frozen=True, kw_only=True)
class Sale:
    """A block with the stock that is allotted to each deal, (n_deals,), and the discounts of the arms of its test."""

    block: Block
    stock: IntArray
    control: float
    treatment: float

    @property
    def arms(self) -> tuple[float, float]:
        """Discounts in control and treatment."""
        return self.control, self.treatment


class Design(Protocol):
    """A file in `designs`."""

    NAME: str

    def measure(self, sale: Sale, *, rng: np.random.Generator) -> Measured:
        """Run the test in every future of the block and analyze it."""
        ...


def sold(wanted: FloatArray, stock: IntArray | FloatArray) -> FloatArray:
    """What windows (n, n_slots, ...) sell, one after the other, from one heap of each item (n,)."""
    heap = np.asarray(stock).reshape(-1, *[1] * (wanted.ndim - 1))
    return np.asarray(np.diff(np.minimum(wanted.cumsum(axis=1), heap), axis=1, prepend=0.0))


def returned(discount: FloatArray | float) -> FloatArray:
    """Share of units that come back for a full refund: what is bought for its price alone is kept less often."""
    return np.asarray(0.05 + 0.2 * np.asarray(discount))


def make_block(world: str, number: int, size: Size) -> Block:
    """The same shop for all blocks of a world; futures of its own for each."""
    shop = _shop(world, size)
    slots = tuple(
        Slot(slot_id=f"day{d}-{h}h", start=start, end=start + timedelta(hours=WINDOW_HOURS), positions=size.n_deals)
        for d in DAYS
        for h in HOURS
        for start in [shop.now + timedelta(days=d, hours=h)]
    )
    deals = np.argsort(-shop.items.rate, kind="stable")[: size.n_deals]
    expected = np.maximum(_want(_stage(shop, slots, 40, UNUSED), shop, slots, deals, CONTROL).mean(axis=2), 1e-3)
    rng = np.random.default_rng((number, size.n_deals))
    errors = rng.normal(0.0, ITEM_ERROR, (len(deals), 1)) + rng.normal(0.0, CELL_ERROR, expected.shape)
    stage = _stage(shop, slots, size.n_futures, 1000 + number)
    return Block(
        shop=shop,
        slots=slots,
        deals=deals,
        group=np.unique(shop.items.group[deals], return_inverse=True)[1],
        stage=stage,
        expected=expected,
        forecast=expected * np.exp(errors),
        wanted={cut: _want(stage, shop, slots, deals, cut) for cut in (CONTROL, TREATMENT)},
    )


def allotted(block: Block, stock: float) -> IntArray:
    """Stock of each deal, as a multiple of its mean demand at the control price; at least one unit for each arm."""
    return np.maximum(np.rint(stock * block.expected.sum(axis=1)), 2).astype(np.int64)


@cache
def _shop(world: str, size: Size) -> SimulatedShop:
    config = market.MarketConfig(
        world=world, n_events=size.n_events, n_items=size.n_items, n_customers=size.n_customers, new_item_frac=0.0
    )
    return market.simulate(config, seed=0)


def _stage(shop: SimulatedShop, slots: tuple[Slot, ...], n_futures: int, seed: int) -> Stage:
    stage = shop.futures(slots, n_futures, seed=seed)
    return replace(stage, stock=np.full_like(stage.stock, PLENTY))


def _want(
    stage: Stage, shop: SimulatedShop, slots: tuple[Slot, ...], deals: IntArray, discount: FloatArray | float
) -> FloatArray:
    """Units sold without any bound, (n_deals, n_slots, n_futures)."""
    cut = np.broadcast_to(discount, deals.shape)
    price = shop.items.price(cut, deals)
    offers = [
        Offer(
            item_id=f"i{row}",
            slot_id=slot.slot_id,
            discount_frac=float(cut[d]),
            price=float(price[d]),
            quota=PLENTY,
            expected_units=0.0,
            expected_value=0.0,
        )
        for d, row in enumerate(deals)
        for slot in slots
    ]
    return np.asarray(stage.play(offers, Costs()).sold.reshape(len(deals), len(slots), -1))
