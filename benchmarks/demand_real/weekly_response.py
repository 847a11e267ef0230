"""flashlift's response alone, on weekly rows: its likelihood with a weekly baseline as offset.

The whole model forecasts in a log whose weeks are days and knows no regular price. Here its response
(`fit_response`) gets a baseline made for weeks: LightGBM on weeks without a promotion, with the regular price,
cross-fitted over groups of stores. The rows are the promoted weeks; the place of a sale (advertised, on the shelf,
unannounced) is its control of position, the recent level against the year's its control of the demand state.
"""

from __future__ import annotations

from dataclasses import dataclass

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from benchmarks.demand_real.regression import codes
from benchmarks.demand_real.weekly import CUT, POSITION
from flashlift.demand.config import DemandConfig
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.normal import NORMAL_90

__all__ = ["answer"]

_FEATURES = [
    "log_relative", "level_4", "level_13", "level_52", "level_all", "log_usual", "horizon", "season_sin", "season_cos",
]  # fmt: skip
_BOOST = {
    "objective": "poisson", "learning_rate": 0.05, "num_leaves": 16, "min_data_in_leaf": 100, "lambda_l2": 10.0,
    "feature_fraction": 0.8, "num_threads": 1, "deterministic": True, "seed": 1, "verbosity": -1,
}  # fmt: skip
_ROUNDS = 120  # as in flashlift's own baseline
_FOLDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    items: list[str]
    response: Response
    category: IntArray
    center: float


def answer(train: pl.DataFrame, held: pl.DataFrame, brands: list[str]) -> tuple[FloatArray, pl.DataFrame]:
    """Mean units of held-out rows (see `Panel.features`; NaN for items never seen), and slopes by brand."""
    items = train["item"].unique().sort().to_list()
    first = train.unique("item", keep="first").sort("item")
    category = codes(first["brand"], brands)
    fold = np.unique(train["store"].to_numpy(), return_inverse=True)[1] % _FOLDS
    baseline = np.empty(len(train))
    for k in range(_FOLDS):
        baseline[fold == k] = _without_sale(_boosted(train.filter(pl.Series(fold != k)), brands), train, brands)[
            fold == k
        ]
    sold = _promoted(train)
    place = _log_place(train)
    center = float(place[sold].mean())
    response = fit_response(
        SaleRows(
            item=codes(train["item"], items)[sold],
            units=train["units"].to_numpy().astype(np.float64)[sold],
            baseline=baseline[sold],
            x=-train["log_relative"].to_numpy()[sold],
            controls=_controls(train, center)[sold],
            lump=np.ones(int(sold.sum())),
        ),
        category,
        len(brands),
        DemandConfig(),
    )
    fitted = _Fitted(items=items, response=response, category=category, center=center)
    return _forecast(fitted, _boosted(train, brands), held, brands), _slopes(response, brands)


def _promoted(frame: pl.DataFrame) -> npt.NDArray[np.bool_]:
    sold = (pl.col("deal") > 0) | (pl.col("feat") > 0) | (pl.col("log_relative") < np.log(1 - CUT))
    return frame.select(sold).to_series().to_numpy()


def _log_place(frame: pl.DataFrame) -> FloatArray:
    deal = np.where(frame["deal"].to_numpy() > 0, POSITION["deal"], POSITION["cut"])
    return np.log(np.where(frame["feat"].to_numpy() > 0, POSITION["feat"], deal))


def _controls(frame: pl.DataFrame, center: float) -> FloatArray:
    """Demand state, log position around its mean; nothing was drawn by lot, and no rule of the merchant is assumed."""
    out = np.zeros((len(frame), 5))
    out[:, 0] = frame["level_4"].to_numpy() - frame["level_52"].to_numpy()
    out[:, 1] = _log_place(frame) - center
    return out


def _boosted(frame: pl.DataFrame, brands: list[str]) -> lgb.Booster:
    quiet = frame.filter(pl.Series(~_promoted(frame)))
    offset = quiet["level_13"].to_numpy()
    data = lgb.Dataset(_columns(quiet, brands), quiet["units"].to_numpy(), init_score=offset)
    return lgb.train(_BOOST, data, _ROUNDS)


def _columns(frame: pl.DataFrame, brands: list[str]) -> FloatArray:
    return np.column_stack([frame.select(_FEATURES).to_numpy(), codes(frame["brand"], brands)])


def _without_sale(booster: lgb.Booster, frame: pl.DataFrame, brands: list[str]) -> FloatArray:
    """Units at the usual price in weeks of a sale, at the week's own price in others."""
    usual = np.where(_promoted(frame), 0.0, frame["log_relative"].to_numpy())
    columns = _columns(frame.with_columns(log_relative=usual), brands)
    return np.asarray(np.exp(booster.predict(columns, raw_score=True, num_threads=1) + frame["level_13"].to_numpy()))


def _forecast(fitted: _Fitted, booster: lgb.Booster, held: pl.DataFrame, brands: list[str]) -> FloatArray:
    response, item = fitted.response, codes(held["item"], fitted.items)
    mean, spread = response.marginal(np.arange(len(fitted.items)), np.zeros_like(fitted.category), fitted.category)
    at = np.column_stack([np.ones(len(held)), -held["log_relative"].to_numpy()])
    log_lift = np.sum(mean[item] * at, axis=1) + 0.5 * np.einsum("ni,nij,nj->n", at, spread[item], at)
    log_lift += _controls(held, fitted.center) @ response.shop_mean[2:]
    units = _without_sale(booster, held, brands) * np.where(_promoted(held), np.exp(log_lift), 1.0)
    return np.where(item >= 0, units, np.nan)


def _slopes(response: Response, brands: list[str]) -> pl.DataFrame:
    mean, spread = response.category_marginal(response.categories)
    slope = -np.append(mean[:, 1], response.shop_mean[1])
    sd = np.sqrt(np.append(spread[:, 1, 1], response.shop_covariance[1, 1]))
    return pl.DataFrame(
        {
            "brand": [*brands, "all"],
            "elasticity": slope,
            "ci_lower": slope - NORMAL_90 * sd,
            "ci_upper": slope + NORMAL_90 * sd,
        }
    )
