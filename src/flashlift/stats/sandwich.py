"""The middle of a sandwich covariance where rows come in clusters that share their errors."""

from __future__ import annotations

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["cluster_meat"]


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
