"""Sufficient statistics that merge: the moments of shards add up to the moments of the whole."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.errors import InputError, InsufficientDataError

__all__ = ["Moments"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moments:
    """Count, means and centered second moments of a metric y and, optionally, a covariate x.

    `a + b` are the moments of both samples together (Chan, Golub and LeVeque 1979), exact up to
    rounding, in any order and grouping; `Moments()` is the empty sample. Without a covariate, x is the
    constant 0, and every formula that uses it reduces to the one without.

    Args:
        count: number of units.
        mean, covariate_mean: means of y and x.
        m2, covariate_m2: sums of squared deviations from the mean, at least 0.
        comoment: sum of (y - mean)(x - covariate_mean).
    """

    count: int = 0
    mean: float = 0.0
    m2: float = 0.0
    covariate_mean: float = 0.0
    covariate_m2: float = 0.0
    comoment: float = 0.0

    @classmethod
    def of(cls, values: npt.ArrayLike, covariate: npt.ArrayLike | None = None) -> Moments:
        """Moments of one value (and one covariate value) per unit, both (n,).

        Raises:
            InputError: a value is not finite, or the two differ in length.
        """
        y = np.asarray(values, dtype=np.float64)
        x = np.zeros_like(y) if covariate is None else np.asarray(covariate, dtype=np.float64)
        if y.ndim != 1 or y.shape != x.shape:
            raise InputError(f"Values {y.shape} and covariate {x.shape} differ in shape. Give one of each per unit.")
        if not (np.isfinite(y).all() and np.isfinite(x).all()):
            raise InputError("A value is missing or infinite. Remove such units, or say what they count as.")
        if y.size == 0:
            return cls()
        dy, dx = y - y.mean(), x - x.mean()
        return cls(
            count=y.size,
            mean=float(y.mean()),
            m2=float(dy @ dy),
            covariate_mean=float(x.mean()),
            covariate_m2=float(dx @ dx),
            comoment=float(dy @ dx),
        )

    def __add__(self, other: Moments) -> Moments:
        n = self.count + other.count
        if n == 0:
            return Moments()
        share = other.count / n
        dy, dx = other.mean - self.mean, other.covariate_mean - self.covariate_mean
        between = self.count * share  # n_a n_b / (n_a + n_b)
        return Moments(
            count=n,
            mean=self.mean + dy * share,
            m2=self.m2 + other.m2 + dy * dy * between,
            covariate_mean=self.covariate_mean + dx * share,
            covariate_m2=self.covariate_m2 + other.covariate_m2 + dx * dx * between,
            comoment=self.comoment + other.comoment + dy * dx * between,
        )

    @property
    def var(self) -> float:
        """Sample variance of y, with n - 1 in the denominator."""
        return self.m2 / self._degrees()

    @property
    def covariate_var(self) -> float:
        """Sample variance of x."""
        return self.covariate_m2 / self._degrees()

    @property
    def cov(self) -> float:
        """Sample covariance of y and x."""
        return self.comoment / self._degrees()

    @property
    def correlation(self) -> float:
        """Correlation of y and x in [-1, 1]; 0 where one of them is constant."""
        scale = (self.m2 * self.covariate_m2) ** 0.5
        return self.comoment / scale if scale > 0 else 0.0

    def _degrees(self) -> int:
        if self.count < 2:
            raise InsufficientDataError(f"A variance needs at least 2 units, and there are {self.count}. Add units.")
        return self.count - 1
