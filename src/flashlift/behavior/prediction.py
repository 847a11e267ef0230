"""What a model says of customers, as one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.behavior.curves import log_survival
from flashlift.protocols import FloatArray
from flashlift.schema import Events

__all__ = ["Prediction", "best_items", "horizon_column", "median_hours"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """What a model says of n customers; None where its log could not teach it.

    Args:
        customers: who.
        horizons_hours: the horizons of `probability`.
        probability: P(an order begins within h), (n, n_horizons).
        median: hours to the next order, NaN beyond 30 days, (n,).
        category: most likely category of the next order, and its probability, (n,) each.
        value: expected value of the next order, (n,).
        items: ids of the items most likely next, best first, (n, top).
    """

    customers: Sequence[str]
    horizons_hours: Sequence[float]
    probability: FloatArray | None
    median: FloatArray | None
    category: tuple[list[str], FloatArray] | None
    value: FloatArray | None
    items: list[list[str]]

    def to_polars(self) -> pl.DataFrame:
        """One row per customer: customer_id, p_<h>h per horizon, median_hours, next_category, its probability, value.

        Columns of what the model cannot say are null; so is median_hours where it is more than 30 days.
        """
        n = len(self.customers)
        probability = np.full((n, len(self.horizons_hours)), np.nan) if self.probability is None else self.probability
        names, sure = (None, None) if self.category is None else self.category
        columns = {
            Events.customer_id.name: pl.Series(self.customers, dtype=pl.String),
            **{horizon_column(h): _floats(probability[:, k], n) for k, h in enumerate(self.horizons_hours)},
            "median_hours": _floats(self.median, n),
            "next_category": pl.Series([None] * n if names is None else names, dtype=pl.String),
            "next_category_probability": _floats(sure, n),
            "order_value": _floats(self.value, n),
            "top_items": pl.Series(self.items, dtype=pl.List(pl.String)),
        }
        return pl.DataFrame(columns)


def horizon_column(hours: float) -> str:
    """Name of the column of a horizon."""
    return f"p_{hours:g}h"


def median_hours(edges: Sequence[float], curve: FloatArray) -> FloatArray:
    """Time at which P(order) reaches one half, (n,), NaN where it does not; the hazard is constant between edges.

    Args:
        edges: hours, rising, (K,).
        curve: P at the edges, rising along a row, (n, K).
    """
    logs = log_survival(np.column_stack([np.zeros(len(curve)), curve]))
    hours = np.array([0.0, *edges])
    right = np.maximum((logs <= np.log(0.5)).argmax(axis=1), 1)
    row = np.arange(len(curve))
    before, after = logs[row, right - 1], logs[row, right]
    share = (before - np.log(0.5)) / np.maximum(before - after, 1e-12)
    median: FloatArray = hours[right - 1] + share * (hours[right] - hours[right - 1])
    return np.where(curve[:, -1] >= 0.5, median, np.nan)


def best_items(
    score: Callable[[slice], FloatArray],
    n: int,
    item_ids: npt.NDArray[np.object_],
    top: int,
    *,
    cells: int = 10_000_000,
) -> list[list[str]]:
    """Ids of the `top` items with the highest scores of each of n rows, best first.

    Args:
        score: scores of a slice of the rows, (rows, n_items).
        n: rows.
        item_ids: (n_items,).
        top: items per row, at most.
        cells: scores held in memory at once.
    """
    if not top or not len(item_ids):
        return [[] for _ in range(n)]
    found: list[list[str]] = []
    step = max(cells // max(len(item_ids), 1), 1)
    for begin in range(0, n, step):
        scores = score(slice(begin, min(begin + step, n)))
        best = np.argpartition(-scores, min(top, scores.shape[1]) - 1, axis=1)[:, :top]  # quick where items are many
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1, kind="stable")
        found += [row.tolist() for row in item_ids[np.take_along_axis(best, order, axis=1)]]
    return found


def _floats(values: FloatArray | None, n: int) -> pl.Series:
    return pl.Series(np.full(n, np.nan) if values is None else values, dtype=pl.Float64).fill_nan(None)
