"""(b) A reference price with a kink: small cuts go unnoticed, and what customers got used to, they miss later."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import MEDIAN_STEP, Law, World
from flashlift.market.worlds.log_linear import true_elasticities
from flashlift.protocols import FloatArray, IntArray

__all__ = ["WORLD", "Kinked", "kinked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinked:
    """Units = normal units x (price / reference) ** elasticity, of gains beyond a threshold and of losses apart.

    After the reference-price models reviewed by Mazumdar, Raj and Sinha (Journal of Marketing 69(4), 2005): the
    reference is a moving average of past prices, gains count only beyond a threshold, losses weigh on their own.

    Args:
        gain: elasticity beyond the threshold, below 0, (n_items,).
        loss: elasticity of paying more than the reference, below 0, (n_items,).
        threshold: log price cut below the reference that goes unnoticed, (n_items,).
        memory: weight of yesterday's reference.
    """

    gain: FloatArray
    loss: FloatArray
    threshold: FloatArray
    memory: float = 0.93

    def factor(self, item: IntArray, discount: FloatArray, reference: FloatArray) -> FloatArray:
        """Gain beyond the threshold, loss above the reference."""
        cut = np.log(reference) - np.log1p(-discount)  # positive: cheaper than what customers are used to
        noticed = np.maximum(cut - self.threshold[item], 0.0)
        return np.asarray(np.exp(-self.gain[item] * noticed - self.loss[item] * np.minimum(cut, 0.0)))

    def scar(self, lift: FloatArray) -> FloatArray:
        """Loss from the fall of the reference price, at the median step, per extra unit of that step.

        A sale of a part of a day lowers the reference by (1 - memory) x that part x discount; the loss is summed
        over the days until it is forgotten. The part of the day and the item's rate cancel.
        """
        every = np.arange(len(lift))
        step, usual = np.full(len(lift), MEDIAN_STEP), np.ones(len(lift))
        extra = lift * self.factor(every, step, usual) - 1.0
        return np.asarray(-self.loss * MEDIAN_STEP / np.maximum(extra, 0.5))


def kinked(law: Law, config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> Law:
    """Replace the response to price: steeper beyond a threshold of some percent, and a memory of weeks."""
    n = len(items)
    return replace(
        law,
        price=Kinked(
            gain=1.35 * true_elasticities(config, items, rng),  # steeper, as a part of every cut goes unnoticed
            loss=-rng.uniform(0.4, 1.2, n),
            threshold=rng.uniform(0.02, 0.12, n),
        ),
    )


WORLD = World(
    assumes="Customers compare with a reference price, a moving average of what the item cost. Cuts of a few percent "
    "go unnoticed, larger ones act strongly, and after a sale the list price looks dear for weeks.",
    mechanisms=(kinked,),
)
