"""The price of an item outside of sales, day by day: what a level of units was sold at, and what it is sold at now."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.demand.normal import Float32Array
from flashlift.protocols import IntArray

__all__ = ["price_changes", "regular_prices"]

_MEDIAN_OF = 3  # days with a price: a new price is believed when it was paid on a second day
_LARGEST = 1.0  # logs: a larger jump is another pack, or an error of the file
_NOTED = 0.01


def regular_prices(prices: pl.DataFrame, touched: npt.NDArray[np.bool_], first_day: int) -> Float32Array:
    """Logarithm of the regular price, (n_items, n_days); NaN before the first one.

    A day without a price has the last one before it.

    Args:
        prices: price of an item and day with a purchase (`day_prices`).
        touched: days with a part of a sale, (n_items, n_days).
        first_day: of the panel, in days since 1970-01-01.
    """
    item, day = prices["item"].to_numpy().astype(np.int64), prices["day"].to_numpy().astype(np.int64) - first_day
    quiet = prices.filter(~touched[item, day]).select(
        "item",
        pl.col("day").cast(pl.Int64) - first_day,
        pl.col("price").rolling_median(_MEDIAN_OF, min_samples=1).over("item").log().alias("log"),
    )
    row, column, log = (quiet[name].to_numpy() for name in ("item", "day", "log"))
    out = np.zeros(touched.shape, dtype=np.float32)
    out[row, column] = log
    seen = np.zeros(touched.shape, dtype=bool)
    seen[row, column] = True
    return _carried_on(out, seen)


def price_changes(log: Float32Array) -> Float32Array | None:
    """The same over the item's first price, 0 before it, (n_items, n_days); None where no item's price ever changed."""
    known = ~np.isnan(log)
    first = np.take_along_axis(log, np.argmax(known, axis=1)[:, None], axis=1)
    changes = np.clip(np.where(known, log - first, np.float32(0.0)), -_LARGEST, _LARGEST).astype(np.float32)
    return changes if np.abs(changes).max(initial=0.0) > _NOTED else None


def _carried_on(log: Float32Array, seen: npt.NDArray[np.bool_]) -> Float32Array:
    """Fill the gaps with the last value before."""
    place: IntArray = np.maximum.accumulate(np.where(seen, np.arange(log.shape[1], dtype=np.int32), -1), axis=1)
    filled = np.take_along_axis(log, np.maximum(place, 0), axis=1)
    return np.where(place >= 0, filled, np.float32(np.nan))
