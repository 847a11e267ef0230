"""What was seen of each snapshot at the ends of the hazard bins, and curves through bins that nobody was watched in."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.behavior.curves import at_hours
from flashlift.behavior.intent import MIN_OUTCOMES
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Watched", "filled"]


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
    return curve if usable.all() else at_hours(edges[usable], curve[:, usable], edges)
