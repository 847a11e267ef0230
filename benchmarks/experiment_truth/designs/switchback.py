"""Prices alternate from window to window; all windows sell from one heap of stock."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Block, Measured
from benchmarks.experiment_truth.windows import assign, paired

NAME = "switchback, shared stock"


def measure(block: Block, control: float, treatment: float, *, rng: np.random.Generator) -> Measured:
    """What a cheap window sells is missing in the next one."""
    treated = assign(rng)
    revenue = block.revenue(block.offers(control + (treatment - control) * treated))
    return paired(revenue.sum(axis=0), treated)
