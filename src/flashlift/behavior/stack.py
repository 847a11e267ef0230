"""Several opinions on the time to purchase made into one: a non-negative blend of log odds, smooth over horizons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize
from scipy.special import expit

from flashlift.behavior.curves import rising
from flashlift.behavior.watched import Watched
from flashlift.protocols import FloatArray
from flashlift.stats.calibration import log_odds

__all__ = ["Stack"]

SMOOTH = 50.0  # precision of the prior that neighboring edges have like weights
PRIOR = 10.0  # precision of the prior around the plain average


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Blend of several models' P(order before each edge) in log odds, with the shop's own rate among them.

    logit P_k = usual_k + shift_k + sum over models m of weight_km (logit P_km - usual_k), weight >= 0.

    A model that does not help has weight 0; all at 0 leave the shop's rate.
    (Wolpert 1992; weights kept positive as in Breiman, "Stacked regressions", 1996.)

    Args:
        usual: log odds of the shop at each edge, (K,).
        shift: what is added, (K,).
        weight: of each edge and model, (K, M).
    """

    usual: FloatArray
    shift: FloatArray
    weight: FloatArray

    @classmethod
    def fit(cls, opinions: Sequence[FloatArray], usual: FloatArray, watched: Watched) -> Stack:
        """Maximum penalized likelihood on moments later than those that the models were trained on.

        Each edge is so calibrated by itself, in level and in slope.

        Weights of neighboring edges are pulled together, so that an edge at which nobody was watched takes
        those of its neighbors, and all are pulled to the plain average.

        Args:
            opinions: P(order before each edge), (n, K) each.
            usual: log odds of the shop at each edge, (K,).
            watched: outcomes of the n snapshots.
        """
        k, m = len(usual), len(opinions)
        known = watched.known.astype(np.float64)
        label = watched.bought * known
        apart = np.stack([log_odds(curve) - usual for curve in opinions], axis=2)  # (n, K, M)
        average = np.concatenate([np.zeros((k, 1)), np.full((k, m), 1 / m)], axis=1)

        def loss(flat: FloatArray) -> tuple[float, FloatArray]:
            blend = flat.reshape(k, 1 + m)
            odds = usual + blend[:, 0] + np.einsum("nkm,km->nk", apart, blend[:, 1:])
            slope = known * expit(odds) - label  # (n, K)
            step, pull = np.diff(blend, axis=0), blend - average
            gradient = np.concatenate([slope.sum(axis=0)[:, None], np.einsum("nk,nkm->km", slope, apart)], axis=1)
            gradient = gradient + PRIOR * pull
            gradient[1:] += SMOOTH * step
            gradient[:-1] -= SMOOTH * step
            fit = (known * np.logaddexp(0.0, odds) - label * odds).sum()
            return float(fit + PRIOR / 2 * (pull**2).sum() + SMOOTH / 2 * (step**2).sum()), gradient.ravel()

        bounds = [(None, None), *[(0.0, None)] * m] * k
        found = minimize(loss, average.ravel(), jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 500})
        blend = found.x.reshape(k, 1 + m)
        return cls(usual=usual, shift=blend[:, 0].copy(), weight=blend[:, 1:].copy())

    def probability(self, opinions: Sequence[FloatArray]) -> FloatArray:
        """P(order before each edge), (n, K), rising along a row, from that of each model, (n, K) each."""
        odds = self.usual + self.shift
        for column, curve in enumerate(opinions):
            odds = odds + self.weight[:, column] * (log_odds(curve) - self.usual)
        return rising(np.asarray(expit(odds)))

    def arrays(self) -> dict[str, FloatArray]:
        """As arrays to save."""
        return {f"stack.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Stack:
        """Back from saved arrays."""
        return cls(**{name: arrays[f"stack.{name}"] for name in cls.__dataclass_fields__})
