"""(c) Substitution: items of one product type take customers from each other, by multinomial logit."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law, World
from flashlift.protocols import FloatArray, IntArray

__all__ = ["WORLD", "Logit", "substitution"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Logit:
    """Multinomial logit within a group, with an outside option (McFadden 1974).

    An item's attraction is its base units times its own appeal. A group in which everything is as usual sells its base
    units; the outside option holds `outside` of its interested customers then.

    Args:
        outside: in (0, 1); the smaller, the more a deal takes from its neighbors instead of from outside.
    """

    outside: float

    def factor(self, group: IntArray, base: FloatArray, appeal: FloatArray) -> FloatArray:
        """1 / (outside + (1 - outside) x mean appeal of the group, weighed by base units)."""
        numbers, place = np.unique(group, return_inverse=True)
        whole, drawn = np.zeros((2, len(numbers), *base.shape[1:]))
        np.add.at(whole, place, base)
        np.add.at(drawn, place, base * appeal)
        mean = np.divide(drawn, whole, out=np.ones_like(drawn), where=whole > 0.0)
        return np.asarray((1.0 / (self.outside + (1.0 - self.outside) * mean))[place])


def substitution(law: Law, config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> Law:
    """Let the items of one product type compete."""
    return replace(law, choice=Logit(outside=0.7))


WORLD = World(
    assumes="Who looks for a kettle buys one kettle: within a product type customers choose by multinomial logit, with "
    "an outside option of 0.7. A deal takes part of its units from its neighbors, and a sold-out item gives them "
    "some.",
    mechanisms=(substitution,),
)
