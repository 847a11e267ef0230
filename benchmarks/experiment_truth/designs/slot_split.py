"""Windows switch between the prices in a balanced order, and all windows of a price share that price's quota."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale, sold
from benchmarks.experiment_truth.windows import kept, wanted_in
from flashlift.experiments.switchback import arm_quotas, balanced_orders
from flashlift.stats.totals import within_total

NAME = "slot-split switchback"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """Each arm is a sale of half the size, with every kind of hour; chance is judged by substitution groups."""
    block, found = sale.block, []
    orders = balanced_orders(block.slots, block.forecast.sum(axis=0), rng=rng)
    size = np.bincount(block.group, block.size)
    for future in range(block.stage.futures.n_futures):
        treated = orders[rng.integers(len(orders))]
        quota = arm_quotas(sale.stock, block.forecast, treated, rng=rng)
        wanted = wanted_in(sale, treated, future)
        arms = []
        for a in (0, 1):
            on = treated == a
            units = sold(wanted[:, on], quota[:, a])
            earned = kept(sale, units, treated[on], rng).sum(axis=1)
            arms.append(np.bincount(block.group, earned * sale.stock / quota[:, a]))
        found.append(within_total(arms[1], arms[0], size))
    return Measured.of(found)
