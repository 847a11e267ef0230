"""What was seen of each snapshot at the ends of the hazard bins, and curves through bins that nobody was watched in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.behavior.intent import MIN_OUTCOMES
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Watched", "curve_odds", "filled", "rising"]

TINY = 1e-9


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Outcomes at the edges: 1 an order before it, 0 none, unknown where the watch ended earlier.

    Watching ends for all at the same moment of the calendar, so who was watched long enough is no choice of the
    customers and the known outcomes are a fair sample.

    Args:
        edges: ends of the bins in hours, (K,).
        bought: whether an order began before each edge, (n, K).
        known: whether the snapshot was watched up to each edge, (n, K).
    """

    edges: FloatArray
    bought: npt.NDArray[np.bool_]
    known: npt.NDArray[np.bool_]

    @classmethod
    def build(cls, edges: FloatArray, hours: FloatArray, seen: npt.NDArray[np.bool_], watched: FloatArray) -> Watched:
        """From hours to the order or to the end of watching, whether there was one, and hours watched, (n,) each."""
        bought = seen[:, None] & (hours[:, None] < edges)
        return cls(edges=edges, bought=bought, known=np.asarray(watched[:, None] >= edges))

    def take(self, rows: IntArray) -> Watched:
        """The outcomes of these rows, in their order."""
        return Watched(edges=self.edges, bought=self.bought[rows], known=self.known[rows])

    @property
    def enough(self) -> npt.NDArray[np.bool_]:
        """Which edges have enough known outcomes of both kinds, (K,)."""
        ones, zeros = (self.bought & self.known).sum(axis=0), (~self.bought & self.known).sum(axis=0)
        return np.asarray(np.minimum(ones, zeros) >= MIN_OUTCOMES)

    @property
    def rate(self) -> FloatArray:
        """Share of known outcomes with an order at each edge with enough of them, filled elsewhere, (K,)."""
        share = (self.bought & self.known).sum(axis=0) / np.maximum(self.known.sum(axis=0), 1)
        result: FloatArray = filled(self.edges, np.maximum.accumulate(share)[None], self.enough)[0]
        return result


def filled(edges: FloatArray, curve: FloatArray, usable: npt.NDArray[np.bool_]) -> FloatArray:
    """P at all edges, (n, K), from P at the usable ones: the hazard is constant between them, before and beyond.

    Raises:
        ValueError: no edge is usable.
    """
    if not usable.any():
        raise ValueError("No edge is usable.")
    if usable.all():
        return curve
    logs = np.concatenate([np.zeros((len(curve), 1)), np.log1p(-np.minimum(curve[:, usable], 1 - TINY))], axis=1)
    grid = np.concatenate([[0.0], edges[usable]])
    right = np.clip(np.searchsorted(grid, edges, side="left"), 1, len(grid) - 1)
    left = np.where(edges > grid[-1], 0, right - 1)  # beyond the last one: its mean hazard
    weight = (edges - grid[left]) / (grid[right] - grid[left])
    result: FloatArray = -np.expm1(logs[:, left] * (1 - weight) + logs[:, right] * weight)
    return result


def rising(curve: FloatArray) -> FloatArray:
    """The curve made to rise from edge to edge, (n, K)."""
    result: FloatArray = np.maximum.accumulate(np.clip(curve, 0.0, 1.0), axis=1)
    return result


def curve_odds(curve: FloatArray) -> FloatArray:
    """Log odds of probabilities, kept finite."""
    clipped = np.clip(curve, TINY, 1 - TINY)
    result: FloatArray = np.log(clipped) - np.log1p(-clipped)
    return result
