"""Units per item and day from draws whose slots are days, with sales that are already decided."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from flashlift.demand.draws import PosteriorDraws
from flashlift.demand.profile import HourProfile, by_day
from flashlift.domain import Slot
from flashlift.errors import InputError
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
    promotions: pl.DataFrame | None,
    item_ids: Sequence[str],
    profile: HourProfile,
    start: date,
    days: int,
    *,
    log_position: float | None,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """What is decided of each item and day, (n_items, days) each: share of the day in a sale, its depth, its place.

    The place is the log position less `log_position`, that of the usual past sale; 0 where either is not known. Of
    several sales of one day the deepest and the best placed counts. `promotions` as in `FittedDemand.forecast`.

    Raises:
        InputError: a depth outside [0, 1) or a position below 1.
    """
    share, depth = np.zeros((len(item_ids), days)), np.zeros((len(item_ids), days))
    place = np.full((len(item_ids), days), np.inf)
    if promotions is None or promotions.is_empty():
        return share, depth, np.zeros_like(place)
    if "position" not in promotions.columns:
        promotions = promotions.with_columns(position=pl.lit(None, pl.Int64))
    _check(promotions)
    cut = by_day(promotions, profile)
    sale = cut["window"].to_numpy()
    number = {item_id: k for k, item_id in enumerate(item_ids)}
    row = np.array([number.get(item_id, -1) for item_id in promotions["item_id"]])[sale]
    day = cut["day"].to_numpy() - (start - date(1970, 1, 1)).days
    keep = (row >= 0) & (day >= 0) & (day < days)
    cell, sale = (row[keep], day[keep]), sale[keep]
    np.add.at(share, cell, cut["share"].to_numpy()[keep])
    np.maximum.at(depth, cell, promotions["depth"].to_numpy()[sale])
    if log_position is not None:
        away = promotions["position"].cast(pl.Float64).log() - log_position
        np.minimum.at(place, cell, away.fill_null(np.inf).to_numpy()[sale])
    return np.minimum(share, 1.0), depth, np.where(np.isfinite(place), place, 0.0)


def _check(promotions: pl.DataFrame) -> None:
    depth = pl.col("depth").is_between(0, 1, closed="left").fill_null(False)
    wrong = promotions.filter(~depth | (pl.col("position") < 1))
    if len(wrong):
        first = wrong.row(0, named=True)
        raise InputError(
            f"The decided sale of {first['item_id']!r} has depth {first['depth']} and position {first['position']} "
            f"({len(wrong)} such in all). A depth is a fraction in [0, 1), a position 1 or more, or null."
        )


def daily_units(draws: PosteriorDraws, share: FloatArray, depth: FloatArray, place: FloatArray) -> Iterator[FloatArray]:
    """Drawn units of all items in order, in blocks (some items, days, n_draws); the slots of `draws` are days."""
    n_items, days = share.shape
    for first in range(0, n_items, _BLOCK):
        rows = np.arange(first, min(first + _BLOCK, n_items))
        item, day = (a.ravel() for a in np.meshgrid(rows, np.arange(days), indexing="ij"))
        units = draws.units(item, day, np.zeros(len(item)))
        sold = np.flatnonzero(share[item, day] > 0)
        if len(sold):
            who, when = item[sold], day[sold]
            # A sale without a discount still shows the item, hence the least discount above 0.
            lifted = draws.units(who, when, np.maximum(depth[who, when], 1e-6), place=place[who, when])
            units[sold] += share[who, when][:, None] * (lifted - units[sold])
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
