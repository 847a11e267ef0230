"""Half of the deals run at one price, half at the other, in pairs of like size."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale
from benchmarks.experiment_truth.lots import by_unit

NAME = "item-randomized, each item for itself"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """Stock is each item's own, so arms meet only where items compete for customers or attention."""
    return by_unit(sale, np.arange(len(sale.stock)), rng)
