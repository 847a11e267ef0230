"""(e) Strategic customers: they wait for an announced sale, and stock up in it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law, World

__all__ = ["WORLD", "waiting"]


def waiting(law: Law, config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> Law:
    """Take a share of the extra units from the days before the sale, and another from the weeks after."""
    n = len(items)
    return replace(
        law,
        notice_days=4,
        pull=rng.uniform(config.pull_lower, config.pull_upper, n),
        wait=rng.uniform(0.5 * config.pull_lower, 0.5 * config.pull_upper, n),
    )


WORLD = World(
    assumes="Sales are announced four days ahead. Part of the units a sale adds are bought later than without it "
    "(customers waited) and part earlier (they stocked up), so sales before and after it fall.",
    mechanisms=(waiting,),
)
