"""Which days of an item tell what it sells without a sale.

A *normal* day of an item is one without a sale (and not shortly after one), with stock, and after the item arrived:
with its first row of the history of prices and stock, or else after its first purchase or view, a day that is left out
because it is known only by what happened on it. An item on the shelf that never sold is one of the panel with all its
empty days; left out, it would be taken for a newcomer and be expected to sell like the others. `normal` is
the share of the day's demand that the item could have met, so a day that was sold out at noon counts for what its
morning is usually worth and a sell-out is never read as low demand.
"""

from __future__ import annotations

from datetime import datetime

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.demand.config import DemandConfig
from flashlift.demand.profile import DAY_US
from flashlift.protocols import IntArray
from flashlift.schema import Tables

__all__ = ["Float32Array", "arrivals", "normal_days", "open_days"]

Float32Array = npt.NDArray[np.float32]


def arrivals(tables: Tables, number: pl.DataFrame, until: datetime, first_day: int) -> IntArray:
    """Day before the first row of history of each item, (n_items,); the end of time where there is none."""
    arrival = np.full(len(number), np.iinfo(np.int64).max)
    if tables.history is not None:
        day = (pl.col("at").dt.epoch("us") // DAY_US).alias("day")
        first = (
            tables.history.filter(pl.col("at") < until).group_by("item_id").agg(day.min()).join(number, on="item_id")
        )
        arrival[first["item"].to_numpy()] = first["day"].to_numpy() - first_day - 1
    return arrival


def open_days(units: Float32Array, interest: Float32Array | None, arrival: IntArray) -> npt.NDArray[np.bool_]:
    """Days after an item's first sign of life, (n_items, n_days); on the first day of the log nobody is new."""
    seen = units > 0 if interest is None else (units > 0) | (interest > 0)
    launch = np.where(seen[:, 0], -1, np.where(seen.any(axis=1), np.argmax(seen, axis=1), seen.shape[1]))
    return np.asarray(np.arange(units.shape[1]) > np.minimum(launch, arrival)[:, None])


def normal_days(
    opened: npt.NDArray[np.bool_], stock: Float32Array, touched: npt.NDArray[np.bool_], config: DemandConfig
) -> Float32Array:
    """Share of each day's demand that tells what the item sells without a sale, (n_items, n_days); 0 on other days.

    Days of a sale and up to `recovery_days` after one are left out; fewer of the latter where less than half of the
    days would remain.
    """
    recovery = config.recovery_days
    while True:
        near = touched.copy()
        for back in range(1, recovery + 1):
            near[:, back:] |= touched[:, :-back]
        usable = opened & (stock > 0) & ~near
        if recovery == 0 or usable.sum() >= 0.5 * (opened & (stock > 0) & ~touched).sum():
            return np.where(usable, stock, np.float32(0.0))
        recovery //= 2
