"""How much of a sale's extra units is missing in the weeks after it.

Event study of the days after past sales, pooled over the shop (`event_study`). The extra units are those that the
response of the item's category expects, not those observed: an item that happens to sell well in the sale and after it
would hide the effect. Purchases brought forward are missing soon, and then less and less (the dips of van Heerde,
Leeflang and Wittink, Journal of Marketing Research 37(3), 2000), so early days count more: units are summed with
weights that halve within a week, the matched filter of a loss that fades like them. The forecast is taken times what
the same days brought to items that no sale touched (`twins`).
"""

from __future__ import annotations

import numpy as np

from flashlift.account import HORIZON_DAYS
from flashlift.demand.baseline import CrossFit
from flashlift.demand.event_study import MovedShare, Prior, StudiedSales, measure_missing
from flashlift.protocols import FloatArray

__all__ = ["FADE", "measure_pull_forward"]

_PRIOR = Prior(mean=0.2, sd=0.15)
FADE = 0.9
"""Of the loss, from one day to the next."""


def measure_pull_forward(cross: CrossFit, sales: StudiedSales, days: FloatArray) -> MovedShare:
    """Share from past sales; without any that have days after them the prior: 0.2, with a standard deviation of 0.15.

    Args:
        cross: baselines that did not see the days they predict.
        sales: past sales.
        days: what the weeks after brought to everybody, (n,): see `twin_factor`.
    """
    item, origin, last = sales.item, sales.origin, sales.last
    panel = cross.panel
    ahead = np.arange(1, HORIZON_DAYS + 1)
    row, step = (a.ravel() for a in np.meshgrid(np.arange(len(item)), ahead, indexing="ij"))
    day = last[row] + step
    inside = day < panel.n_days
    row, step, day = row[inside], step[inside], day[inside]
    usable = (panel.stock[item[row], day] > 0) & ~panel.touched[item[row], day]
    row, step, day = row[usable], step[usable], day[usable]
    weight = FADE ** (step - 1.0)
    rate = panel.stock[item[row], day] * cross.predict(item[row], origin[row], day)

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(row, values, len(item)).astype(np.float64)

    lost = weight / (FADE ** (ahead - 1.0)).sum()  # share of the loss that falls on the day
    return measure_missing(
        actual=summed(weight * panel.units[item[row], day]),
        variance=panel.lump[item] * summed(weight**2 * rate),
        expected=summed(weight * rate) * days,
        extra=sales.extra * summed(weight * lost * panel.stock[item[row], day]),
        cluster=item,
        week=sales.week,
        prior=_PRIOR,
    )
