"""Variance of least squares by leaving out one cluster of rows after the other."""

from __future__ import annotations

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["two_way_jackknife"]


def two_way_jackknife(
    design: FloatArray, weight: FloatArray, y: FloatArray, one: IntArray, other: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Weighted least squares, and the variance of each coefficient where rows share errors both ways.

    Of each way the cluster jackknife CV3 (MacKinnon, Nielsen and Webb, Journal of Applied Econometrics 38(5), 2023),
    which few or unequal clusters do not deceive as they do the sandwich; the two are added and that of both together is
    taken off (Cameron, Gelbach and Miller, JBES 2011), but never less than either.

    Args:
        design: (n, k).
        weight: of each row, (n,).
        y: what is explained, (n,).
        one: label of the first cluster of each row, (n,).
        other: label of the second.

    Returns:
        Coefficients and their variances, (k,) each.
    """
    weighted = design * weight[:, None]
    gram, moment = weighted[:, :, None] * design[:, None, :], weighted * y[:, None]
    solution = np.linalg.pinv(gram.sum(0)) @ moment.sum(0)

    def variance(labels: IntArray) -> FloatArray:
        _, of = np.unique(labels, return_inverse=True)
        count = int(of.max()) + 1
        info, score = np.zeros((count, *gram.shape[1:])), np.zeros((count, moment.shape[1]))
        np.add.at(info, of, gram)
        np.add.at(score, of, moment)
        without = np.linalg.pinv(info.sum(0) - info, hermitian=True) @ (score.sum(0) - score)[:, :, None]
        return np.asarray((count - 1) / count * ((without[:, :, 0] - solution) ** 2).sum(0))

    first, second = (np.unique(labels, return_inverse=True)[1].astype(np.int64) for labels in (one, other))
    alone = variance(first), variance(second)
    both = alone[0] + alone[1] - variance(first * (second.max() + 1) + second)
    return solution, np.maximum(np.maximum(*alone), both)
