"""Sufficient statistics that merge: the moments of shards add up to the moments of the whole."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["Moments", "least_squares"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Moments:
    """Count, means and centered second moments of k columns measured on the same units.

    `a + b` are the moments of both samples together (Chan, Golub and LeVeque 1979), exact up to rounding, in any
    order and grouping; `Moments()` is the empty sample.

    Args:
        count: number of units.
        means: mean of each column, (k,).
        m2: sums of products of the columns' deviations from their means, (k, k).
    """

    count: int = 0
    means: FloatArray = field(default_factory=lambda: np.zeros(0))
    m2: FloatArray = field(default_factory=lambda: np.zeros((0, 0)))

    @classmethod
    def of(cls, values: npt.ArrayLike, covariates: npt.ArrayLike | None = None) -> Moments:
        """Moments of one value per unit, (n,), and any covariates, (n,) or (n, k): the value is the first column.

        Raises:
            InputError: a value is not finite, or the two differ in length.
        """
        y = np.asarray(values, dtype=np.float64)
        x = np.zeros((len(y), 0)) if covariates is None else np.asarray(covariates, dtype=np.float64)
        if y.ndim != 1 or x.shape[:1] != y.shape or x.ndim > 2:
            raise InputError(f"Values {y.shape} and covariates {x.shape} differ in shape. Give one row per unit.")
        columns = np.column_stack([y, x])
        if not np.isfinite(columns).all():
            raise InputError("A value is missing or infinite. Remove such units, or say what they count as.")
        if y.size == 0:
            return cls()
        means = columns.mean(axis=0)
        deviations = columns - means
        return cls(count=y.size, means=means, m2=deviations.T @ deviations)

    @classmethod
    def given(cls, *, count: int, mean: float, var: float) -> Moments:
        """Moments of one column known by its summary: units, mean, and variance with n - 1 in the denominator."""
        return cls(count=count, means=np.array([mean]), m2=np.array([[var * (count - 1)]]))

    def __add__(self, other: Moments) -> Moments:
        if self.count == 0 or other.count == 0:
            return other if self.count == 0 else self
        if self.means.shape != other.means.shape:
            raise InputError(
                f"Moments of {len(self.means)} and of {len(other.means)} columns do not add. Give all shards the same."
            )
        n = self.count + other.count
        share = other.count / n
        step = other.means - self.means
        between = self.count * share  # n_a n_b / (n_a + n_b)
        return Moments(count=n, means=self.means + step * share, m2=self.m2 + other.m2 + between * np.outer(step, step))

    @property
    def covariance(self) -> FloatArray:
        """Sample covariance of the columns, (k, k), with n - 1 in the denominator."""
        if self.count < 2:
            raise InsufficientDataError(f"A variance needs at least 2 units, and there are {self.count}. Add units.")
        return np.asarray(self.m2 / (self.count - 1))

    @property
    def mean(self) -> float:
        """Mean of the first column."""
        if self.count == 0:
            raise InsufficientDataError("A mean needs at least 1 unit, and there is none. Add units.")
        return float(self.means[0])

    @property
    def var(self) -> float:
        """Sample variance of the first column."""
        return float(self.covariance[0, 0])

    @property
    def correlation(self) -> float:
        """Correlation of the first column with the second, in [-1, 1]; with several, the multiple correlation.

        0 where there is no second column, or nothing varies.
        """
        if len(self.means) < 2 or self.m2[0, 0] <= 0.0:
            return 0.0
        explained = float(least_squares(self.m2) @ self.m2[1:, 0] / self.m2[0, 0])
        sign = -1.0 if len(self.means) == 2 and self.m2[1, 0] < 0.0 else 1.0
        return sign * float(np.sqrt(min(max(explained, 0.0), 1.0)))


def least_squares(m2: FloatArray) -> FloatArray:
    """Coefficients of the first column on the others, (k - 1,), from sums of products of deviations (k, k).

    A column that does not vary, or that others explain, takes no coefficient of its own (the shortest solution).
    """
    scale = np.sqrt(np.diagonal(m2)[1:])
    scale = np.where(scale > 0.0, scale, 1.0)
    correlations = m2[1:, 1:] / np.outer(scale, scale)
    return np.asarray(np.linalg.pinv(correlations, rcond=1e-12, hermitian=True) @ (m2[1:, 0] / scale) / scale)
