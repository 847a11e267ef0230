"""LightGBM and EconML's LinearDML on the same rows, with the same knowledge of the past (see `Panel.features`)."""

from __future__ import annotations

import warnings

import lightgbm as lgb
import numpy as np
import polars as pl

from benchmarks.demand_real.regression import Slopes, clustered, codes, smearing
from flashlift.protocols import FloatArray

__all__ = ["boosted", "double_ml"]

_CONTROLS = [
    "deal", "feat", "level_4", "level_13", "level_52", "level_all", "log_usual", "horizon", "season_sin", "season_cos",
]  # fmt: skip
_FEATURES = ["log_price", "log_relative", *_CONTROLS]
_BOOST = {
    "objective": "poisson", "learning_rate": 0.05, "num_leaves": 31, "min_data_in_leaf": 100, "lambda_l2": 10.0,
    "feature_fraction": 0.8, "num_threads": 1, "deterministic": True, "seed": 1, "verbosity": -1,
}  # fmt: skip
_NUISANCE = {
    "n_estimators": 300, "learning_rate": 0.05, "num_leaves": 31, "min_child_samples": 100, "n_jobs": 1,
    "random_state": 1, "verbosity": -1,
}  # fmt: skip
_FOLDS = 4
_STOP_WEEKS = 12


def boosted(train: pl.DataFrame, held: pl.DataFrame, brands: list[str]) -> tuple[FloatArray, pl.DataFrame]:
    """Mean units of held-out rows, and the slope of the fitted surface at +-10 % of the price, without intervals.

    Poisson loss; the number of rounds is chosen on the last 12 weeks of training. The item's own level is the offset,
    so that trees learn ratios.
    """

    def features(frame: pl.DataFrame) -> FloatArray:
        named = [codes(frame["brand"], brands), frame["store"].to_numpy()]
        return np.column_stack([frame.select(_FEATURES).to_numpy(), *named])

    def data(frame: pl.DataFrame) -> lgb.Dataset:
        named = [len(_FEATURES), len(_FEATURES) + 1]
        offset = frame["level_13"].to_numpy()
        return lgb.Dataset(features(frame), frame["units"].to_numpy(), init_score=offset, categorical_feature=named)

    late = train["week"] > train["week"].max() - _STOP_WEEKS  # type: ignore[operator]
    stop = lgb.early_stopping(50, verbose=False)
    tried = lgb.train(_BOOST, data(train.filter(~late)), 2000, valid_sets=[data(train.filter(late))], callbacks=[stop])
    model = lgb.train(_BOOST, data(train), max(tried.best_iteration, 1))

    def log_mean(frame: pl.DataFrame, shift: float = 0.0) -> FloatArray:
        moved = frame.with_columns(pl.col("log_price") + shift, pl.col("log_relative") + shift)
        return np.asarray(model.predict(features(moved), raw_score=True, num_threads=1) + frame["level_13"].to_numpy())

    step = float(np.log(1.1))
    slope = (log_mean(train, step) - log_mean(train, -step)) / (2 * step)
    told = train.select("brand", elasticity=slope)
    table = pl.concat(
        [told.group_by("brand").agg(pl.col("elasticity").mean()).sort("brand"),
         told.select(pl.lit("all").alias("brand"), pl.col("elasticity").mean())]
    ).with_columns(ci_lower=pl.lit(None, pl.Float64), ci_upper=pl.lit(None, pl.Float64))  # fmt: skip
    return np.exp(log_mean(held)), table


def double_ml(train: pl.DataFrame, held: pl.DataFrame, brands: list[str]) -> tuple[FloatArray, Slopes]:
    """LinearDML: log units on log price, slope by brand, nuisances by LightGBM cross-fitted over groups of stores.

    Needs econml. Its own intervals take rows as independent; here its residuals are clustered by store.
    """
    from econml.dml import LinearDML
    from sklearn.model_selection import GroupKFold

    code, held_code = codes(train["brand"], brands), codes(held["brand"], brands)
    one_hot, store = np.eye(len(brands))[code], train["store"].to_numpy()
    y, t = train["log_units"].to_numpy(), train["log_price"].to_numpy()
    model = LinearDML(
        model_y=lgb.LGBMRegressor(**_NUISANCE),
        model_t=lgb.LGBMRegressor(**_NUISANCE),
        fit_cate_intercept=False,
        cv=GroupKFold(_FOLDS),
        random_state=1,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(y, t, X=one_hot, W=train.select(_CONTROLS).to_numpy(), groups=store, cache_values=True)
        y_left, t_left = (np.ravel(part) for part in model.residuals_[:2])
        theta = np.ravel(model.const_marginal_effect(np.eye(len(brands))))
        known = np.column_stack([np.eye(len(brands))[held_code], held.select(_CONTROLS).to_numpy()])
        mean_y, mean_t = (
            np.mean([np.ravel(fold.predict(known)) for fold in folds[0]], axis=0)
            for folds in (model.models_y, model.models_t)
        )
    design = one_hot * t_left[:, None]
    left = y_left - design @ theta
    fitted = mean_y + theta[held_code] * (held["log_price"].to_numpy() - mean_t)
    units = np.exp(fitted) * smearing(left, code)[held_code]
    return units, Slopes(slope=theta, covariance=clustered(design, left, store))
