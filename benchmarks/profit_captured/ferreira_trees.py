"""Demand prediction: bagged regression trees on price, discount and relative price.

Ferreira, Lee and Simchi-Levi (M&SOM 18(1), 2016) found bagged regression trees best among regressions of the demand of
an item in a sale. Their relative price is the item's price over the mean price of the competing items, here those of
its product type with stock on the same day, itself included. All their observations are sales; the account of profit
also asks for demand outside, so there are two forests: one of days in a promotion and one of all other days.

What is predicted is the level of demand over the item's recent popularity, weighed by popularity: a tree of levels
spends its splits on telling best sellers from the rest, and one of logarithms cannot have days without a sale.
Popularity is the mean of past normal days with a half-life of two weeks, of units and of views at the shop's
conversion together. Each tree sees a bootstrap part of the days and a part of the features (Breiman's random forest).
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.profit_captured.case import Case
from benchmarks.profit_captured.panel import in_order
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["DemandTrees", "Groups", "fit_trees"]

_HALF_LIFE_DAYS = 14.0
_FAST_HALF_LIFE_DAYS = 5.0
_PRIOR_DAYS = 2.0  # days of the mean item lent to each item's popularity
_TREES = 100
_PARAMETERS = {
    "objective": "regression",
    "boosting": "rf",
    "bagging_fraction": 0.63,
    "bagging_freq": 1,
    "feature_fraction": 0.5,
    "min_sum_hessian_in_leaf": 0.0,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}
# Chosen on shops of 200,000 events, seeds 0-4, by profit captured.
_FORESTS = {
    "in_sale": {"num_leaves": 15, "min_data_in_leaf": 30},
    "at_list": {"num_leaves": 31, "min_data_in_leaf": 500},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """Competing items: those of one product type that have stock when the sale is planned.

    Args:
        group: number of each item's product type, (n_items,).
        size: competing items of each item's group, itself included even without stock, (n_items,).
        list_sum: sum of their list prices, (n_items,).
        stocked: whether the item is one of them, (n_items,).
    """

    group: IntArray
    size: FloatArray
    list_sum: FloatArray
    stocked: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemandTrees:
    """Expected units of a day, as the two forests see the items at the time of decision.

    Args:
        in_sale: forest of days in a promotion.
        at_list: forest of other days.
        items: one row per item, in the order of the case: list_price, category, brand (codes), popularity, views_trend.
        groups: competing items.
        deepest: deepest discount that the forest of promotions has seen.
    """

    in_sale: lgb.Booster
    at_list: lgb.Booster
    items: pl.DataFrame
    groups: Groups
    deepest: float

    def daily_units(
        self, item: IntArray, weekday: int, price: FloatArray, price_sum: FloatArray, *, in_sale: bool
    ) -> FloatArray:
        """Expected units of a whole day, (n,), above 0.

        Args:
            item: row of the items.
            weekday: 1 is Monday.
            price: price of the item.
            price_sum: sum of the prices of its group, its own included (the k of the program).
            in_sale: whether the item is in the sale.
        """
        size = self.groups.size[item]
        relative = np.where(size > 1, price * size / price_sum, 1.0)
        items = self.items[item]
        features = _features(items, price, relative, size, np.full(len(item), float(weekday)))
        forest = self.in_sale if in_sale else self.at_list
        ratio = np.asarray(forest.predict(features, num_threads=1), dtype=np.float64)
        return np.asarray(np.maximum(ratio * items["popularity"].to_numpy(), 1e-6))


def fit_trees(case: Case, panel: pl.DataFrame) -> DemandTrees:
    """Fit both forests.

    Args:
        case: its items and views.
        panel: item-days with `demand` and `share_seen` (`ferreira_curves.with_share_seen`).

    Raises:
        InsufficientDataError: no promotion of an item in stock, or nothing sold.
    """
    numbered = case.items.select("item_id").with_row_index("item").with_columns(pl.col("item").cast(pl.Int64))
    rows = panel.join(numbered, on="item_id", maintain_order="left").pipe(_with_relative_prices)
    seen = rows.filter(pl.col("share_seen") > 0.0)
    promoted = seen["in_promotion"]
    if not promoted.any() or not seen["units"].sum():
        raise InsufficientDataError(
            f"The log before {case.now:%Y-%m-%d} holds no promotion of an item in stock, or no purchase. "
            "Regression trees on prices need both."
        )
    popularity, trend = _popularity(case, rows)
    items = _items(case, popularity[:, -1], trend[:, -1])
    item, day = seen["item"].to_numpy(), seen["day_number"].to_numpy()
    then = items[item].with_columns(popularity=popularity[item, day], views_trend=trend[item, day])
    features = _features(
        then,
        *(seen[name].cast(pl.Float64).to_numpy() for name in ("price", "relative_price", "competing", "weekday")),
    )
    target = seen["demand"].to_numpy() / popularity[item, day]
    weight = seen["share_seen"].to_numpy() * popularity[item, day]
    forests = {
        name: _forest(features[mask], target[mask], weight[mask], {**_FORESTS[name], "seed": case.seed})
        for name, mask in (("in_sale", promoted.to_numpy()), ("at_list", ~promoted.to_numpy()))
    }
    return DemandTrees(
        **forests,
        items=items,
        groups=_groups(case, rows),
        deepest=float(seen.filter(promoted)["discount"].max()),  # type: ignore[arg-type]
    )


def _with_relative_prices(rows: pl.DataFrame) -> pl.DataFrame:
    """`competing` items with stock in the product type on that day, and `relative_price` to their mean price."""
    group = ["kind", "day"]
    stocked = pl.col("share_seen") > 0.0
    return (
        rows.with_columns(
            stocked.sum().over(group).alias("competing"),
            pl.col("price").filter(stocked).mean().over(group).alias("mean_price"),
        )
        .with_columns((pl.col("price") / pl.col("mean_price")).alias("relative_price"))
        .drop("mean_price")
    )


def _popularity(case: Case, rows: pl.DataFrame) -> tuple[FloatArray, FloatArray]:
    """Popularity in units per day, and log of recent views over it, as known on the morning of each day.

    Days in a promotion teach neither. Both are (n_items, n_days + 1); the last column is the time of decision.
    """
    shape = (case.items.height, int(rows["day_number"].max()) + 1)  # type: ignore[arg-type]
    cell = rows["item"].to_numpy(), rows["day_number"].to_numpy()

    def grid(values: pl.Series) -> FloatArray:
        table = np.zeros(shape)
        table[cell] = values.cast(pl.Float64).to_numpy()
        return table

    normal = grid(~rows["in_promotion"])
    stocked, shown = grid(rows["share_seen"]) * normal, normal
    units = grid(rows["units"]) * (stocked > 0.0)
    views = grid(_views(case, rows)) * shown
    total_views = float((views * stocked).sum())
    conversion = float(units.sum()) / total_views if total_views else 0.0
    shown = shown * (conversion > 0.0)
    mean = float(units.sum() / max(stocked.sum(), 1.0))
    one, other = _decayed(units + conversion * views, _HALF_LIFE_DAYS), _decayed(stocked + shown, _HALF_LIFE_DAYS)
    popularity = (one + _PRIOR_DAYS * mean) / (other + _PRIOR_DAYS)
    fast = _decayed(conversion * views, _FAST_HALF_LIFE_DAYS) + _PRIOR_DAYS * popularity
    trend = np.log(fast / (_decayed(shown, _FAST_HALF_LIFE_DAYS) + _PRIOR_DAYS) / popularity)
    return popularity, trend


def _decayed(values: FloatArray, half_life: float) -> FloatArray:
    """Sum over the days before each day, halved every `half_life` days, (n, n_days + 1)."""
    total = np.zeros((len(values), values.shape[1] + 1))
    for day in range(values.shape[1]):
        total[:, day + 1] = (total[:, day] + values[:, day]) * 0.5 ** (1.0 / half_life)
    return total


def _views(case: Case, rows: pl.DataFrame) -> pl.Series:
    """Views of each item-day."""
    views = (
        case.tables.events.filter((pl.col("event") == "view") & (pl.col("at") < case.now))
        .group_by("item_id", pl.col("at").dt.date().alias("day"))
        .agg(pl.len().alias("views"))
        .collect()
    )
    return rows.join(views, on=["item_id", "day"], how="left", maintain_order="left")["views"].fill_null(0)


def _items(case: Case, popularity: FloatArray, trend: FloatArray) -> pl.DataFrame:
    """What the forests know of each item; category and brand by their place in the alphabet."""
    return case.items.select(
        "list_price", *(pl.col(name).fill_null("").rank("dense").alias(name) for name in ("category", "brand"))
    ).with_columns(popularity=popularity, views_trend=trend)


def _groups(case: Case, rows: pl.DataFrame) -> Groups:
    """Groups of the items as they stand at the time of decision; an item not in the log competes with none."""
    kinds = in_order(case, rows.select("item_id", "kind").unique())
    _, group = np.unique(kinds.select(pl.coalesce("kind", "item_id")).to_series().to_numpy(), return_inverse=True)
    stocked = (case.items["stock"] > 0).to_numpy()
    price = case.items["list_price"].to_numpy()
    return Groups(
        group=group.astype(np.int64),
        size=np.bincount(group, stocked)[group] + ~stocked,
        list_sum=np.bincount(group, stocked * price)[group] + ~stocked * price,
        stocked=stocked,
    )


def _features(
    items: pl.DataFrame, price: FloatArray, relative_price: FloatArray, competing: FloatArray, weekday: FloatArray
) -> FloatArray:
    """One column each, (n, 10)."""
    list_price = items["list_price"].to_numpy()
    known = items.select("category", "brand", "list_price", pl.col("popularity").log(), "views_trend").to_numpy()
    discount = np.maximum(1.0 - price / list_price, 0.0)
    return np.column_stack([price, discount, relative_price, competing, weekday, known])


def _forest(features: FloatArray, target: FloatArray, weight: FloatArray, own: dict[str, int]) -> lgb.Booster:
    data = lgb.Dataset(features, target, weight=weight)
    return lgb.train({**_PARAMETERS, **own}, data, num_boost_round=_TREES)
