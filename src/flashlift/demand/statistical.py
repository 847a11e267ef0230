"""What statsforecast, a library of classical forecasts, says of the same days: a peer, not a part of the model.

It comes with the extra `bench`; without it its rows are absent. Each level is forecast from series of its own, all of
them, with a method that is cheap for so many series: MSTL with a week's season for the shop's days, optimized
exponential smoothing for the weeks of categories, IMAPA (Petropoulos and Kourentzes, JORS 2015), made for
intermittent demand, for the weeks of items. Unlike ours, these forecasts do not add up from level to level.
"""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import Any

import numpy as np
import polars as pl

from flashlift.demand.totals import LevelForecast, on_levels
from flashlift.protocols import FloatArray, IntArray

__all__ = ["has_statsforecast", "missing_peer", "statistical_forecasts"]

_PACKAGE = "statsforecast"


def has_statsforecast() -> bool:
    """Whether the package is installed."""
    return find_spec(_PACKAGE) is not None


def missing_peer(metrics: pl.DataFrame) -> str | None:
    """What to install for rows that are absent from `Backtest.metrics`; None where they are there."""
    if metrics["model"].str.contains(_PACKAGE, literal=True).any():
        return None
    return (
        f"No classical forecast stands beside it: {_PACKAGE} was not installed. `pip install 'flashlift[bench]'` adds "
        "its rows at the next `flashlift train demand`."
    )


def statistical_forecasts(
    past: FloatArray, category: IntArray, n_categories: int, days: int
) -> dict[str, LevelForecast]:
    """Forecasts of the next `days` days, each method on its level; none where the package is not installed.

    Args:
        past: units per item and day up to the origin, (n_items, n_days), at least 28 days.
        category: of each item, in [0, n_categories).
        n_categories: number of categories.
        days: at least 7.
    """
    if not has_statsforecast():
        return {}
    from statsforecast import models

    methods = {
        "item_week": ("IMAPA", models.IMAPA()),
        "category_week": ("SES", models.SimpleExponentialSmoothingOptimized()),
        "shop_day": ("MSTL", models.MSTL(season_length=7)),
    }
    told = {}
    for level, sums in on_levels(past[:, past.shape[1] % 7 :], category, n_categories).items():
        name, method = methods[level]
        ahead = days if level == "shop_day" else days // 7
        series = np.atleast_2d(sums)
        mean = np.maximum(_forecast(method, series, ahead), 0.0).reshape(*sums.shape[:-1], ahead)
        told[f"{name} ({_PACKAGE})"] = LevelForecast(mean={level: mean}, quantiles={})
    return told


def _forecast(method: Any, series: FloatArray, horizon: int) -> FloatArray:
    """Forecasts of the rows, (n, horizon); a row that the method cannot learn from gets its mean."""
    from statsforecast import StatsForecast
    from statsforecast.models import HistoricAverage

    n, length = series.shape
    frame = pl.DataFrame(
        {"unique_id": np.repeat(np.arange(n), length), "ds": np.tile(np.arange(length), n), "y": series.ravel()}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runner = StatsForecast(models=[method], freq=1, n_jobs=1, fallback_model=HistoricAverage())
        found = runner.forecast(df=frame, h=horizon).sort("unique_id", "ds")
    return np.asarray(found[found.columns[-1]].to_numpy(), dtype=np.float64).reshape(n, horizon)
