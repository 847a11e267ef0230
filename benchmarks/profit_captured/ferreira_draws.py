"""Point predictions that know the prices of an item's group."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from benchmarks.profit_captured.case import Case
from benchmarks.profit_captured.ferreira_trees import DemandTrees
from benchmarks.profit_captured.plug_in import PlugInDraws, horizon_days, plug_in
from flashlift.protocols import FloatArray, IntArray

__all__ = ["GroupDraws", "group_draws"]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDraws(PlugInDraws):
    """Plug-in draws, in which every offer is its group's only one, and the demand beside other offers of the group.

    Args:
        trees: the forests behind the predictions.
        slot_weekday: weekday on which each slot starts, 1 is Monday, (S,).
    """

    trees: DemandTrees
    slot_weekday: IntArray

    def beside(
        self, item: IntArray, slot: IntArray, price: FloatArray, price_sum: FloatArray, *, in_sale: bool
    ) -> FloatArray:
        """Expected units of the slot when the prices of the item's group sum to `price_sum`, (n,)."""
        list_price, list_sum = self.trees.items["list_price"].to_numpy(), self.trees.groups.list_sum
        factor = np.ones(len(item))
        for weekday in np.unique(self.slot_weekday[slot]).tolist():
            at = np.flatnonzero(self.slot_weekday[slot] == weekday)
            cells = np.column_stack([item[at], price[at], price_sum[at]])
            cells, place = np.unique(cells, axis=0, return_inverse=True)
            who = cells[:, 0].astype(np.int64)
            units = self.trees.daily_units(who, weekday, cells[:, 1], cells[:, 2], in_sale=in_sale)
            every = np.unique(who)
            usual = self.trees.daily_units(every, weekday, list_price[every], list_sum[every], in_sale=False)
            factor[at] = (units / usual[np.searchsorted(every, who)])[place]
        return np.asarray(self.slot_units[item, slot] * factor)


def group_draws(case: Case, trees: DemandTrees) -> GroupDraws:
    """Draws for the items and slots of a case.

    The multiplier of a step of the ladder is the mean over the weekdays of the slots, with the rest of the group at
    list price.
    """
    every = np.arange(case.items.height)
    list_price, list_sum = trees.items["list_price"].to_numpy(), trees.groups.list_sum
    usual = {weekday: trees.daily_units(every, weekday, list_price, list_sum, in_sale=False) for weekday in range(1, 8)}
    slot_weekday = np.array([slot.start.isoweekday() for slot in case.campaign.slots], dtype=np.int64)
    steps = []
    for step in case.campaign.ladder:
        price = list_price * (1.0 - step)
        alone = list_sum - list_price + price
        factor = [
            trees.daily_units(every, weekday, price, alone, in_sale=True) / usual[weekday]
            for weekday in slot_weekday.tolist()
        ]
        steps.append(np.mean(factor, axis=0))
    plain = plug_in(
        case,
        daily_units=np.column_stack([usual[day.isoweekday()] for day in horizon_days(case)]),
        multiplier=np.column_stack(steps),
        deepest=np.full(len(every), trees.deepest),
    )
    known = {field.name: getattr(plain, field.name) for field in fields(PlugInDraws)}
    return GroupDraws(**known, trees=trees, slot_weekday=slot_weekday)
