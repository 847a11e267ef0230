"""The naive test: customers are split, and both arms buy from one heap of stock."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale, sold
from benchmarks.experiment_truth.customers import bought, n_customers, split
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments

NAME = "customer split, shared stock"


def measure(sale: Sale, *, rng: np.random.Generator) -> Measured:
    """What the cheaper arm buys is missing on the shelf of the other; customers are compared by Welch's t."""
    n, found = n_customers(sale.block), []
    for _, treated, (low, high) in split(sale, rng):
        given = sold(low + high, sale.stock).astype(np.int64)
        first = rng.hypergeometric(low.astype(np.int64), high.astype(np.int64), given)  # they come in random order
        units = [first.sum(axis=1), (given - first).sum(axis=1)]
        trade = bought(sale, units, treated, rng)
        spent = np.bincount(trade.customer, trade.value, minlength=n)
        found.append(compare(Moments.of(spent[treated == 0.0]), Moments.of(spent[treated == 1.0])).effect)
    return Measured(
        effect=n * np.array([one.value for one in found]),
        ci_lower=n * np.array([one.ci_lower for one in found]),
        ci_upper=n * np.array([one.ci_upper for one in found]),
    )
