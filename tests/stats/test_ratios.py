"""Ratios of means: gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pytest

from flashlift.errors import InsufficientDataError
from flashlift.stats.ratios import Ratio, linearize


def test_gradients_are_those_of_finite_differences() -> None:
    means, ratios = np.array([3.0, 2.0, -1.5]), [Ratio(0, 1), Ratio(2), Ratio(2, 0), Ratio(1, 1)]
    values, gradients = linearize(means, ratios)
    assert values == pytest.approx([1.5, -1.5, -0.5, 1.0])
    step = 1e-6
    for column in range(3):
        ends = [linearize(means + sign * step * np.eye(3)[column], ratios)[0] for sign in (-1, 1)]
        np.testing.assert_allclose(gradients[:, column], (ends[1] - ends[0]) / (2 * step), atol=1e-8)


def test_nothing_is_divided_by_nothing() -> None:
    with pytest.raises(InsufficientDataError, match="sums to 0"):
        linearize(np.array([1.0, 0.0]), [Ratio(0, 1)])
