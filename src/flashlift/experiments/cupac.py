"""One sharp covariate out of many blunt ones: what a model expects of each unit from what was known before the test."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import numpy.typing as npt

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["Regressor", "cupac"]

FEWEST = 200  # units a fold must learn from, at least


class Regressor(Protocol):
    """A model as scikit-learn and LightGBM have them; `fit` starts anew each time."""

    def fit(self, X: FloatArray, y: FloatArray) -> object:  # noqa: N803
        """Learn y, (n,), from X, (n, k)."""
        ...

    def predict(self, X: FloatArray) -> npt.ArrayLike:  # noqa: N803
        """Expected y, (n,)."""
        ...


def cupac(
    features: npt.ArrayLike,
    outcome: npt.ArrayLike,
    *,
    model: Regressor | None = None,
    folds: int = 5,
    rng: np.random.Generator,
) -> FloatArray:
    """Expected outcome of each unit, (n,), to be used as a covariate of a `Metric`.

    Each unit is predicted by a model that learned from other units only (cross-fitting), of both arms alike and
    without being told the arm; so the covariate is as good as measured before the test, and `analyze` keeps its level
    however badly the model fits. Sources: Li, Tang and Zhang, "CUPAC", DoorDash 2020; Guo, Coey, Konutgan, Li, Schoener
    and Goldman, "Machine Learning for Variance Reduction in Online Experiments", NeurIPS 2021.

    Args:
        features: what was known before the test, (n, k); NaN is a missing value where the model takes it.
        outcome: the metric of each unit, (n,), finite.
        model: a regressor; default: LightGBM with leaves of at least 50 units.
        folds: parts that take turns in being predicted, at least 2.
        rng: source of the folds.

    Raises:
        InputError: shapes that do not fit, or an outcome that is not finite.
        InsufficientDataError: fewer than 200 units to learn from.
    """
    x, y = np.asarray(features, dtype=np.float64), np.asarray(outcome, dtype=np.float64)
    if x.ndim != 2 or y.shape != x.shape[:1] or not np.isfinite(y).all() or folds < 2:
        raise InputError(
            f"CUPAC needs features (n, k), a finite outcome (n,) and 2 folds or more; given {x.shape}, {y.shape} and "
            f"{folds}."
        )
    if len(y) * (folds - 1) < FEWEST * folds:
        raise InsufficientDataError(f"A model needs {FEWEST} units to learn from, and there are {len(y)}. Use CUPED.")
    regressor = _lightgbm() if model is None else model
    fold = rng.permutation(len(y)) % folds
    expected = np.empty(len(y))
    for k in range(folds):
        regressor.fit(x[fold != k], y[fold != k])
        expected[fold == k] = np.asarray(regressor.predict(x[fold == k]), dtype=np.float64)
    return expected


def _lightgbm() -> Regressor:
    from lightgbm import LGBMRegressor

    model: Regressor = LGBMRegressor(
        n_estimators=100, learning_rate=0.05, num_leaves=15, min_child_samples=50, n_jobs=1, verbose=-1
    )
    return model
