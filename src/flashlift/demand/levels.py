"""One level of a Gaussian hierarchy: children given their parents, and what the children tell of them.

A child and its parent are pairs (visibility, elasticity); the controls are shared by all. What is known of a child is
kept in information form (precision matrix and precision times mean) over its two effects and the controls, and a level
is eliminated by integrating the effects of its children out (Rue and Held, Gaussian Markov Random Fields, 2005, ch. 2).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from scipy.sparse import csc_array

from flashlift.protocols import FloatArray, IntArray

__all__ = ["N_CONTROLS", "Effects", "eliminate", "gather", "spread_around"]

N_CONTROLS = 5
_P = 2 + N_CONTROLS
_PRIOR_COUNT = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Children given their parent vector p: N(constant + slope p, covariance), p = (parent's effects, controls).

    Args:
        constant: (n, 2).
        slope: (n, 2, 7).
        covariance: (n, 2, 2).
    """

    constant: FloatArray
    slope: FloatArray
    covariance: FloatArray

    @classmethod
    def without_data(cls, n: int, around: FloatArray) -> Effects:
        """Children of which nothing is known but their covariance `around` their parents, (2, 2)."""
        slope = np.zeros((n, 2, _P))
        slope[:, :, :2] = np.eye(2)
        return cls(constant=np.zeros((n, 2)), slope=slope, covariance=np.broadcast_to(around, (n, 2, 2)).copy())

    def and_then(self, others: Effects) -> Effects:
        """These children and after them others."""
        both = {name: np.concatenate([getattr(self, name), getattr(others, name)]) for name in Effects.__slots__}
        return Effects(**both)

    def take(self, rows: IntArray) -> Effects:
        """Some of the children."""
        return Effects(constant=self.constant[rows], slope=self.slope[rows], covariance=self.covariance[rows])

    def choose(self, rows: IntArray, around: FloatArray) -> Effects:
        """The child of each row, and one without data where the row is -1."""
        unknown = Effects.without_data(len(rows), around)

        def pick(name: str) -> FloatArray:
            own, other = getattr(self, name), getattr(unknown, name)
            return np.asarray(np.where((rows >= 0).reshape(-1, *[1] * (own.ndim - 1)), own[rows], other))

        return Effects(**{name: pick(name) for name in Effects.__slots__})

    def mean(self, parent: FloatArray) -> FloatArray:
        """Mean (n, 2) given parents (n, 7)."""
        return np.asarray(self.constant + np.einsum("nij,nj->ni", self.slope, parent))

    def marginal(self, mean: FloatArray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean (n, 2) and covariance (n, 2, 2) under parents of mean (n, 7) and covariance (n, 7, 7)."""
        return self.mean(mean), self.covariance + self.slope @ spread @ self.slope.transpose(0, 2, 1)

    def as_parents(self, mean: FloatArray, spread: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Mean (n, 7) and covariance (n, 7, 7) of (own effects, controls), the parents' given likewise."""
        step = np.zeros((len(self.constant), _P, _P))
        step[:, :2] = self.slope
        step[:, 2:, 2:] = np.eye(N_CONTROLS)
        own = step @ spread @ step.transpose(0, 2, 1)
        own[:, :2, :2] += self.covariance
        effects = self.constant + (self.slope @ mean[:, :, None])[:, :, 0]
        return np.concatenate([effects, mean[:, 2:]], axis=1), own


def gather(parts: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """Sum of the parts of each group, (n_groups, ...). Each is added up in the order of the rows, as by `np.add.at`."""
    n = len(group)
    members = csc_array((np.ones(n), group, np.arange(n + 1)), shape=(n_groups, n))
    return np.asarray(members @ parts.reshape(n, prod(parts.shape[1:]))).reshape(n_groups, *parts.shape[1:])


def eliminate(info: FloatArray, score: FloatArray, around: FloatArray) -> tuple[Effects, FloatArray, FloatArray]:
    """Integrate the children of a level out.

    Args:
        info: precision of (effects, controls) of each child from all below it, (n, 7, 7).
        score: precision times mean, (n, 7).
        around: covariance of the children around their parents, (2, 2).

    Returns:
        The children given their parents; precision and precision times mean of (parent's effects, controls) from each.
    """
    inverse = np.linalg.inv(around)
    covariance = np.asarray(np.linalg.inv(info[:, :2, :2] + inverse), dtype=np.float64)
    cross = np.concatenate([np.broadcast_to(-inverse, (len(info), 2, 2)), info[:, :2, 2:]], axis=2)
    slope = -covariance @ cross
    constant = np.einsum("nij,nj->ni", covariance, score[:, :2])
    rest, rest_score = np.zeros_like(info), np.zeros_like(score)
    rest[:, :2, :2], rest[:, 2:, 2:], rest_score[:, 2:] = inverse, info[:, 2:, 2:], score[:, 2:]
    rest += cross.transpose(0, 2, 1) @ slope
    rest_score -= np.einsum("nij,ni->nj", cross, constant)
    return Effects(constant=constant, slope=slope, covariance=covariance), rest, rest_score


def spread_around(
    children: Effects, own: FloatArray, mean: FloatArray, spread: FloatArray, prior: FloatArray
) -> FloatArray:
    """Expected covariance of children of mean `own` (n, 2) around parents of mean (n, 7) and covariance (n, 7, 7).

    The maximization step under an inverse-Wishart prior with the weight of five children.
    """
    gap = own - mean[:, :2]
    lever = children.slope.copy()
    lever[:, :, :2] -= np.eye(2)
    moments = children.covariance + lever @ spread @ lever.transpose(0, 2, 1) + gap[:, :, None] * gap[:, None, :]
    return np.asarray((_PRIOR_COUNT * prior + moments.sum(0)) / (_PRIOR_COUNT + len(gap)))
