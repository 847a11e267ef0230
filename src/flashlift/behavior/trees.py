"""Trees that know the time to purchase: one LightGBM with a score for every horizon."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt
from scipy.special import expit

from flashlift.behavior.curves import rising
from flashlift.behavior.watched import Watched, filled
from flashlift.protocols import FloatArray
from flashlift.stats.calibration import log_odds

__all__ = ["PurchaseTrees"]

ROUNDS = 100
SETTINGS = {
    "learning_rate": 0.045, "num_leaves": 7, "min_child_samples": 200, "bagging_fraction": 0.8, "bagging_freq": 1,
    "feature_fraction": 0.5, "num_threads": 1, "deterministic": True, "force_row_wise": True, "verbosity": -1,
    "max_bin": 127,
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseTrees:
    """P(order before each edge) from aggregates: in every round one tree per edge, on the outcomes known at it.

    The trees learn what is added to the shop's own log odds. One booster holds all edges, so that one customer costs
    one call. An edge without enough outcomes is filled from the others.

    Args:
        edges: ends of the bins in hours, (K,).
        usual: log odds of the shop at each edge, (K,).
        usable: edges with enough outcomes, (K,).
        booster: what is added, a score per edge.
    """

    edges: FloatArray
    usual: FloatArray
    usable: npt.NDArray[np.bool_]
    booster: lightgbm.Booster

    @classmethod
    def fit(cls, design: FloatArray, watched: Watched, *, seed: int) -> PurchaseTrees:
        """Train on aggregates (n, features) of snapshots and their outcomes; at least one edge has enough of them."""
        n, k = watched.known.shape
        usual, label = log_odds(watched.rate), watched.bought.astype(np.float64)
        known = (watched.known & watched.enough).astype(np.float64)

        def objective(scores: FloatArray, _: lightgbm.Dataset) -> tuple[FloatArray, FloatArray]:
            predicted = expit(scores.reshape(n, k))
            return known * (predicted - label), known * predicted * (1 - predicted) + 1e-12

        start = np.tile(usual, (n, 1)).ravel(order="F")
        data = lightgbm.Dataset(design.astype(np.float32), label[:, 0], init_score=start)
        settings = SETTINGS | {"objective": objective, "num_class": k, "seed": seed}
        booster = lightgbm.train(settings, data, ROUNDS)
        return cls(edges=watched.edges, usual=usual, usable=watched.enough, booster=booster)

    def probability(self, design: FloatArray) -> FloatArray:
        """P(order before each edge), (n, K), rising along a row, not calibrated."""
        added = np.asarray(self.booster.predict(design.astype(np.float32), raw_score=True, num_threads=1))
        curve: FloatArray = expit(self.usual + added.reshape(len(design), -1))
        return rising(filled(self.edges, curve, self.usable))

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """As arrays to save; the trees are LightGBM's own text, as bytes."""
        text = np.frombuffer(self.booster.model_to_string().encode(), np.uint8)
        return {"trees.edges": self.edges, "trees.usual": self.usual, "trees.usable": self.usable, "trees.text": text}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> PurchaseTrees:
        """Back from saved arrays."""
        text = arrays["trees.text"].tobytes().decode()
        booster = lightgbm.Booster(model_str=text)
        edges, usual, usable = (arrays[f"trees.{name}"] for name in ("edges", "usual", "usable"))
        return cls(edges=edges, usual=usual, usable=usable, booster=booster)
