"""The forecast beside what happened in held-out weeks, and beside naive forecasts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.demand.config import DemandConfig
from flashlift.demand.fit import fit
from flashlift.demand.model import FittedDemand
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.profile import DAY_US
from flashlift.domain import Split
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, Progress, silent
from flashlift.schema import Tables

__all__ = ["Backtest", "backtest"]

_DRAWS = 200
_QUANTILES = np.array([0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95])


@dataclass(frozen=True, slots=True, kw_only=True)
class Backtest:
    """A forecast judged on weeks that the fit never saw.

    Args:
        daily: units of the shop per day: `date`, `actual`, `mean`, `ci_lower`, `ci_upper` (90 %).
        metrics: `model` (flashlift, seasonal_naive, mean_28), `level` (shop_day, item_week), `metric`, `value`.
            `wape` is the sum of absolute errors over the sum of units, `bias` the sum of errors over it, `pinball`
            the mean quantile loss over it, and `coverage_80`, `coverage_90` the share of intervals that hold the
            actual.
    """

    daily: pl.DataFrame
    metrics: pl.DataFrame


def backtest(
    tables: Tables,
    *,
    split: Split,
    config: DemandConfig | None = None,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> Backtest:
    """Fit on what happened before `split.valid_end` and judge on the days from there to `split.test_end`.

    Sales that the table of promotions names in the test period are told to the forecast, since the merchant decides
    them; item-days without stock are left out of forecast and actual alike. Items first sold in the test period
    are not judged.

    Raises:
        InsufficientDataError: no purchases to judge on, or too few to fit.
    """
    config = config or DemandConfig()
    model = fit(tables, until=split.valid_end, config=config, rng=rng, progress=progress)
    start = date(1970, 1, 1) + timedelta(days=model.origin_day)
    days = (split.test_end.date() - start).days
    if days < 7:
        raise InsufficientDataError(
            f"The test period from {start} to {split.test_end:%Y-%m-%d} has {days} whole days; a backtest needs "
            "at least 7. Move `valid_end` earlier or give a longer log."
        )
    panel = build_panel(tables, split.test_end, config)
    past, actual, judged = _windows(panel, model, days)
    promotions = _known_promotions(panel, model) if not panel.detected else None
    shop, weeks, mean = _draw_totals(model, start, days, judged, promotions, rng)
    naive = {
        "seasonal_naive": past[:, -7:][:, np.arange(days) % 7],
        "mean_28": np.repeat(past[:, -28:].mean(1)[:, None], days, 1),
    }
    metrics = _score("flashlift", actual, mean, judged, shop, weeks)
    for name, forecast in naive.items():
        metrics += _score(name, actual, forecast * judged, judged, None, None)
    edges = np.quantile(shop, [0.05, 0.95], axis=1)
    daily = pl.DataFrame(
        {
            "date": pl.date_range(start, start + timedelta(days=days - 1), eager=True),
            "actual": (actual * judged).sum(0),
            "mean": mean.sum(0),
            "ci_lower": edges[0],
            "ci_upper": edges[1],
        }
    )
    frame = pl.DataFrame(metrics, schema=["model", "level", "metric", "value"], orient="row")
    return Backtest(daily=daily, metrics=frame)


def _windows(panel: Panel, model: FittedDemand, days: int) -> tuple[FloatArray, FloatArray, npt.NDArray[np.bool_]]:
    """Units before and in the test period of the model's items, and the item-days to judge."""
    row = {item_id: k for k, item_id in enumerate(panel.item_ids)}
    rows = np.array([row.get(item_id, -1) for item_id in model.item_ids])
    known = (rows >= 0)[:, None]
    units = np.where(known, panel.units[rows], 0.0)
    cut = model.origin_day - panel.first_day
    judged = np.where(known, panel.stock[rows] > 0.999, True)[:, cut : cut + days]
    return units[:, :cut], units[:, cut : cut + days], judged


def _known_promotions(panel: Panel, model: FittedDemand) -> pl.DataFrame:
    ids = pl.DataFrame({"item": np.arange(len(panel.item_ids)), "item_id": panel.item_ids})
    first = pl.lit(model.origin_day * DAY_US).cast(pl.Datetime("us", "UTC"))
    return (
        panel.sales.filter((pl.col("to") > first) & pl.col("depth").is_not_null())
        .join(ids, on="item")
        .select("item_id", pl.col("from").alias("start"), pl.col("to").alias("end"), "depth", "position")
    )


def _draw_totals(
    model: FittedDemand,
    start: date,
    days: int,
    judged: npt.NDArray[np.bool_],
    promotions: pl.DataFrame | None,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Drawn units of the shop (days, n_draws), quantiles (n_items, weeks, n_quantiles), means (n_items, days)."""
    shop = np.zeros((days, _DRAWS))
    weeks, means, done = [], [], 0
    for units in model.daily_units(start, days, n_draws=_DRAWS, rng=rng, promotions=promotions):
        part = units * judged[done : done + len(units), :, None]
        done += len(part)
        shop += part.sum(0)
        means.append(part.mean(2))
        full = days // 7
        weekly = part[:, : full * 7].reshape(len(part), full, 7, -1).sum(2)
        weeks.append(np.moveaxis(np.quantile(weekly, _QUANTILES, axis=2), 0, 2))
    return shop, np.concatenate(weeks), np.concatenate(means)


def _score(
    name: str,
    actual: FloatArray,
    mean: FloatArray,
    judged: npt.NDArray[np.bool_],
    shop: FloatArray | None,
    weeks: FloatArray | None,
) -> list[tuple[str, str, str, float]]:
    actual = actual * judged
    full = actual.shape[1] // 7 * 7
    by_week = [a[:, :full].reshape(len(a), -1, 7).sum(2) for a in (actual, mean)]
    rows = _errors(name, "shop_day", actual.sum(0), mean.sum(0)) + _errors(name, "item_week", *by_week)
    if shop is not None:
        rows += _intervals(name, "shop_day", actual.sum(0), np.quantile(shop, _QUANTILES, axis=1).T)
    if weeks is not None:
        rows += _intervals(name, "item_week", by_week[0].ravel(), weeks.reshape(-1, len(_QUANTILES)))
    return rows


def _errors(name: str, level: str, actual: FloatArray, mean: FloatArray) -> list[tuple[str, str, str, float]]:
    total = actual.sum()
    if total <= 0:
        raise InsufficientDataError(
            "Nothing was sold in the test period, so no forecast can be judged. Move the split."
        )
    wape, bias = np.abs(actual - mean).sum() / total, (mean - actual).sum() / total
    return [(name, level, "wape", float(wape)), (name, level, "bias", float(bias))]


def _intervals(name: str, level: str, actual: FloatArray, quantiles: FloatArray) -> list[tuple[str, str, str, float]]:
    gap = actual[:, None] - quantiles
    loss = np.maximum(_QUANTILES * gap, (_QUANTILES - 1) * gap).sum(0).mean() * 2 / actual.sum()

    def coverage(low: int, high: int) -> float:
        return float(np.mean((actual >= quantiles[:, low]) & (actual <= quantiles[:, high])))

    return [
        (name, level, "pinball", float(loss)),
        (name, level, "coverage_80", coverage(1, 5)),
        (name, level, "coverage_90", coverage(0, 6)),
    ]
