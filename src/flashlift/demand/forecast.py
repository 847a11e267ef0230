"""Units per item and day from draws whose slots are days, with sales that are already decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from flashlift.demand.draws import PosteriorDraws
from flashlift.demand.profile import HourProfile, by_day
from flashlift.domain import Slot
from flashlift.protocols import FloatArray

__all__ = ["daily_units", "day_slots", "day_table", "planned_sales"]

_EDGES = (0.05, 0.95)
_BLOCK = 1000  # items whose draws are held at once


def day_slots(start: date, days: int) -> list[Slot]:
    """One slot per day, midnight to midnight UTC."""
    midnight = datetime.combine(start, time(), UTC)
    return [
        Slot(slot_id=str(k), start=midnight + timedelta(days=k), end=midnight + timedelta(days=k + 1), positions=1)
        for k in range(days)
    ]


def planned_sales(
    promotions: pl.DataFrame | None, item_ids: Sequence[str], profile: HourProfile, start: date, days: int
) -> tuple[FloatArray, FloatArray]:
    """Share of each day in a sale, and its depth, (n_items, days) each; `promotions` as in `FittedDemand.forecast`."""
    share, depth = np.zeros((len(item_ids), days)), np.zeros((len(item_ids), days))
    if promotions is None or promotions.is_empty():
        return share, depth
    cut = by_day(promotions, profile)
    number = {item_id: k for k, item_id in enumerate(item_ids)}
    row = np.array([number.get(item_id, -1) for item_id in promotions["item_id"]])[cut["window"].to_numpy()]
    day = cut["day"].to_numpy() - (start - date(1970, 1, 1)).days
    keep = (row >= 0) & (day >= 0) & (day < days)
    np.add.at(share, (row[keep], day[keep]), cut["share"].to_numpy()[keep])
    np.maximum.at(depth, (row[keep], day[keep]), promotions["depth"].to_numpy()[cut["window"].to_numpy()][keep])
    return np.minimum(share, 1.0), depth


def daily_units(draws: PosteriorDraws, share: FloatArray, depth: FloatArray) -> Iterator[FloatArray]:
    """Drawn units of all items in order, in blocks (some items, days, n_draws); the slots of `draws` are days."""
    n_items, days = share.shape
    for first in range(0, n_items, _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, n_items))
        item, day = (a.ravel() for a in np.meshgrid(rows, np.arange(days), indexing="ij"))
        units = draws.units(item, day, np.zeros(len(item)))
        sold = np.flatnonzero(share[item, day] > 0)
        if len(sold):
            # A sale without a discount still shows the item, hence the least discount above 0.
            lifted = draws.units(item[sold], day[sold], np.maximum(depth[item[sold], day[sold]], 1e-6))
            units[sold] += share[item[sold], day[sold]][:, None] * (lifted - units[sold])
        yield units.reshape(len(rows), days, draws.n_draws)


def day_table(blocks: Iterable[FloatArray], item_ids: Sequence[str], start: date, days: int) -> pl.DataFrame:
    """Mean and 90 % interval per item and day of what `daily_units` yields; columns as in `FittedDemand.forecast`."""
    edges = [np.stack([part.mean(2), *np.quantile(part, _EDGES, axis=2)]) for part in blocks]
    mean, lower, upper = np.concatenate(edges, axis=1).reshape(3, -1)
    dates = pl.date_range(start, start + timedelta(days=days - 1), eager=True)
    return pl.DataFrame(
        {
            "item_id": [item_id for item_id in item_ids for _ in range(days)],
            "date": pl.concat([dates] * len(item_ids)),
            "mean": mean,
            "ci_lower": lower,
            "ci_upper": upper,
        }
    )
