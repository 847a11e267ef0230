"""Regression of counts beside an offset, by quasi negative binomial: log E[y] = offset + design @ coefficients."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.protocols import FloatArray

__all__ = ["CountFit", "fit_counts"]

_DISPERSION = 0.2  # relative variance beside that of counting: for the weights only
_STEPS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFit:
    """The fit, and what its last step stood on.

    Args:
        coefficients: (k,).
        mean: fitted E[y], (n,).
        weight: of log units in the last step, mean / (1 + 0.2 mean), (n,).
    """

    coefficients: FloatArray
    mean: FloatArray
    weight: FloatArray


def fit_counts(y: FloatArray, offset: FloatArray, design: FloatArray, precision: FloatArray | None = None) -> CountFit:
    """Newton steps of at most 1 per coefficient (McCullagh and Nelder, "Generalized Linear Models", 1989, sec. 2.5).

    Args:
        y: counts, in units of one purchase, (n,).
        offset: log of what is expected without an effect, (n,).
        design: (n, k).
        precision: of normal priors of the coefficients around 0, (k,); None: they are free.
    """
    ridge = np.zeros(design.shape[1]) if precision is None else precision
    beta = np.zeros(design.shape[1])
    for _ in range(_STEPS):
        mean = np.exp(np.clip(offset + design @ beta, -20.0, 20.0))
        weight = mean / (1.0 + _DISPERSION * mean)
        gram = (design * weight[:, None]).T @ design + np.diag(ridge + 1e-9)
        step = np.linalg.solve(gram, design.T @ (weight * (y - mean) / mean) - ridge * beta)
        beta = beta + step * min(1.0, 1.0 / max(float(np.abs(step).max()), 1e-12))
    return CountFit(coefficients=beta, mean=mean, weight=weight)
