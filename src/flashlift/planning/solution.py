"""What a search ends with, and the plan that it is in the words of the shop."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import OPTIMAL_GAP_FRAC, Campaign, Goal, Offer, Plan, PlanStatus
from flashlift.limits import PerCustomer
from flashlift.planning.goals import FIGURES, SHADOW
from flashlift.planning.problem import Columns
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["Solution", "offers_of", "plan_of"]

BESIDE = tuple(f"expected_{name}" for name in FIGURES[1:])  # of an offer, where the goal is not profit alone

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Solution:
    """A choice among columns, its bound, and the price of every row.

    Args:
        columns: offers looked at in the end.
        chosen: those in the plan, (n_columns,).
        worth: their value less the penalties of the soft limits that they break.
        bound: no plan is worth more.
        rows: name of each row.
        limits: limit of each row.
        price: worth of one more unit of each row, (n_rows,).
        finished: the search ended by itself, neither by time nor by Ctrl-C.
        cells: makes the table of all offers for a certificate.
    """

    columns: Columns
    chosen: npt.NDArray[np.bool_]
    worth: float
    bound: float
    rows: Sequence[str]
    limits: Sequence[str]
    price: FloatArray
    finished: bool
    cells: Callable[[], pl.DataFrame]


def plan_of(campaign: Campaign, items: pl.DataFrame, found: Solution, gap_frac: float) -> Plan:
    """The plan, called optimal only where its gap is proven to be within `gap_frac`."""
    gap = max(found.bound - found.worth, 0.0) / max(abs(found.worth), 1.0)
    proven = found.finished and gap <= min(gap_frac, OPTIMAL_GAP_FRAC) + 1e-9
    if found.finished and not proven:
        log.warning("the search ended with a gap of %.2e, above the %.2e asked for", gap, gap_frac)
    return Plan(
        offers=offers_of(found.chosen, found.columns, campaign, items),
        status=PlanStatus.OPTIMAL if proven else PlanStatus.TIME_LIMITED,
        objective=found.worth,
        bound=max(found.bound, found.worth),
        gap_frac=gap,
        limit_prices=_limit_prices(found.limits, found.price),
    )


def offers_of(
    chosen: npt.NDArray[np.bool_], columns: Columns, campaign: Campaign, items: pl.DataFrame
) -> tuple[Offer, ...]:
    """Chosen columns as offers, by slot and then by value."""
    ids = items[SaleItems.item_id.name]
    at = np.flatnonzero(chosen)
    most = min([limit.maximum for limit in campaign.limits if isinstance(limit, PerCustomer)], default=None)
    at = at[np.lexsort((columns.item[at], -columns.value[at], columns.slot[at]))]
    return tuple(
        Offer(
            item_id=ids[int(columns.item[i])],
            slot_id=campaign.slots[columns.slot[i]].slot_id,
            discount_frac=float(columns.discount[i]),
            price=float(columns.price[i]),
            quota=int(columns.quota[i]),
            expected_units=float(columns.units[i]),
            expected_value=float(columns.figures[i, 0]),
            per_customer=most,
            **(
                {} if campaign.goal == Goal() else dict(zip(BESIDE, columns.figures[i, 1:SHADOW].tolist(), strict=True))
            ),
            shadow_cost=None if campaign.next_sale is None else float(columns.figures[i, SHADOW]),
        )
        for i in at
    )


def _limit_prices(limits: Sequence[str], duals: FloatArray) -> dict[str, float]:
    """Dual of each limit; a limit that holds for every item counts one more unit for each of them."""
    prices: dict[str, float] = {}
    for limit, dual in zip(limits, duals.tolist(), strict=True):
        if abs(dual) > 1e-9:
            prices[limit] = prices.get(limit, 0.0) + dual
    return dict(sorted(prices.items()))
