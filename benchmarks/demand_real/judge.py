"""How far forecasts of held-out weeks are from what was sold, with intervals over stores."""

from __future__ import annotations

import numpy as np
import polars as pl

from flashlift.protocols import FloatArray

__all__ = ["judge", "poisson_deviance"]

_RESAMPLES = 500
_EDGES = (0.05, 0.95)


def poisson_deviance(actual: FloatArray, mean: FloatArray) -> FloatArray:
    """2 (y log(y / mu) - y + mu) of each row; y may be 0, mu is above 0."""
    ratio = np.where(actual > 0, actual / mean, 1.0)
    return np.asarray(2.0 * (actual * np.log(ratio) - actual + mean))


def judge(units: FloatArray, forecasts: dict[str, FloatArray], store: FloatArray, reference: str) -> pl.DataFrame:
    """Mean Poisson deviance per unit sold and WAPE of each method on the rows that every method forecasts.

    Args:
        units: sold, (n,).
        forecasts: mean by method, (n,); NaN where a method has none.
        store: store of each row; resampled as a whole (cluster bootstrap).
        reference: method that the differences in deviance are taken from.

    Returns:
        `model`, `deviance`, `wape`, `bias`, `difference` (deviance less the reference's), `ci_lower`, `ci_upper`
        (90 % of the difference), `rows`.
    """
    known = np.all([np.isfinite(mean) for mean in forecasts.values()], axis=0)
    y = units[known]
    clusters, of = np.unique(store[known], return_inverse=True)

    def by_store(values: FloatArray) -> FloatArray:
        return np.bincount(of, values, len(clusters))

    weights = np.random.default_rng(0).multinomial(len(clusters), np.full(len(clusters), 1 / len(clusters)), _RESAMPLES)
    sold = by_store(y)
    deviance = {name: by_store(poisson_deviance(y, mean[known])) for name, mean in forecasts.items()}
    rows = []
    for name, mean in forecasts.items():
        drawn = weights @ (deviance[name] - deviance[reference]) / (weights @ sold)
        lower, upper = np.quantile(drawn, _EDGES)
        error = mean[known] - y
        rows.append(
            {
                "model": name,
                "deviance": deviance[name].sum() / y.sum(),
                "wape": np.abs(error).sum() / y.sum(),
                "bias": error.sum() / y.sum(),
                "difference": (deviance[name] - deviance[reference]).sum() / y.sum(),
                "ci_lower": lower,
                "ci_upper": upper,
                "rows": len(y),
            }
        )
    return pl.DataFrame(rows)
