"""Never-promoted twins: what the days of a sale brought to items like its own that were not on sale.

The twins of a sale are items that no sale touched from its first day to the last one studied, most alike in the level
of sales and its trend, of the same category where there are enough, and not among those that the sale itself moves.
Their units over their own forecasts tell what the days brought to everybody. Other items are then compared with their
forecasts times this factor: differences in differences (Card and Krueger, AER 84(4), 1994), in ratios because demand
moves in ratios.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import sparse

from flashlift.demand.baseline import CrossFit
from flashlift.demand.state import LONG_WINDOW, MIN_HISTORY
from flashlift.protocols import FloatArray, IntArray

__all__ = ["twin_factor"]

_MOST_TWINS = 60  # of a sale
_MOST_CELLS = 200_000  # forecasts made for twins: some seconds
_MOST_ROWS = 2_000_000  # days of twins of all sales
_SMALLEST_POOL, _LARGEST_POOL = 40, 1_000  # items that may be twins of sales of one day
_OTHER_CATEGORY = 2.0  # is as far as seven times the level
_FEWEST = 10  # sales that tell how much twins have in common
_LEAST = 0.1
_MONTH = 3  # column of the 28 days


def twin_factor(
    cross: CrossFit,
    kin: sparse.csr_matrix,
    item: IntArray,
    origin: IntArray,
    first: IntArray,
    last: IntArray,
    *,
    fade: float = 1.0,
) -> FloatArray:
    """Units of each sale's twins on the days `first` to `last` over their forecasts at `origin`, (n,); 1 without any.

    Args:
        cross: baselines that did not see the days they predict.
        kin: items that a sale of each item moves, by rows, (n_items, n_items); none of them is its twin.
        item: item of each past sale (rows paired), (n,).
        origin: its first day.
        first: first day studied.
        last: last day studied.
        fade: weight of a day as a share of that of the day before.
    """
    if not len(item):
        return np.ones(0)
    panel = cross.panel
    sale, twin = _twins(cross, kin, item, origin, last)
    length = np.maximum(last - first + 1, 0)[sale]
    row = np.repeat(np.arange(len(sale)), length)
    step = np.arange(len(row)) - np.repeat(np.cumsum(length) - length, length)
    of, other = sale[row], twin[row]
    day = first[of] + step
    rate = _forecasts(cross, other, origin[of], day)
    weight = fade**step / panel.lump[other]
    usable = panel.stock[other, day]
    half = 2 * of + np.arange(len(sale))[row] % 2

    def summed(values: FloatArray) -> FloatArray:
        return np.bincount(half, weight * values, 2 * len(item)).reshape(-1, 2).astype(np.float64)

    return _shared_part(summed(np.where(usable > 0, panel.units[other, day], 0.0)), summed(usable * rate))


def _forecasts(cross: CrossFit, item: IntArray, origin: IntArray, day: IntArray) -> FloatArray:
    """As `CrossFit.predict`, each different row once: sales of one day have twins in common."""
    size = cross.panel.n_days
    once, place = np.unique((item * size + origin) * size + day, return_inverse=True)
    rest, when = np.divmod(once, size)
    return cross.predict(*np.divmod(rest, size), when)[place]


def _shared_part(units: FloatArray, expected: FloatArray) -> FloatArray:
    """What two halves of the twins have in common, (n,), from their units and forecasts, (n, 2).

    The ratio of both is shrunk to the mean of all sales by its reliability (Spearman-Brown, from the correlation of the
    halves). A factor with noise in it would let the extra units explain what the forecast no longer does.
    """
    told = np.flatnonzero((expected > 0).all(axis=1))
    factor = np.ones(len(units))
    if len(told) < _FEWEST:
        return factor
    units, expected = units[told], expected[told]
    weight = expected.prod(axis=1) / expected.sum(axis=1)
    mean = np.average(units.sum(axis=1) / expected.sum(axis=1), weights=weight)
    away = units / expected - mean
    shared = weight @ away.prod(axis=1) / (0.5 * weight @ (away**2).sum(axis=1) + 1e-9)
    reliable = 2.0 * max(shared, 0.0) / (1.0 + max(shared, 0.0))
    factor[told] += reliable * (units.sum(axis=1) / expected.sum(axis=1) - mean)
    return np.maximum(factor, _LEAST)


def _twins(
    cross: CrossFit, kin: sparse.csr_matrix, item: IntArray, origin: IntArray, last: IntArray
) -> tuple[IntArray, IntArray]:
    """Rows of sales and their twins."""
    panel = cross.panel
    opens, days = np.unique(origin), last - origin + 1
    pool = _pool(panel.units.sum(axis=1, dtype=np.float64), float(days.mean()) * len(opens))
    most = int(np.clip(_MOST_ROWS / days.sum(), 1, _MOST_TWINS))
    touched = np.pad(np.cumsum(panel.touched[pool], axis=1, dtype=np.int32), ((0, 0), (1, 0)))
    sales, twins = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for day in opens:
        rows = np.flatnonzero(origin == day)
        own, mine = item[rows], _likeness(cross, item[rows], day)[0]
        theirs, known = _likeness(cross, pool, day)
        far = np.abs(mine[:, None] - theirs).sum(axis=2)
        far += _OTHER_CATEGORY * (panel.category[own][:, None] != panel.category[pool])
        out = ~known | (kin[own][:, pool].toarray() > 0) | (touched[:, day] < touched[:, last[rows] + 1].T)
        far[out] = np.inf
        nearest = np.argsort(far, axis=1, kind="stable")[:, :most]
        row, place = np.nonzero(np.isfinite(np.take_along_axis(far, nearest, axis=1)))
        sales.append(rows[row])
        twins.append(pool[nearest[row, place]])
    return np.concatenate(sales), np.concatenate(twins)


def _pool(units: FloatArray, days: float) -> IntArray:
    """Items of all levels of sales, as many as can be forecast for so many days."""
    size = int(np.clip(_MOST_CELLS / days, _SMALLEST_POOL, _LARGEST_POOL))
    ranked = np.argsort(-units, kind="stable")
    return np.sort(ranked[np.unique(np.linspace(0, len(ranked) - 1, min(len(ranked), size)).astype(np.int64))])


def _likeness(cross: CrossFit, item: IntArray, day: int) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Log level and trend at the start of the day, (n, 2), and whether there is enough history for a forecast."""
    state = cross.history.state(item, np.full(len(item), day))
    level = np.log(state.levels())
    return np.column_stack([level[:, LONG_WINDOW], level[:, _MONTH] - level[:, LONG_WINDOW]]), state.days[
        :, -1
    ] >= MIN_HISTORY
