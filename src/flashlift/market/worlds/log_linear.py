"""(a) Constant elasticity: the textbook law, and what most estimators assume."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law, World
from flashlift.market.words import CATEGORIES, QUALITIES
from flashlift.protocols import FloatArray, IntArray

__all__ = ["WORLD", "LogLinear", "plainest", "true_elasticities"]

_LEAST_ELASTIC, _MOST_ELASTIC = -0.6, -5.0
_AMPLE = 2.0  # times the usual cover: sell-outs are rare, they have a world of their own


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLinear:
    """Units = normal units x (1 - discount) ** elasticity.

    Args:
        elasticity: d ln units / d ln price of each item, below 0, (n_items,).
    """

    elasticity: FloatArray

    @property
    def memory(self) -> float:
        """None: customers compare with nothing."""
        return 0.0

    def factor(self, item: IntArray, discount: FloatArray, reference: FloatArray) -> FloatArray:
        """The power law; what customers are used to does not matter."""
        return np.asarray((1.0 - discount) ** self.elasticity[item])

    def scar(self, lift: FloatArray) -> FloatArray:
        """None."""
        return np.zeros_like(lift)


def true_elasticities(config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> FloatArray:
    """Elasticities that differ by category, by quality (better goods sell on more than price) and by item."""
    shift = np.array([shift for _, shift in QUALITIES.values()])
    between = rng.normal(0.0, config.elasticity_sd / 2, len(CATEGORIES))
    own = rng.normal(0.0, config.elasticity_sd, len(items))
    elasticity = config.elasticity_mean + between[items.category] + shift[items.quality] + own
    return np.asarray(np.clip(elasticity, _MOST_ELASTIC, _LEAST_ELASTIC))


def plainest(config: MarketConfig, items: ItemBase, *, rng: np.random.Generator) -> Law:
    """The law that every world starts from: constant elasticity, a lift from being shown, ample stock, nothing else."""
    response, lift = rng.spawn(2)
    return Law(
        price=LogLinear(elasticity=true_elasticities(config, items, response)),
        lift=np.maximum(config.lift_mean * lift.lognormal(0.0, config.lift_sd, len(items)), 1.0),
        pull=np.zeros(len(items)),
        wait=np.zeros(len(items)),
        cover=_AMPLE,
    )


WORLD = World(
    assumes="Demand is a power of the price, with an elasticity of its own for each item and a constant lift from "
    "being shown. Stock is ample, items do not compete, and nobody shifts a purchase in time.",
    mechanisms=(),
)
