"""A regression per item of ln(1 + units) on ln price: the usual notebook, with its usual care.

Ordinary least squares over the days in stock, with dummies for weekdays, and one for promotions where the item was
promoted at different depths (else price and promotion cannot be told apart, and the price takes the whole effect).
A coefficient c on ln(1 + units) is read as c (1 + u) / u on ln units, u being the item's usual units per day.
An elasticity outside [-5, 0] or a promotion that shrinks demand or more than quadruples it is taken for noise and set
to the nearest border. Items whose price never moved have no response. Past promotions are taken as drawn by lot.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from scipy.stats import t as student

from benchmarks.profit_captured.case import Case, Estimated
from benchmarks.profit_captured.panel import build_panel
from benchmarks.profit_captured.plug_in import log_linear
from flashlift.protocols import FloatArray

__all__ = ["NAME", "estimate"]

NAME = "per-item regression"

_NAMES = ("elasticity", "ci_lower", "ci_upper", "log_lift", "deepest")
_ELASTICITIES = (-5.0, 0.0)
_LIFTS = (1.0, 4.0)
_MOVED = 0.02  # prices this close in logarithm, rounding of cents included, are one price
_LEVEL = 0.9


def estimate(case: Case) -> Estimated:
    """One regression after the other; the baseline is the item's recent mean."""
    panel = build_panel(case)
    in_stock = panel.filter(~pl.col("sold_out"))
    found = [
        {"item_id": key[0], **fit}
        for key, rows in in_stock.partition_by("item_id", as_dict=True).items()
        if (fit := _fit(rows)) is not None
    ]
    responses = pl.DataFrame(found, schema={"item_id": pl.String, **dict.fromkeys(_NAMES, pl.Float64)})
    return log_linear(case, panel, responses)


def _fit(rows: pl.DataFrame) -> dict[str, float] | None:
    """One item; None where the price did not move, or nothing was bought on a normal day."""
    price, promoted = np.log1p(-rows["discount"].to_numpy()), rows["in_promotion"].to_numpy()
    units = rows["units"].to_numpy().astype(np.float64)
    usual = units[~promoted].mean() if not promoted.all() else 0.0
    if np.ptp(price) < _MOVED or usual == 0.0:
        return None
    weekday = rows["weekday"].to_numpy()
    columns = [price, *(weekday == k for k in np.unique(weekday))]
    apart = any(len(part) and np.ptp(part) >= _MOVED for part in (price[promoted], price[~promoted]))
    if apart:
        columns.append(promoted)
    beta, error, degrees = _least_squares(np.column_stack(columns).astype(np.float64), np.log1p(units))
    if degrees < 1:
        return None
    per_unit = (1.0 + usual) / usual
    half = float(student.ppf((1 + _LEVEL) / 2, degrees)) * error
    elasticity, lower, upper = np.clip(per_unit * (beta[0] + np.array([0.0, -half, half])), *_ELASTICITIES)
    return {
        "elasticity": float(elasticity),
        "ci_lower": float(lower),
        "ci_upper": float(upper),
        "log_lift": float(np.clip(per_unit * beta[-1], *np.log(_LIFTS))) if apart else 0.0,
        "deepest": float(rows["discount"].to_numpy().max()),
    }


def _least_squares(x: FloatArray, y: FloatArray) -> tuple[FloatArray, float, int]:
    """Coefficients, standard error of the first, and degrees of freedom of the residuals."""
    degrees = len(x) - x.shape[1]
    gram = np.linalg.pinv(x.T @ x)
    beta = gram @ x.T @ y
    residual = y - x @ beta
    return beta, float(np.sqrt(residual @ residual / max(degrees, 1) * gram[0, 0])), degrees
