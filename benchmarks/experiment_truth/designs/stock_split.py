"""Customers are split, and so is the stock: each arm has its own half."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale, sold
from benchmarks.experiment_truth.customers import bought, split
from flashlift.experiments.allot import allot
from flashlift.experiments.stock_split import split_effect

NAME = "stock-split"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """Each arm is a shop of half the size."""
    block, found = sale.block, []
    for _, treated, wanted in split(sale, rng):
        quota = allot(sale.stock, np.full((len(sale.stock), 2), 0.5), rng=rng)
        units = [sold(wanted[a], quota[:, a]).sum(axis=1) for a in (0, 1)]
        trade = bought(sale, units, treated, rng)
        found.append(
            split_effect(
                customer=trade.customer,
                item=trade.item,
                value=trade.value,
                treated=treated,
                size=block.size,
                quota=quota,
                sold_out=np.stack(units, axis=1) >= quota,
                group=block.group,
            )
        )
    return Measured.of(found)
