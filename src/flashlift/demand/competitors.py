"""How far our regular price lies above the lowest of competitors, as known at the start of each day.

A price that was looked up holds until the same seller's next one, for four weeks at most.
"""

from __future__ import annotations

import logging

import numpy as np
import polars as pl

from flashlift.demand.normal import Float32Array
from flashlift.demand.profile import DAY_US

__all__ = ["gap_changes", "price_gaps"]

log = logging.getLogger(__name__)

_LASTS_DAYS = 28  # prices are looked up weekly or more often; one that was not for four weeks may no longer hold
_LARGEST = 1.0  # logs: a larger gap is another pack, another currency, or an error of the file


def price_gaps(
    competitors: pl.DataFrame | None, number: pl.DataFrame, own: Float32Array, first_day: int
) -> Float32Array | None:
    """Logarithm of our regular price over the lowest of competitors, at the start of each day and of the one after.

    Args:
        competitors: schema Competitors; None where the shop has none.
        number: `item` of each `item_id`.
        own: ln of the regular price by day, (n_items, n_days); NaN before the first one.
        first_day: of the panel, in days since 1970-01-01.

    Returns:
        (n_items, n_days + 1), NaN where no price is known; None where there is nothing to compare with.
    """
    if competitors is None:
        return None
    n_items, n_days = own.shape
    seen = _seen(competitors, number, first_day, n_days)
    item, day, until = (seen[name].to_numpy() for name in ("item", "day", "until"))
    price = seen["log"].to_numpy().astype(np.float32)
    first = np.argmax(~np.isnan(own), axis=1)
    apart = np.abs(own[item, np.clip(day, first[item], n_days - 1)] - price)
    _report(competitors, number, apart)
    lowest = np.full((n_items, n_days + 1), np.inf, dtype=np.float32)
    for ahead in range(1, _LASTS_DAYS + 1):
        at = day + ahead
        holds = (apart <= _LARGEST) & (at >= 0) & (at <= until)
        np.minimum.at(lowest, (item[holds], at[holds]), price[holds])
    known = np.concatenate([np.full((n_items, 1), np.nan, np.float32), own], axis=1)
    gap = np.where(np.isfinite(lowest), known - lowest, np.float32(np.nan))
    return None if np.isnan(gap).all() else gap


def _seen(competitors: pl.DataFrame, number: pl.DataFrame, first_day: int, n_days: int) -> pl.DataFrame:
    """Last price of each item, seller and day: `item`, `day` of the panel, `log`, `until`.

    It is the seller's at the starts of the days after `day` and up to `until`, that of the seller's next price.
    """
    day = (pl.col("at").dt.epoch("us") // DAY_US).cast(pl.Int64) - first_day
    return (
        competitors.with_columns(day.alias("day"))
        .filter(pl.col("day") < n_days)
        .join(number, on="item_id")
        .sort("item", "seller", "at")
        .group_by("item", "seller", "day", maintain_order=True)
        .agg(pl.col("price").last().log().alias("log"))
        .with_columns(pl.col("day").shift(-1).over("item", "seller").fill_null(n_days).alias("until"))
    )


def _report(competitors: pl.DataFrame, number: pl.DataFrame, apart: Float32Array) -> None:
    unknown = competitors.select("item_id").unique().join(number, on="item_id", how="anti").height
    if unknown:
        log.warning("Competitors' prices of %d items that the log does not know are not used.", unknown)
    absurd = int(np.sum(apart > _LARGEST))
    if absurd:
        log.warning(
            "%d of %d prices of competitors are more than %.1f times ours, or ours is theirs: they are taken for "
            "another pack or currency and are not used.",
            absurd,
            len(apart),
            np.exp(_LARGEST),
        )


def gap_changes(gap: Float32Array) -> tuple[Float32Array, Float32Array]:
    """The gap and its mean so far, both less the item's first known gap, (n_items, n_days + 1) each.

    Where the gap is not known it is taken for the mean so far; an item without competitors has 0.
    """
    known = ~np.isnan(gap)
    first = np.take_along_axis(gap, np.argmax(known, axis=1)[:, None], axis=1)
    change = np.where(known, gap - first, np.float32(0.0))
    usual = np.cumsum(change, axis=1, dtype=np.float64) / np.maximum(np.cumsum(known, axis=1), 1)
    usual = usual.astype(np.float32)
    return np.where(known, change, usual), usual
