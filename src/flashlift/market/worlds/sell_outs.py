"""(f) Sell-outs: shelves run empty, sooner when much is wanted, and what was wanted then is nowhere in the log."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.market.law import Law, World

__all__ = ["WORLD", "sell_outs"]


def sell_outs(law: Law, config: MarketConfig, items: ItemBase, rng: np.random.Generator) -> Law:
    """Keep little stock."""
    return replace(law, cover=0.35)


WORLD = World(
    assumes="The merchant keeps a few weeks of stock for most items and less for many. Shelves run empty, sooner in a "
    "sale; the log shows what was sold, never what was wanted, and the sale itself is planned on what is left.",
    mechanisms=(sell_outs,),
)
