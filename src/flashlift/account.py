"""The one account of profit: contribution of an item over the sale and the days after it.

V(plan) = E[C(plan) - C(no sale)], where C counts every unit of every item over the sale and the
`HORIZON_DAYS` after its end: units kept x (price paid + what funders pay - unit cost), less the costs of returns and
of holding what is left. Pull-forward, cannibalization, halo and leftovers are parts of that difference; they are
never subtracted again. The simulated shop, the planner and the reports all call this function.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flashlift.domain import Costs

__all__ = ["HORIZON_DAYS", "contribution"]

HORIZON_DAYS = 28

Float = npt.NDArray[np.float64]


def contribution(
    sale_units: Float,
    sale_revenue: Float,
    list_units: Float,
    *,
    list_price: Float,
    unit_cost: Float,
    stock: Float,
    costs: Costs,
) -> Float:
    """Contribution C in shop currency. All arrays broadcast together, usually (n_items, n_draws).

    Args:
        sale_units: units sold in offers, already within quota.
        sale_revenue: the same units times what each brings the shop: the price paid, and what funders pay of the
            discount.
        list_units: units that would be bought at list price if stock allowed; negative counts as none.
        list_price: price outside the sale.
        unit_cost: purchase cost of a unit.
        stock: units on hand when the sale begins; sales at list price stop when it is used up.
        costs: return share, cost of a return, cost of holding a leftover unit.

    Returns:
        Contribution of each item and draw.

    Example:
        >>> one = lambda x: np.array([float(x)])
        >>> contribution(one(2), one(16), one(5), list_price=one(10), unit_cost=one(6), stock=one(4), costs=Costs())
        array([12.])
    """
    left = np.maximum(stock - sale_units, 0.0)
    at_list = np.minimum(np.maximum(list_units, 0.0), left)
    margin = sale_revenue - sale_units * unit_cost + at_list * (list_price - unit_cost)
    returned = costs.return_frac * (sale_units + at_list)
    return (1.0 - costs.return_frac) * margin - returned * costs.return_cost - (left - at_list) * costs.holding_cost
