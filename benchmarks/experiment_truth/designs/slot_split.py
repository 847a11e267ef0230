"""Prices alternate from window to window, and every window has its own part of the stock."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from benchmarks.experiment_truth.block import PLENTY, Block, Measured
from benchmarks.experiment_truth.windows import assign, paired
from flashlift.protocols import IntArray

NAME = "slot-split switchback"


def measure(block: Block, control: float, treatment: float, *, rng: np.random.Generator) -> Measured:
    """No window can empty the shelf of another."""
    treated = assign(rng)
    offers = block.offers(control + (treatment - control) * treated, _parts(block))
    unlimited = replace(block.stage, stock=np.full_like(block.stage.stock, PLENTY))
    return paired(block.revenue(offers, unlimited).sum(axis=0), treated)


def _parts(block: Block) -> IntArray:
    """Stock of each deal in each window, in proportion to expected demand; rounded so that it sums to the whole."""
    cumulative = block.expected.cumsum(axis=1)
    borders = np.rint(block.allotted[:, None] * cumulative / np.maximum(cumulative[:, -1:], 1e-12))
    return np.diff(borders, axis=1, prepend=0.0).astype(np.int64)
