"""Ferreira, Lee and Simchi-Levi (2016): the price-ladder integer program, solved for each sum of prices.

The optimizing half of "Analytics for an Online Retailer: Demand Forecasting and Price Optimization", Manufacturing &
Service Operations Management 18(1): each product type is a group whose demand hangs on its own price and the sum of
all prices (`ferreira_program`), valued in the account of profit (`ferreira_cells`). The paper prices given sales; here
the plan also says who enters which slot, so one program joins the groups under the limits of the campaign.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.ferreira_cells import Ladder, ladder_of
from benchmarks.profit_captured.ferreira_draws import GroupDraws
from benchmarks.profit_captured.ferreira_program import Limits, solve
from flashlift.domain import Offer
from flashlift.errors import InputError
from flashlift.planning.limits import compile_limits
from flashlift.protocols import IntArray

__all__ = ["NAME", "plan"]

NAME = "price ladder"


def plan(case: Case, estimated: Estimated) -> Sequence[Offer]:
    """Choose items, slots and prices for the largest expected incremental profit.

    Raises:
        InputError: the draws do not know how demand depends on the prices of a group.
        FlashliftError: no plan keeps the limits.
    """
    if not isinstance(estimated.draws, GroupDraws):
        raise InputError(
            f"The ladder program needs demand by the sum of a group's prices, which {type(estimated.draws).__name__} "
            "does not give. Pair this planner with the estimator of the same name."
        )
    ladder = ladder_of(case, estimated.draws)
    rows = compile_limits(case.campaign, case.items, ladder.offers)
    chosen = solve(ladder.levels, ladder.cells, Limits(matrix=rows.matrix, lower=rows.lower, upper=rows.upper))
    return _offers(case, ladder, np.flatnonzero(chosen))


def _offers(case: Case, ladder: Ladder, chosen: IntArray) -> list[Offer]:
    """Chosen cells as offers. What the others of the group gain or lose is shared among its offers in the slot."""
    levels, level, offers = ladder.levels, ladder.cells.level[chosen], ladder.offers
    value = ladder.cells.gain[chosen] + levels.rest[level] / np.bincount(level)[level]
    order = np.lexsort((-value, offers.slot[chosen]))
    return [
        Offer(
            item_id=case.items["item_id"][int(offers.item[at])],
            slot_id=case.campaign.slots[offers.slot[at]].slot_id,
            discount_frac=float(offers.discount[at]),
            price=float(offers.price[at]),
            quota=int(offers.quota[at]),
            expected_units=float(offers.units[at]),
            expected_value=float(worth),
        )
        for at, worth in zip(chosen[order].tolist(), value[order].tolist(), strict=True)
    ]
