"""What other items sold on the days of past sales, beside their own forecasts made before."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.demand.baseline import CrossFit
from flashlift.demand.event_study import StudiedSales
from flashlift.protocols import FloatArray, IntArray

__all__ = ["OtherDays", "days_elsewhere"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherDays:
    """Days of other items, one entry per past sale, other item and day, (n,).

    Args:
        n_sales: past sales.
        sale: row of the past sale.
        pair: row of the pair of items.
        usable: share of the day's demand that met a shelf with stock; 0 on days with a sale of the other item.
        rate: units forecast for the day at the start of the sale, as if it were usable.
        units: units bought, where usable.
        lump: usual units per purchase of the other item.
    """

    n_sales: int
    sale: IntArray
    pair: IntArray
    usable: FloatArray
    rate: FloatArray
    units: FloatArray
    lump: FloatArray

    def by_sale(self, values: FloatArray) -> FloatArray:
        """Sums of values of these days, (n_sales,)."""
        return np.bincount(self.sale, values, self.n_sales).astype(np.float64)

    @property
    def actual(self) -> FloatArray:
        """Units bought, (n_sales,)."""
        return self.by_sale(self.units)

    @property
    def expected(self) -> FloatArray:
        """Units forecast, (n_sales,)."""
        return self.by_sale(self.rate * self.usable)

    @property
    def variance(self) -> FloatArray:
        """Variance of counting them, (n_sales,)."""
        return self.by_sale(self.lump * self.rate * self.usable)


def days_elsewhere(cross: CrossFit, source: IntArray, target: IntArray, sales: StudiedSales) -> OtherDays:
    """Days of the sales of the targets of each one's item; pairs of `source` and `target` sorted by source."""
    panel, item, origin = cross.panel, sales.item, sales.origin
    first, count = np.searchsorted(source, item), np.bincount(source, minlength=len(panel.item_ids))[item]
    length = sales.last - origin + 1
    sale = np.repeat(np.arange(len(item)), count * length)
    nth = np.arange(len(sale)) - np.repeat(np.cumsum(count * length) - count * length, count * length)
    pair = first[sale] + nth // length[sale]
    other = target[pair]
    day = origin[sale] + nth % length[sale]
    usable = np.where(panel.touched[other, day], 0.0, panel.stock[other, day])
    return OtherDays(
        n_sales=len(item),
        sale=sale,
        pair=pair,
        usable=usable,
        rate=cross.predict(other, origin[sale], day),
        units=np.where(usable > 0, panel.units[other, day], 0.0),
        lump=panel.lump[other],
    )
