"""Half of the deals run at one price, half at the other, in pairs of similar expected revenue."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import CONTROL, Block, Measured

NAME = "item-randomized"


def measure(block: Block, control: float, treatment: float, *, rng: np.random.Generator) -> Measured:
    """Stock is each item's own, so arms meet only where items compete for customers or attention."""
    n = len(block.deals) // 2 * 2
    worth = block.expected.sum(axis=1) * block.shop.items.price(np.full(len(block.deals), CONTROL), block.deals)
    pairs = np.argsort(-worth, kind="stable")[:n].reshape(-1, 2)
    coin = rng.integers(2, size=len(pairs))
    treated = np.zeros(len(block.deals))
    treated[pairs[np.arange(len(pairs)), coin]] = 1.0
    revenue = block.revenue(block.offers((control + (treatment - control) * treated)[:, None])).sum(axis=1)
    difference = revenue[pairs[np.arange(len(pairs)), coin]] - revenue[pairs[np.arange(len(pairs)), 1 - coin]]
    return Measured.of_differences(difference, scale=float(len(block.deals)))
