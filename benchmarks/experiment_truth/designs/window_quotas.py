"""Prices alternate from window to window, and the stock is cut into windows."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale
from benchmarks.experiment_truth.windows import assign, kept, paired, wanted_in

NAME = "switchback, stock cut into windows"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """No window can empty the shelf of another; but sixteen small shelves are not one large one."""
    cumulative = sale.block.forecast.cumsum(axis=1)
    quota = np.diff(np.rint(sale.stock[:, None] * cumulative / cumulative[:, -1:]), axis=1, prepend=0.0)
    revenue, orders = [], []
    for future in range(sale.block.stage.futures.n_futures):
        treated = assign(rng)
        units = np.minimum(wanted_in(sale, treated, future), quota)
        revenue.append(kept(sale, units, treated, rng).sum(axis=0))
        orders.append(treated)
    return paired(np.stack(revenue, axis=1), np.stack(orders, axis=1))
