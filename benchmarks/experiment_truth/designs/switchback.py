"""Prices alternate from window to window; all windows sell from one heap of stock."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale, sold
from benchmarks.experiment_truth.windows import assign, kept, paired, wanted_in

NAME = "switchback, shared stock"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """What a cheap window sells is missing in the next one."""
    revenue, orders = [], []
    for future in range(sale.block.stage.futures.n_futures):
        treated = assign(rng)
        units = sold(wanted_in(sale, treated, future), sale.stock)
        revenue.append(kept(sale, units, treated, rng).sum(axis=0))
        orders.append(treated)
    return paired(np.stack(revenue, axis=1), np.stack(orders, axis=1))
