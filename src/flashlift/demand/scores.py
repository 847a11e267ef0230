"""How far a forecast is from what was sold, on each level; and the tables of it that people read."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from flashlift.demand.totals import LEVELS, QUANTILES, LevelForecast
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["by_metric", "by_origin", "score"]


def score(actual: Mapping[str, FloatArray], forecast: LevelForecast) -> list[tuple[str, str, float]]:
    """`level`, `metric`, `value` of a forecast; metrics as in `Backtest`.

    Raises:
        InsufficientDataError: nothing was sold.
    """
    rows = []
    for level, mean in forecast.mean.items():
        found = _errors(actual[level].ravel(), mean.ravel())
        if level in forecast.quantiles:
            found |= _intervals(actual[level].ravel(), forecast.quantiles[level].reshape(-1, len(QUANTILES)))
        rows += [(level, metric, value) for metric, value in found.items()]
    return rows


def _errors(actual: FloatArray, mean: FloatArray) -> dict[str, float]:
    total = actual.sum()
    if total <= 0:
        raise InsufficientDataError(
            "Nothing was sold in the test period, so no forecast can be judged. Move the split."
        )
    return {"wape": float(np.abs(actual - mean).sum() / total), "bias": float((mean - actual).sum() / total)}


def _intervals(actual: FloatArray, quantiles: FloatArray) -> dict[str, float]:
    gap = actual[:, None] - quantiles
    loss = np.maximum(QUANTILES * gap, (QUANTILES - 1) * gap).sum(0).mean() * 2 / actual.sum()

    def coverage(low: int, high: int) -> float:
        return float(np.mean((actual >= quantiles[:, low]) & (actual <= quantiles[:, high])))

    return {"pinball": float(loss), "coverage_80": coverage(1, 5), "coverage_90": coverage(0, 6)}


def by_metric(metrics: pl.DataFrame) -> pl.DataFrame:
    """One row per level and model of `Backtest.metrics`, a column per metric."""
    return _wide(metrics, "metric")


def by_origin(origins: pl.DataFrame) -> pl.DataFrame:
    """WAPE of one row per level and model of `Backtest.origins`, a column per origin, such as `Nov 12`."""
    named = origins.filter(metric="wape").with_columns(pl.col("origin").dt.to_string("%b %d"))
    return _wide(named, "origin")


def _wide(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    upwards = rows.sort(pl.col("level").cast(pl.Enum(LEVELS)), maintain_order=True)
    return upwards.pivot(name, index=["level", "model"], values="value", maintain_order=True)
