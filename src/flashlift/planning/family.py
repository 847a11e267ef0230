"""Rows of one limit, written down without any column.

A row bounds the total weight of the chosen offers of one group of items, in some slots or in the whole campaign. What a
weight is (an offer, a unit, the discount given) is known for every offer, so a family costs one group per item,
whatever the number of offers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["Family", "Weight"]

Weight = Literal["offers", "units", "discount_cost", "quota"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """Rows of one limit, all of them upper bounds or all of them lower bounds.

    Args:
        names: name of each row, those of one group after each other.
        limit: the limit that the rows belong to; None: each row is its own limit.
        group: group of each item, -1 for items that the limit does not touch, (n_items,).
        per_slot: each group has a row for each slot of the campaign; else one row.
        weight: what an offer adds to its row.
        upper: the bound is the most allowed; else the least.
        bound: of each row, (n_rows,).
        own: every item has its own group.
        factor: of what an item's offers add, (n_items,); None: 1.
        window: which of a group's rows each slot belongs to, -1 for none, (n_slots,); None: as `per_slot` says.
        penalty: of a unit beyond the bounds, in shop currency; inf: they may not be broken.
    """

    names: tuple[str, ...]
    limit: str | None
    group: IntArray
    per_slot: bool
    weight: Weight
    upper: bool
    bound: FloatArray
    own: bool = False
    factor: FloatArray | None = None
    window: IntArray | None = None
    penalty: float = np.inf

    def windows(self, n_slots: int) -> IntArray:
        """Which of a group's rows each slot belongs to, -1 for none, (n_slots,)."""
        if self.window is not None:
            return self.window
        return np.arange(n_slots) if self.per_slot else np.zeros(n_slots, dtype=np.int64)

    def factors(self) -> FloatArray:
        """Of what each item's offers add, (n_items,)."""
        return np.ones(len(self.group)) if self.factor is None else self.factor

    def row(self, item: IntArray, slot: IntArray, n_slots: int) -> IntArray:
        """Row of each offer, -1 where the limit does not touch it, (n,)."""
        window = self.windows(n_slots)
        group, within = self.group[item], window[slot]
        return np.where((group < 0) | (within < 0), -1, group * (window.max(initial=0) + 1) + within)
