"""Units that nobody could buy because the shelf was empty: what the baseline expected of the hours without stock."""

from __future__ import annotations

import numpy as np
import polars as pl

from flashlift.demand.baseline import CrossFit
from flashlift.demand.noise import Noise
from flashlift.demand.panel import Panel
from flashlift.demand.state import MIN_HISTORY
from flashlift.stats.normal import NORMAL_90

__all__ = ["lost_sales"]

_CELLS = 200_000  # forecast at a time
_MOST = 4.0  # relative variance of an item's level


def lost_sales(panel: Panel, cross: CrossFit, noise: Noise) -> pl.DataFrame:
    """Demand lost to sell-outs, per item and in all, at list price.

    Each hour without stock counts for the share of a usual day's demand that falls into it, times the forecast made at
    the start of its day from the days with stock before it. The estimand is what would have been bought at list price
    had there been stock; extra units of a sale that sold out are not in it, nor what customers bought instead. The
    interval counts chance in units and in the level of each item, and the shop's level for the total.

    Args:
        panel: the log by item and day.
        cross: baselines that did not see the days they predict.
        noise: how far units stray from them.

    Returns:
        `item_id` (null in the first row, the whole shop), `empty_days` (days without stock, parts of days added up),
        `units` (sold in the log), `lost_units`, `ci_lower`, `ci_upper` (90 %); items by units lost, those alone that
        lost something, and no rows where nothing was ever out of stock or the log does not tell.
    """
    item, day = np.nonzero(panel.stock[:, MIN_HISTORY:] < 1.0)
    day = day + MIN_HISTORY
    known = np.zeros(len(item))
    expected = np.zeros(len(item))
    for start in range(0, len(item), _CELLS):
        part = slice(start, start + _CELLS)
        known[part] = cross.history.state(item[part], day[part]).days[:, -1] > 0
        expected[part] = cross.predict(item[part], day[part], day[part])
    empty = (1.0 - panel.stock[item, day]) * known
    n = len(panel.item_ids)
    lost = np.bincount(item, empty * expected, n)
    level = np.minimum(noise.near, _MOST) * lost**2
    variance = panel.lump * lost + level
    rows = np.flatnonzero(lost > 0)
    rows = rows[np.argsort(-lost[rows], kind="stable")]
    total = lost.sum()
    spread = np.sqrt(np.append(variance.sum() + noise.shop * total**2, variance[rows]))
    found = np.append(total, lost[rows])
    days = np.bincount(item, empty, n)
    units = panel.units.sum(axis=1, dtype=np.float64)
    frame = pl.DataFrame(
        {
            "item_id": pl.Series([None, *(panel.item_ids[k] for k in rows)], dtype=pl.String),
            "empty_days": np.append(days.sum(), days[rows]),
            "units": np.append(units.sum(), units[rows]),
            "lost_units": found,
            "ci_lower": np.maximum(found - NORMAL_90 * spread, 0.0),
            "ci_upper": found + NORMAL_90 * spread,
        }
    )
    return frame if len(rows) else frame.clear()
