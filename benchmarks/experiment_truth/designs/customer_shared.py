"""The naive test: customers are split, and both arms buy from one heap of stock."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Block, Measured
from benchmarks.experiment_truth.customers import split_customers
from flashlift.market import Stock

NAME = "customer split, shared stock"


def measure(block: Block, control: float, treatment: float, *, rng: np.random.Generator) -> Measured:
    """What the cheaper arm buys is missing on the shelf of the other."""
    return split_customers(block, control, treatment, stock=Stock.SHARED, rng=rng)
