"""Units of item-days summed on three levels: item and week, category and week, shop and day.

Forecasts of all levels are sums of the same draws of items and days, so what is said of a category or of the shop is
exactly what its items add up to: nothing has to be reconciled afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.demand.levels import gather
from flashlift.protocols import FloatArray, IntArray

__all__ = ["LEVELS", "QUANTILES", "LevelForecast", "on_levels", "sum_draws"]

LEVELS = ("item_week", "category_week", "shop_day")
"""From the bottom up."""

QUANTILES = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])
"""Probabilities at which forecasts are judged."""


def on_levels(units: FloatArray, category: IntArray, n_categories: int) -> dict[str, FloatArray]:
    """Sums of units (n_items, days, ...) on each level; weeks are whole ones, counted from the first day.

    Returns:
        `item_week` (n_items, weeks, ...), `category_week` (n_categories, weeks, ...; left out where there is only
        one), `shop_day` (days, ...).
    """
    n, days = units.shape[:2]
    weeks = units[:, : days // 7 * 7].reshape(n, days // 7, 7, *units.shape[2:]).sum(2)
    sums = {"item_week": weeks, "shop_day": units.sum(0)}
    if n_categories > 1:
        sums["category_week"] = gather(weeks, category, n_categories)
    return sums


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelForecast:
    """A forecast on each level.

    Args:
        mean: by level, shapes as in `on_levels`.
        quantiles: the same with `QUANTILES` as a last axis; empty for a forecast without draws.
    """

    mean: Mapping[str, FloatArray]
    quantiles: Mapping[str, FloatArray]


def sum_draws(
    blocks: Iterable[FloatArray], judged: npt.NDArray[np.bool_], category: IntArray, n_categories: int
) -> LevelForecast:
    """Add up drawn units of items in order, in blocks (some items, days, n_draws), each held only once.

    Args:
        blocks: as `FittedDemand.daily_units` yields them.
        judged: item-days that count, (n_items, days).
        category: of each item, in [0, n_categories).
        n_categories: number of categories.
    """
    item_quantiles, item_means, done = [], [], 0
    totals: dict[str, FloatArray] = {}
    for units in blocks:
        rows = slice(done, done + len(units))
        sums = on_levels(units * judged[rows, :, None], category[rows], n_categories)
        weeks = sums.pop("item_week")
        item_means.append(weeks.mean(-1))
        item_quantiles.append(_quantiles(weeks))
        totals = {level: totals.get(level, 0.0) + part for level, part in sums.items()}
        done = rows.stop
    return LevelForecast(
        mean={"item_week": np.concatenate(item_means)} | {level: part.mean(-1) for level, part in totals.items()},
        quantiles={"item_week": np.concatenate(item_quantiles)}
        | {level: _quantiles(part) for level, part in totals.items()},
    )


def _quantiles(draws: FloatArray) -> FloatArray:
    return np.moveaxis(np.quantile(draws, QUANTILES, axis=-1), 0, -1)
