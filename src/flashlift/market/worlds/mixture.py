"""All mechanisms at once, each weaker, and no parametric family right: the default."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law, PriceResponse, World
from flashlift.market.worlds.attention import Shared
from flashlift.market.worlds.kinked import kinked
from flashlift.market.worlds.substitution import Logit
from flashlift.market.worlds.waiting import waiting
from flashlift.protocols import FloatArray, IntArray

__all__ = ["WORLD", "TwoKinds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TwoKinds:
    """Some of an item's customers answer to price as in one law, the others as in another.

    The elasticity then changes with the discount even where it is constant for every single customer.

    Args:
        one: response of the first kind.
        other: response of the second kind.
        share: of the first kind, in [0, 1], (n_items,).
    """

    one: PriceResponse
    other: PriceResponse
    share: FloatArray

    @property
    def memory(self) -> float:
        """The longer of both memories."""
        return max(self.one.memory, self.other.memory)

    def factor(self, item: IntArray, discount: FloatArray, reference: FloatArray) -> FloatArray:
        """Mean over the kinds."""
        one, other = (kind.factor(item, discount, reference) for kind in (self.one, self.other))
        return np.asarray(self.share[item] * one + (1.0 - self.share[item]) * other)

    def scar(self, lift: FloatArray) -> FloatArray:
        """Mean over the kinds."""
        return np.asarray(self.share * self.one.scar(lift) + (1.0 - self.share) * self.other.scar(lift))


def mixture(law: Law, config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> Law:
    """Two kinds of customers, competing items, shared attention, some waiting, some empty shelves."""
    prices, kinds, times = rng.spawn(3)
    timed = waiting(law, config, items, times)
    return replace(
        timed,
        price=TwoKinds(
            one=law.price,
            other=kinked(law, config, items, prices).price,
            share=kinds.beta(1.5, 1.5, len(items)),
        ),
        choice=Logit(outside=0.85),
        attention=Shared(scale=25.0, depth=1.0, position=0.03),
        lift=1.0 + 1.5 * (law.lift - 1.0),
        pull=0.5 * timed.pull,
        wait=0.5 * timed.wait,
        cover=1.0,
    )


WORLD = World(
    assumes="A real shop is none of the pure worlds: part of each item's customers compare with a reference price and "
    "part do not, neighbors compete, deals share attention, some wait or stock up, some shelves run empty.",
    mechanisms=(mixture,),
)
