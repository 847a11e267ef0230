"""Which items go along with which: bought in one order more often than by chance, and no substitutes.

Only order lines without a sale count, so that what a sale of one item does to the other has no part in choosing the
pair that it is measured on. Chance is that of `together`: popularity in the same four weeks, and for two items of one
category what pairs of the category are met more often than it. A pair goes along where even the lower 5 % limit of its
lift is twice chance (EB05 of DuMouchel, The American Statistician 53(3), 1999).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import gammaincinv

from flashlift.demand.occasions import read_lines
from flashlift.demand.panel import Panel
from flashlift.demand.together import Together
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Tables

__all__ = ["Complements", "find_complements"]

_SURELY = 2.0  # times chance
_DOUBT = 0.05
_MOST = 12  # of an item: as many as substitutes
_CANDIDATES = 40  # of each item, before substitutes are left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Complements:
    """Pairs of items, sorted by `source`, (n_pairs,).

    Args:
        source: item that is bought.
        target: item that goes along with it.
        units: units of the target beyond chance per unit of the source, in orders without a sale, above 0.
    """

    source: IntArray
    target: IntArray
    units: FloatArray

    @classmethod
    def none(cls) -> Complements:
        """No pairs."""
        nothing = np.zeros(0, dtype=np.int64)
        return cls(source=nothing, target=nothing, units=np.zeros(0))


def find_complements(tables: Tables, panel: Panel, group: IntArray) -> Complements:
    """Complements of each item, twelve at most; items of one `group` of substitutes, (n_items,), are none."""
    lines = _without_sales(read_lines(tables.events, panel.item_ids, *panel.span), panel)
    if lines.is_empty():
        return Complements.none()
    anywhere = Together.within(lines, np.zeros_like(panel.category))
    left, right = anywhere.pairs(_CANDIDATES)
    apart = group[left] != group[right]
    left, right = left[apart], right[apart]
    if not len(left):
        return Complements.none()
    met, chance = anywhere.met(left, right), anywhere.chance(left, right)
    alike = panel.category[left] == panel.category[right]
    if not alike.all():
        chance[alike] = Together.within(lines, panel.category).chance(left[alike], right[alike])
    least = gammaincinv(met + anywhere.shape, _DOUBT) / (chance + anywhere.shape)
    sure = least > _SURELY
    return _of_each_source(left[sure], right[sure], (met - chance)[sure], lines, panel)


def _without_sales(lines: pl.DataFrame, panel: Panel) -> pl.DataFrame:
    """Lines of items that were not on sale that day; orders numbered anew."""
    day = lines["day"].to_numpy() - panel.first_day
    kept = lines.filter(~panel.touched[lines["item"].to_numpy(), day])
    return kept.with_columns(pl.col("occasion").rle_id())


def _of_each_source(
    left: IntArray, right: IntArray, beyond: FloatArray, lines: pl.DataFrame, panel: Panel
) -> Complements:
    """Pairs both ways round with their units; of each source those with most orders beyond chance."""
    source, target, beyond = np.append(left, right), np.append(right, left), np.append(beyond, beyond)
    orders = np.bincount(lines["item"].to_numpy(), minlength=len(panel.item_ids))
    per_line = np.where(panel.touched, 0.0, panel.units).sum(axis=1) / np.maximum(orders, 1)
    units = beyond / orders[source] * per_line[target] / per_line[source]
    best = np.lexsort((target, -beyond, source))
    source, target, units = source[best], target[best], units[best]
    few = np.arange(len(source)) - np.searchsorted(source, source) < _MOST
    return Complements(source=source[few], target=target[few], units=units[few])
