"""(d) Saturating traffic: deals of one slot share the visitors whom they draw together."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law, World
from flashlift.protocols import FloatArray, IntArray

__all__ = ["WORLD", "Shared", "attention"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """n deals draw 1 - exp(-n / scale) of the reachable visitors, who look at deep and high-placed deals first.

    Args:
        scale: number of deals at which traffic has reached 63 % of its ceiling.
        depth: how much a deeper discount draws from the others, per unit of discount (log weight).
        position: how much each lower position costs (log weight).
    """

    scale: float
    depth: float
    position: float

    def share(self, depth: FloatArray, position: IntArray | None) -> FloatArray:
        """Traffic of all deals, split by weight, relative to the traffic of one deal alone."""
        n = len(depth)
        weight = np.exp(self.depth * depth - (0.0 if position is None else self.position * (position - 1.0)))
        drawn = np.expm1(-n / self.scale) / np.expm1(-1.0 / self.scale)
        return np.asarray(drawn * weight / weight.sum()) if n else np.zeros(0)


def attention(law: Law, config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> Law:
    """Let deals share attention; alone, a deal would be seen more than in the other worlds."""
    return replace(law, attention=Shared(scale=12.0, depth=2.0, position=0.06), lift=1.0 + 1.6 * (law.lift - 1.0))


WORLD = World(
    assumes="The visitors whom a sale draws are limited. Each further deal adds less traffic, and deep discounts and "
    "high positions take the eyes from the others, so the lift of a deal depends on its company.",
    mechanisms=(attention,),
)
