"""Stretches of days of single items, with what was sold in them and what was expected: what placebo tests compare."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.demand.baseline import CrossFit
from flashlift.demand.panel import Panel
from flashlift.demand.response import SaleRows
from flashlift.demand.state import MIN_HISTORY
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Past", "Windows", "count_windows", "on_other_days", "on_twins", "week_before"]

LONGEST_DAYS = 7  # of a sale that is longer, only its first days are copied
LEAD_DAYS = 7
_COPIES = 6  # of each sale
_TRIES = 36  # places tried for them
_KNOWN_DAYS = 7.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """Past sales by day, (n,): item, first and last day of the panel, and x = -log(1 - depth)."""

    item: IntArray
    first: IntArray
    last: IntArray
    x: FloatArray

    @property
    def days(self) -> IntArray:
        """Days that a copy of the sale lasts, (n,)."""
        return np.asarray(np.minimum(self.last - self.first + 1, LONGEST_DAYS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Windows, one entry each, (n,).

    Args:
        item: item number.
        first: first day of the panel.
        units: units sold.
        expected: units expected without any sale.
        x: -log(1 - depth) of the sale that the window is compared with.
        lump: usual units per purchase.
    """

    item: IntArray
    first: IntArray
    units: FloatArray
    expected: FloatArray
    x: FloatArray
    lump: FloatArray

    @classmethod
    def of_sales(cls, rows: SaleRows, first: IntArray) -> Windows:
        """The sales themselves."""
        return cls(item=rows.item, first=first, units=rows.units, expected=rows.baseline, x=rows.x, lump=rows.lump)

    def against(self, others: Windows) -> Windows:
        """These (x = 1) together with others (x = 0): the slope on x is then the difference between the two."""
        both = {name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in self.__slots__}
        return Windows(**both | {"x": np.repeat([1.0, 0.0], [len(self.x), len(others.x)])})


def on_other_days(panel: Panel, past: Past, rng: np.random.Generator) -> Past:
    """Each sale moved to other days of its item that no sale touched: up to six copies, drawn evenly."""
    days, n = past.days, len(past.item)
    latest = np.maximum(panel.n_days - days, MIN_HISTORY + 1)
    first = rng.integers(MIN_HISTORY, latest[:, None], (n, _TRIES))
    return _first_fits(panel, past, np.broadcast_to(past.item[:, None], first.shape), first)


def on_twins(panel: Panel, past: Past, rng: np.random.Generator) -> Past:
    """The same days of up to six items of the same category that were never on sale."""
    on_sale = np.zeros(len(panel.item_ids), dtype=bool)
    on_sale[panel.sales["item"].to_numpy()] = True
    free = np.flatnonzero(~on_sale)
    free = free[np.argsort(panel.category[free], kind="stable")]
    begin = np.searchsorted(panel.category[free], panel.category[past.item])
    end = np.searchsorted(panel.category[free], panel.category[past.item], side="right")
    some = np.flatnonzero(end > begin)
    if not len(some):
        return _take(past, some)
    place = rng.integers(begin[some, None], end[some, None], (len(some), _TRIES))
    kept = _take(past, some)
    return _first_fits(panel, kept, free[place], np.broadcast_to(kept.first[:, None], place.shape))


def week_before(panel: Panel, past: Past) -> Past:
    """The seven days before each sale, where no other sale touched them."""
    # A detected sale is counted from its second day on; the first one is no day before it.
    end = past.first - panel.touched[past.item, past.first - 1]
    start = end - LEAD_DAYS
    earlier = Past(item=past.item, first=start, last=end - 1, x=past.x)
    usable = start >= MIN_HISTORY
    usable[usable] = _untouched(panel, past.item[usable], start[usable], end[usable])
    return _take(earlier, np.flatnonzero(usable))


def count_windows(cross: CrossFit, past: Past) -> Windows:
    """Units and cross-fitted expectation of the windows, as known at the start of each."""
    panel, days = cross.panel, past.days
    row = np.repeat(np.arange(len(past.item)), days)
    day = np.repeat(past.first - np.cumsum(days) + days, days) + np.arange(len(row))
    item = past.item[row]
    exposure = panel.normal[item, day].astype(np.float64)
    expected = np.bincount(row, exposure * cross.predict(item, past.first[row], day), len(past.item))
    units = np.bincount(row, panel.units[item, day], len(past.item))
    known = cross.history.state(past.item, past.first).days[:, -1] >= _KNOWN_DAYS
    keep = np.flatnonzero(known & (expected > 1e-4))
    return Windows(
        item=past.item[keep],
        first=past.first[keep],
        units=units[keep].astype(np.float64),
        expected=expected[keep].astype(np.float64),
        x=past.x[keep],
        lump=panel.lump[past.item[keep]],
    )


def _first_fits(panel: Panel, past: Past, item: IntArray, first: IntArray) -> Past:
    """Of the places tried for each sale, (n, tries), the first few different ones that no sale touched."""
    end = first + past.days[:, None]
    fits = (end <= panel.n_days) & (first >= MIN_HISTORY)
    fits[fits] = _untouched(panel, item[fits], first[fits], end[fits])
    fits &= np.cumsum(fits, axis=1) <= _COPIES
    sale, place = np.nonzero(fits)
    cells = np.unique(np.column_stack([sale, item[sale, place], first[sale, place]]), axis=0)
    sale, chosen, start = cells.T if len(cells) else np.zeros((3, 0), dtype=np.int64)
    return Past(item=chosen, first=start, last=start + past.days[sale] - 1, x=past.x[sale])


def _untouched(panel: Panel, item: IntArray, first: IntArray, end: IntArray) -> npt.NDArray[np.bool_]:
    """Whether a window begins on a normal day and holds none in or after a sale (windows are short, days few).

    Days that were sold out may be in it: leaving such windows out would leave out those with many units.
    """
    offset = np.arange(int((end - first).max(initial=1)))
    day = first[:, None] + offset
    cell = item[:, None], np.minimum(day, panel.n_days - 1)
    normal = panel.normal[cell] > 0
    free = normal | (panel.stock[cell] <= 0) | (day >= end[:, None])
    return np.asarray(free.all(axis=1) & normal[:, 0])


def _take(past: Past, rows: IntArray) -> Past:
    return Past(item=past.item[rows], first=past.first[rows], last=past.last[rows], x=past.x[rows])
