"""The middle of a sandwich covariance where rows come in clusters that share their errors."""

from __future__ import annotations

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["cluster_meat", "two_way_covariance"]


def cluster_meat(score: FloatArray, cluster: IntArray) -> FloatArray:
    """Sum over clusters of s s', s the sum of the cluster's scores (Liang and Zeger, Biometrika 1986, eq. 8).

    Without a correction for few clusters G; multiply by G / (G - 1) where there are few.

    Args:
        score: gradient of each row's objective, (n, k).
        cluster: label of the cluster of each row, (n,).

    Returns:
        (k, k).
    """
    _, of = np.unique(cluster, return_inverse=True)
    total = np.stack([np.bincount(of, column) for column in score.T], axis=1)
    return np.asarray(total.T @ total)


def two_way_covariance(bread: FloatArray, score: FloatArray, one: IntArray, other: IntArray) -> FloatArray:
    """Covariance of an estimate whose rows share errors both ways (Cameron, Gelbach and Miller, JBES 2011, eq. 2.11).

    Where the difference of the three sandwiches is no covariance, the larger of those clustered one way.

    Args:
        bread: inverse information, (k, k).
        score: gradient of each row's objective, (n, k).
        one: label of the first cluster of each row, (n,).
        other: label of the second, (n,).
    """
    first, second = (np.unique(labels, return_inverse=True)[1].astype(np.int64) for labels in (one, other))
    both = np.unique(first * (second.max() + 1) + second, return_inverse=True)[1].astype(np.int64)
    by_first, by_second = _meat(score, first), _meat(score, second)
    covariance = bread @ (by_first + by_second - _meat(score, both)) @ bread
    if np.linalg.eigvalsh(covariance)[0] > 0:
        return np.asarray(covariance)
    return max((np.asarray(bread @ meat @ bread) for meat in (by_first, by_second)), key=lambda v: float(np.trace(v)))


def _meat(score: FloatArray, cluster: IntArray) -> FloatArray:
    count = int(cluster.max()) + 1
    return cluster_meat(score, cluster) * (count / max(count - 1, 1))
