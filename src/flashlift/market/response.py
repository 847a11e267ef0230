"""The law of demand in this world: constant elasticity, a lift from being shown, and purchases pulled forward.

Another world is another class with these methods; history, truth and forward play ask nothing else of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["LogLinear"]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLinear:
    """Units in a sale = units at list price x lift x (1 - discount) ** elasticity.

    Args:
        elasticity: d ln units / d ln price of each item, below 0.
        lift: factor from being shown, price unchanged, at least 1.
        pull: share of extra units that is missing in the weeks after, in [0, 1].
    """

    elasticity: FloatArray
    lift: FloatArray
    pull: FloatArray

    def multiplier(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """Factor on demand at list price, at least 1; exactly 1 without a discount. `item` and `discount` broadcast."""
        shown = self.lift[item] * (1.0 - discount) ** self.elasticity[item]
        return np.asarray(np.where(discount > 0.0, shown, 1.0))

    def arc_elasticity(self, discount: float) -> FloatArray:
        """Own-price arc elasticity of each item from list price to `discount`, visibility unchanged.

        d ln units / d ln price; the same for every discount in this world.
        """
        every = np.arange(len(self.elasticity))
        shown = self.multiplier(every, np.full(len(every), discount)) / self.lift
        return np.asarray(np.log(shown) / np.log1p(-discount))

    def pulled(self, item: IntArray, extra: FloatArray) -> FloatArray:
        """Units missing afterwards, as `extra` (n, ...) units of `item` (n,) were sold; none if extra is negative."""
        return np.asarray(self.pull[item].reshape(-1, *[1] * (extra.ndim - 1)) * np.maximum(extra, 0.0))
