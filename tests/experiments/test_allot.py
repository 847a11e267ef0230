"""Quotas of arms add up to the stock, whole and fair."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.errors import InputError
from flashlift.experiments.allot import allot


@given(
    st.lists(st.integers(3, 10_000), min_size=1, max_size=20),
    st.lists(st.floats(0.01, 1.0), min_size=2, max_size=3),
    st.integers(0, 1000),
)
def test_whole_units_add_up(units: list[int], weights: list[float], seed: int) -> None:
    share = np.tile(np.array(weights) / sum(weights), (len(units), 1))
    found = allot(np.array(units), share, rng=np.random.default_rng(seed))
    assert (found.sum(axis=1) == units).all()
    assert found.min() >= 1
    exact = np.array(units)[:, None] * share
    assert (np.abs(found - exact) < 1 + 1e-6)[exact.min(axis=1) >= 1].all()


def test_remainders_favor_nobody() -> None:
    found = allot(np.full(40_000, 3), np.full((40_000, 2), 0.5), rng=np.random.default_rng(1))
    assert set(found[:, 0]) == {1, 2}
    assert found[:, 0].mean() == pytest.approx(1.5, abs=4 * 0.5 / 200)  # four standard errors


def test_refusals() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(InputError, match="quota of 1 cannot be split between 2 arms"):
        allot(np.array([5, 1]), np.full((2, 2), 0.5), rng=rng)
    with pytest.raises(InputError, match="sum to 1"):
        allot(np.array([5]), np.array([[0.5, 0.4]]), rng=rng)
    with pytest.raises(InputError, match="above 0"):
        allot(np.array([5]), np.array([[1.0, 0.0]]), rng=rng)
