"""Sell-out correction by demand curves: what a sold-out item would have sold, had there been more of it.

Ferreira, Lee and Simchi-Levi (M&SOM 18(1), 2016) take the items that did not sell out, write their sales as curves of
the cumulative share of demand by hour, cluster these curves, and divide the units of an item that did sell out by the
share that its cluster's curve has reached at the hour of the last sale. The observation here is an item's day instead
of an event, and a single item sells too little for a curve of its own, so the curves that are clustered (k-means) are
those of the categories on weekdays and weekends.

With few units this quotient is too large on average: the clock stops at a sale, never before one. The ratio of sums,
units over shares, is not, because units less demand rate x share seen is a martingale. The share seen therefore also
weighs the day, and every weighted mean of corrected days is such a ratio.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from sklearn.cluster import KMeans

from benchmarks.profit_captured.case import Case
from flashlift.protocols import FloatArray, IntArray

__all__ = ["DemandCurves", "demand_curves", "with_share_seen"]

_CLUSTERS = 4
_PRIOR_UNITS = 50.0  # of the shop's own curve, lent to that of each category and type of day
_LEAST_SHARE = 0.02  # a day sold out before this share of its demand tells next to nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandCurves:
    """Cumulative share of a day's demand.

    Args:
        curves: one row per cluster, at the full hours from 0 (0) to 24 (1), (n_clusters, 25).
        cluster: cluster of each `category` and type of day (`weekend`), one row each.
    """

    curves: FloatArray
    cluster: pl.DataFrame

    def share(self, cluster: IntArray, hours: FloatArray) -> FloatArray:
        """Share of the demand before `hours` after midnight, in [0, 24], (n,)."""
        whole = np.clip(hours.astype(np.int64), 0, 23)
        before, after = self.curves[cluster, whole], self.curves[cluster, whole + 1]
        return np.asarray(before + (hours - whole) * (after - before))


def demand_curves(case: Case, panel: pl.DataFrame) -> DemandCurves:
    """Curves of the item-days that did not sell out, in clusters.

    Args:
        case: its purchases tell the hours.
        panel: item-days (`panel.build_panel`).
    """
    types = panel.select("category", _weekend()).unique().sort("category", "weekend").with_row_index("type")
    in_stock = panel.filter(~pl.col("sold_out")).select("item_id", "day", "category", _weekend())
    hourly = (
        _purchases(case)
        .join(in_stock, on=["item_id", "day"])
        .join(types, on=["category", "weekend"])
        .group_by("type", pl.col("hours").floor().cast(pl.Int64).alias("hour"))
        .agg(pl.col("quantity").sum())
    )
    units = np.zeros((len(types), 24))
    units[hourly["type"].to_numpy(), hourly["hour"].to_numpy()] = hourly["quantity"].to_numpy()
    usual = (units.sum(axis=0) + 1.0) / (units.sum() + 24.0)
    smooth = units + _PRIOR_UNITS * usual
    curve = np.cumsum(smooth / smooth.sum(axis=1, keepdims=True), axis=1)
    n_clusters = min(_CLUSTERS, len(np.unique(curve.round(9), axis=0)))
    means = KMeans(n_clusters, n_init=5, random_state=case.seed)
    label = means.fit_predict(curve, sample_weight=smooth.sum(axis=1)).astype(np.int64)
    pooled = np.zeros((n_clusters, 24))
    np.add.at(pooled, label, smooth)
    shares = pooled / pooled.sum(axis=1, keepdims=True)
    curves = np.concatenate([np.zeros((n_clusters, 1)), shares.cumsum(axis=1)], axis=1)
    return DemandCurves(
        curves=curves, cluster=types.select("category", "weekend", pl.Series("cluster", label, dtype=pl.Int64))
    )


def with_share_seen(case: Case, panel: pl.DataFrame, curves: DemandCurves) -> pl.DataFrame:
    """The panel with `share_seen`, the share of the day's demand that met stock, and `demand`, units corrected for it.

    `share_seen` is 1 on days that did not sell out; on others the curve's share at the last sale, or 0 where the shelf
    was empty from midnight on or nothing tells when it became empty. `demand` is null where the share is 0.
    """
    last = _purchases(case).group_by("item_id", "day").agg(pl.col("hours").max())
    joined = (
        panel.with_columns(_weekend())
        .join(curves.cluster, on=["category", "weekend"], how="left", maintain_order="left")
        .join(last, on=["item_id", "day"], how="left", maintain_order="left")
    )
    reached = curves.share(joined["cluster"].to_numpy(), joined["hours"].fill_null(0.0).to_numpy())
    empty = (pl.col("on_hand") == 0).fill_null(value=False) | pl.col("hours").is_null()
    return (
        joined.with_columns(pl.Series("reached", reached))
        .with_columns(
            pl.when(~pl.col("sold_out"))
            .then(1.0)
            .when(empty | (pl.col("reached") < _LEAST_SHARE))
            .then(0.0)
            .otherwise("reached")
            .alias("share_seen")
        )
        .with_columns(pl.when(pl.col("share_seen") > 0.0).then(pl.col("units") / pl.col("share_seen")).alias("demand"))
        .drop("weekend", "cluster", "hours", "reached")
    )


def _weekend() -> pl.Expr:
    return (pl.col("weekday") >= 6).alias("weekend")


def _purchases(case: Case) -> pl.DataFrame:
    """Purchases before the decision: item_id, day, hours after midnight, quantity."""
    at = pl.col("at")
    return (
        case.tables.events.filter((pl.col("event") == "purchase") & (at < case.now))
        .select(
            "item_id",
            at.dt.date().alias("day"),
            ((at - at.dt.truncate("1d")).dt.total_microseconds() / 3.6e9).alias("hours"),
            "quantity",
        )
        .collect()
    )
