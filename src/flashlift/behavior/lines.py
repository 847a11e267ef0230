"""Logistic regression on aggregates for every horizon: steady where data is scarce and trees are not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from flashlift.behavior.curves import rising
from flashlift.behavior.watched import Watched, filled
from flashlift.protocols import FloatArray

__all__ = ["PurchaseLines"]

PENALTY = 100.0  # precision of the prior of a standardized coefficient
FARTHEST = 5.0  # standard deviations from the mean; beyond it a line knows nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseLines:
    """P(order before each edge) as a logistic regression of standardized aggregates; one per edge.

    Args:
        edges: ends of the bins in hours, (K,).
        usable: edges with enough outcomes, (K,).
        mean: of each aggregate in training, (features,).
        scale: its standard deviation, (features,).
        slope: coefficients, (features, K).
        intercept: (K,).
    """

    edges: FloatArray
    usable: npt.NDArray[np.bool_]
    mean: FloatArray
    scale: FloatArray
    slope: FloatArray
    intercept: FloatArray

    @classmethod
    def fit(cls, design: FloatArray, watched: Watched) -> PurchaseLines:
        """Fit on aggregates (n, features) of snapshots and their outcomes; at least one edge has enough of them."""
        mean, scale = design.mean(axis=0), design.std(axis=0)
        scale = np.where(scale > 1e-9, scale, 1.0)
        near = _near(design, mean, scale)
        slope, intercept = np.zeros((design.shape[1], len(watched.edges))), np.zeros(len(watched.edges))
        for k in np.flatnonzero(watched.enough):
            rows = watched.known[:, k]
            found = LogisticRegression(C=1 / PENALTY, max_iter=300, tol=1e-3).fit(near[rows], watched.bought[rows, k])
            slope[:, k], intercept[k] = found.coef_[0], found.intercept_[0]
        return cls(edges=watched.edges, usable=watched.enough, mean=mean, scale=scale, slope=slope, intercept=intercept)

    def probability(self, design: FloatArray) -> FloatArray:
        """P(order before each edge), (n, K), rising along a row, not calibrated."""
        curve: FloatArray = expit(_near(design, self.mean, self.scale) @ self.slope + self.intercept)
        return rising(filled(self.edges, curve, self.usable))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As arrays to save."""
        return {f"lines.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PurchaseLines:
        """Back from saved arrays."""
        return cls(**{name: arrays[f"lines.{name}"] for name in cls.__dataclass_fields__})


def _near(design: FloatArray, mean: FloatArray, scale: FloatArray) -> FloatArray:
    near: FloatArray = np.clip((design - mean) / scale, -FARTHEST, FARTHEST)
    return near
