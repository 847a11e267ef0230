"""Deals in one arm each: a lot for some futures, what is then wanted, and the analysis."""

from __future__ import annotations

import numpy as np

from benchmarks.experiment_truth.block import Measured, Sale, sold
from benchmarks.experiment_truth.windows import kept
from flashlift.experiments.paired_units import pair_by_size
from flashlift.protocols import IntArray
from flashlift.stats.totals import split_total

__all__ = ["by_unit"]

LOTS = 4  # per block: each asks the market anew


def by_unit(sale: Sale, unit: IntArray, rng: np.random.Generator) -> Measured:
    """Treat units (a number from 0 for each deal) in pairs of like size; a lot holds for a part of the futures."""
    block, found = sale.block, []
    size = np.bincount(unit, block.size)
    lots = [pair_by_size(size, rng=rng) for _ in range(LOTS)]
    for futures, treated in zip(np.array_split(np.arange(block.stage.futures.n_futures), LOTS), lots, strict=True):
        mine = treated[unit]
        alike = sale.control == sale.treatment
        wanted = block.wanted[sale.control] if alike else block.want(np.where(mine > 0.0, sale.treatment, sale.control))
        for future in futures:
            units = sold(wanted[:, :, future], sale.stock)
            earned = kept(sale, units, mine[:, None], rng).sum(axis=1)
            found.append(split_total(np.bincount(unit, earned), size, treated))
    return Measured.of(found)
