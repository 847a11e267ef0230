"""Customers are split, and so is the stock: each arm has its own half."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Block, Measured
from benchmarks.experiment_truth.customers import split_customers
from flashlift.market import Stock

NAME = "stock-split"


def measure(block: Block, control: float, treatment: float, *, rng: np.random.Generator) -> Measured:
    """Each arm is a shop of half the size."""
    return split_customers(block, control, treatment, stock=Stock.SPLIT, rng=rng)
