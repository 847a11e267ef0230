"""Gradient-boosted trees on the panel, with the price plugged in: what most shops with a data scientist have.

One Poisson model of all items and days in stock (LightGBM): recent sales, calendar, category, brand, kind, price,
discount, price relative to its kind, promotion flag. The item's level before the day enters as an offset, so the trees
learn what changes it. A slot's response is the model's own answer when the price of each step of the ladder is put in
its place. Demand must not rise with the price (without this rule the shares on seeds 0-4 were the same). Past
promotions are taken as if drawn by lot.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import lightgbm as lgb
import numpy as np
import polars as pl

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.panel import build_panel, in_order
from benchmarks.profit_captured.plug_in import horizon_days, plug_in, slot_days
from flashlift.protocols import FloatArray

__all__ = ["NAME", "estimate"]

NAME = "LightGBM plug-in"

_WINDOWS = (7, 28)
_LAGS = (*(f"mean_{window}" for window in _WINDOWS), "mean_ever")
_CODES = ("category", "brand", "kind")
_SIGNS = {"price": -1, "relative_price": -1, "discount": 1, "in_promotion": 1}  # of the effect on units
_FEATURES = (*_LAGS, "age", "weekday", "season", *_CODES, "list_price", *_SIGNS)
_LEND = 5.0  # normal days that the longer mean lends to the shorter
_ROUNDS = 200
_PARAMETERS: dict[str, Any] = {
    "objective": "poisson",
    "learning_rate": 0.05,
    "num_leaves": 7,
    "min_data_in_leaf": 100,
    "min_sum_hessian_in_leaf": 5.0,  # expected units; leaves of less diverged in 3 of 40 logs
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "monotone_constraints": [_SIGNS.get(name, 0) for name in _FEATURES],
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbosity": -1,
}


def estimate(case: Case) -> Estimated:
    """Train once; predict every item at list price for the horizon, and at each step for the days with slots."""
    panel = build_panel(case)
    model = _train(panel, case.seed)
    today = in_order(case, _lags(panel).group_by("item_id").last())
    days = horizon_days(case)
    on = [days[k] for k in slot_days(case)]
    ladder = case.campaign.ladder
    at_list = model.units(today, on, 0.0, promoted=False).sum(axis=1)
    steps = np.column_stack([model.units(today, on, step, promoted=True).sum(axis=1) for step in ladder])
    deepest = float(panel.select(pl.col("depth").max().fill_null(0.0)).item())
    return Estimated(
        draws=plug_in(
            case,
            daily_units=model.units(today, days, 0.0, promoted=False),
            multiplier=steps / at_list[:, None],
            deepest=np.full(len(today), deepest),
        ),
        elasticities=_elasticities(today["item_id"], steps, ladder),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Model:
    """Trees, the names behind the codes of each categorical feature, and the level of an item never seen."""

    trees: lgb.Booster
    names: dict[str, list[str]]
    unknown: float

    def units(self, today: pl.DataFrame, days: Sequence[datetime], discount: float, *, promoted: bool) -> FloatArray:
        """Predicted units of each item and day with this discount in place, (n_items, n_days)."""
        frames = [
            today.with_columns(
                pl.lit(day.isoweekday()).alias("weekday"),
                pl.lit(day.timetuple().tm_yday).alias("season"),
                (pl.col("list_price") * (1.0 - discount)).alias("price"),
                pl.lit(discount).alias("discount"),
                pl.lit(promoted).alias("in_promotion"),
            )
            for day in days
        ]
        units = self.trees.predict(_matrix(pl.concat(frames), self.names), num_threads=1)
        level = today["level"].fill_null(self.unknown).to_numpy()
        return np.asarray(level[:, None] * np.asarray(units).reshape(len(days), len(today)).T)


def _train(panel: pl.DataFrame, seed: int) -> _Model:
    """What was known at a midnight explains the day that followed; sold-out days are left out."""
    known = _lags(panel).with_columns(
        pl.col(*_LAGS, "level").shift(1).over("item_id"), pl.col("day").dt.ordinal_day().alias("season")
    )
    rows = known.filter(~pl.col("sold_out") & (pl.col("age") > 1))
    names = {code: panel[code].unique().sort().to_list() for code in _CODES}
    data = lgb.Dataset(
        _matrix(rows, names),
        rows["units"].to_numpy(),
        init_score=np.log(rows["level"].to_numpy()),
        feature_name=list(_FEATURES),
        categorical_feature=list(_CODES),
    )
    trees = lgb.train(_PARAMETERS | {"seed": seed}, data, _ROUNDS)
    return _Model(trees=trees, names=names, unknown=float(rows["level"].to_numpy().mean()))


def _lags(panel: pl.DataFrame) -> pl.DataFrame:
    """Add means over normal days (no promotion, in stock) up to and with each day, and the item's age in days.

    `level` is the 28-day mean, shrunk to the mean of all days so far, which is shrunk to one sale in a hundred days.
    """
    normal = (~pl.col("in_promotion") & ~pl.col("sold_out")).cast(pl.Float64)
    bought = normal * pl.col("units")
    windows = [*_WINDOWS, panel["day_number"].n_unique()]
    units, days = ([part.rolling_sum(w, min_samples=1).over("item_id") for w in windows] for part in (bought, normal))
    means = [n / pl.when(d > 0.5).then(d) for n, d in zip(units, days, strict=True)]
    ever = (units[2] + 0.01 * _LEND) / (days[2] + _LEND)
    return panel.with_columns(
        *(mean.alias(name) for mean, name in zip(means, _LAGS, strict=True)),
        ((units[1] + ever * _LEND) / (days[1] + _LEND)).alias("level"),
        pl.int_range(1, pl.len() + 1).over("item_id").alias("age"),
        pl.col("list_price").mean().over("kind").alias("kind_price"),
    )


def _matrix(rows: pl.DataFrame, names: dict[str, list[str]]) -> FloatArray:
    """Features, (n, n_features); what is not known is nan."""
    codes = {code: {name: k for k, name in enumerate(every)} for code, every in names.items()}
    columns = rows.with_columns(
        (pl.col("price") / pl.col("kind_price")).alias("relative_price"),
        *(pl.col(code).replace_strict(codes[code], default=None, return_dtype=pl.Float64) for code in _CODES),
    ).select(pl.col(name).cast(pl.Float64) for name in _FEATURES)
    return np.asarray(columns.to_numpy(), dtype=np.float64)


def _elasticities(item_id: pl.Series, steps: FloatArray, ladder: Sequence[float]) -> pl.DataFrame:
    """Slope of the plugged-in curve from the shallowest to the median step of the ladder, visibility the same at both.

    The curve from list price on would mix in the promotion flag, and no promotion without a discount was ever seen.
    """
    order = np.argsort(ladder)
    low, median = order[0], order[max((len(order) - 1) // 2, 1)]
    change = np.log1p(-ladder[median]) - np.log1p(-ladder[low])
    nothing = pl.lit(None, dtype=pl.Float64)
    return pl.DataFrame(
        {"item_id": item_id, "elasticity": np.log(steps[:, median] / steps[:, low]) / change}
    ).with_columns(nothing.alias("ci_lower"), nothing.alias("ci_upper"))
