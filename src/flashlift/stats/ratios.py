"""Ratios of means as functions of the means: their values and gradients, for the delta method."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray

__all__ = ["Ratio", "linearize"]


class Ratio(NamedTuple):
    """Mean of one column over the mean of another, by their numbers; without a denominator, the mean itself."""

    numerator: int
    denominator: int | None = None


def linearize(means: FloatArray, ratios: Sequence[Ratio]) -> tuple[FloatArray, FloatArray]:
    """Values of the ratios, (m,), and their gradients in the means, (m, k).

    Source: the delta method; Deng, Knoblich and Lu, "Applying the Delta Method in Metric Analytics", KDD 2018, eq. 3.

    Raises:
        InsufficientDataError: a denominator is 0.
    """
    values, gradients = np.empty(len(ratios)), np.zeros((len(ratios), len(means)))
    for row, (numerator, denominator) in enumerate(ratios):
        if denominator is None:
            values[row], gradients[row, numerator] = means[numerator], 1.0
            continue
        below = means[denominator]
        if below == 0.0:
            raise InsufficientDataError("The denominator of a ratio sums to 0 in an arm. Choose another, or add units.")
        values[row] = means[numerator] / below
        gradients[row, numerator] += 1.0 / below
        gradients[row, denominator] -= values[row] / below
    return values, gradients
