"""Half of the substitution groups run at one price, half at the other, in pairs of like size."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale
from benchmarks.experiment_truth.lots import by_unit

NAME = "item-randomized by substitution group"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """Items that compete have one price, so arms meet only where all deals compete for attention."""
    return by_unit(sale, sale.block.group, rng)
