"""Models of a mean outcome: any estimator of scikit-learn's kind, fitted on some rows and asked about others."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from flashlift.protocols import FloatArray, IntArray

__all__ = ["Learner", "Matrix", "Mean", "binary", "fit_mean", "folds", "linear", "trees"]

Matrix = Any  # (n, k) numpy array or scipy sparse matrix


class Learner(Protocol):
    """An unfitted estimator with `fit(x, y)` and `predict_proba(x)` (classes 0 and 1) or `predict(x)`."""

    def fit(self, x: Matrix, y: FloatArray) -> Any:
        """Learn y (n,) from x (n, k)."""
        ...


class Mean(Protocol):
    """A fitted mean."""

    def __call__(self, x: Matrix) -> FloatArray:
        """Expected outcome of each row, (n,)."""
        ...


def binary(y: FloatArray) -> bool:
    """Whether every outcome is 0 or 1."""
    return bool(np.isin(y, (0.0, 1.0)).all())


def fit_mean(learner: Learner, x: Matrix, y: FloatArray) -> Mean:
    """A copy of the learner fitted to y, as a function of x; one that knows only one outcome always tells that one."""
    only = float(y[0])
    if (y == only).all():
        return lambda x: np.full(x.shape[0], only)
    fitted: Any = deepcopy(learner)
    fitted.fit(x, y.astype(np.int64) if hasattr(learner, "predict_proba") else y)
    if hasattr(fitted, "predict_proba"):
        return lambda x: np.asarray(fitted.predict_proba(x), dtype=np.float64)[:, 1]
    return lambda x: np.asarray(fitted.predict(x), dtype=np.float64)


def folds(n: int, n_folds: int, *, rng: np.random.Generator, units: npt.ArrayLike | None = None) -> Iterator[IntArray]:
    """Rows of each fold, drawn by lot, of nearly equal size; rows of one unit stay together."""
    _, of = np.unique(np.arange(n) if units is None else np.asarray(units), return_inverse=True)
    fold = rng.permutation(np.arange(int(of.max()) + 1) % n_folds)[of]
    for k in range(n_folds):
        yield np.flatnonzero(fold == k)


def linear(y: FloatArray) -> Learner:
    """Logistic regression for outcomes of 0 and 1, ridge regression for others, on columns scaled to one variance."""
    from sklearn.linear_model import LogisticRegression, Ridge
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = LogisticRegression(C=1.0, max_iter=1000) if binary(y) else Ridge(alpha=1.0)
    learner: Learner = make_pipeline(StandardScaler(with_mean=False), model)
    return learner


def trees(y: FloatArray) -> Learner:
    """Small boosted trees (LightGBM) on one thread; a classifier for outcomes of 0 and 1."""
    import lightgbm

    kind = lightgbm.LGBMClassifier if binary(y) else lightgbm.LGBMRegressor
    learner: Learner = kind(
        n_estimators=100, learning_rate=0.05, num_leaves=8, min_child_samples=50, n_jobs=1, verbose=-1
    )
    return learner
