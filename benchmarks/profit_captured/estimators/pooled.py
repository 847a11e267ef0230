"""A Poisson regression per category: one elasticity and one lift of being promoted for all items of the category.

    units of item i on day t ~ Poisson(exp(item i + weekday + elasticity x ln(price / list price) + lift x promoted))

over the days in stock. A category is the first level of its path: the levels below hold too few promotions each. The
item effects are profiled out, so each Newton step solves for a handful of coefficients. An interval takes the wider
of the Poisson standard error and that clustered by item, which is too small, down to 0, where items are few. A
category without a price change has no response: nothing is borrowed. Past promotions are taken as if drawn by lot.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
import polars as pl

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.panel import build_panel
from benchmarks.profit_captured.plug_in import log_linear
from flashlift.protocols import FloatArray, IntArray

__all__ = ["NAME", "estimate"]

NAME = "category-pooled regression"

_MOVED = 0.02  # prices this close in logarithm, rounding of cents included, are one price
_Z = NormalDist().inv_cdf(0.95)


def estimate(case: Case) -> Estimated:
    """One regression per category; the baseline is the item's recent mean."""
    panel = build_panel(case).with_columns(pl.col("category").str.split("/").list.first())
    in_stock = panel.filter(~pl.col("sold_out"))
    rows = [
        {"category": key[0], **found}
        for key, part in in_stock.partition_by("category", as_dict=True).items()
        if (found := _fit(part)) is not None
    ]
    names = ("elasticity", "ci_lower", "ci_upper", "log_lift", "deepest")
    by_category = pl.DataFrame(rows, schema={"category": pl.String, **dict.fromkeys(names, pl.Float64)})
    responses = panel.select("item_id", "category").unique().join(by_category, on="category").sort("item_id")
    return log_linear(case, panel, responses)


def _fit(part: pl.DataFrame) -> dict[str, float] | None:
    """One category; None where prices did not move, or nothing was ever bought at a lower price."""
    sold = part.filter(pl.col("units").sum().over("item_id") > 0)
    log_price, promoted = np.log1p(-sold["discount"].to_numpy()), sold["in_promotion"].to_numpy()
    units = sold["units"].to_numpy().astype(np.float64)
    if not units[log_price < -_MOVED].any() or not units[log_price >= -_MOVED].any():
        return None
    weekday = sold["weekday"].to_numpy()
    columns = [log_price, *(weekday == k for k in range(2, 8))]
    apart = any(len(part) and np.ptp(part) >= _MOVED for part in (log_price[promoted], log_price[~promoted]))
    if apart:
        columns.append(promoted)
    item = sold["item_id"].rle_id().to_numpy().astype(np.int64)
    beta, error = _poisson(units, np.column_stack(columns).astype(np.float64), item)
    half = _Z * float(error[0])
    return {
        "elasticity": float(beta[0]),
        "ci_lower": float(beta[0]) - half,
        "ci_upper": float(beta[0]) + half,
        "log_lift": float(beta[-1]) if apart else 0.0,
        "deepest": float(sold["discount"].max()),  # type: ignore[arg-type]
    }


def _poisson(units: FloatArray, x: FloatArray, item: IntArray) -> tuple[FloatArray, FloatArray]:
    """Coefficients and their standard errors.

    Newton's method on the likelihood with the item effects at their maximum: the multinomial likelihood of an item's
    units over its days (Hausman, Hall and Griliches, Econometrica 1984).
    """
    n_items = int(item.max()) + 1
    total = np.bincount(item, units, n_items)
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        rate = np.exp(x @ beta)
        mean = rate * (total / np.bincount(item, rate, n_items))[item]
        center = np.column_stack([np.bincount(item, mean * column, n_items) for column in x.T]) / total[:, None]
        apart = x - center[item]
        bread = np.linalg.pinv((apart * mean[:, None]).T @ apart)
        step = bread @ (apart.T @ (units - mean))
        beta = beta + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < 1e-8:
            break
    residual = apart * (units - mean)[:, None]
    scores = np.column_stack([np.bincount(item, column, n_items) for column in residual.T])
    clustered = bread @ scores.T @ scores @ bread * (n_items / max(n_items - 1, 1))
    return beta, np.asarray(np.sqrt(np.maximum(np.diag(bread), np.diag(clustered))))
