"""The sequential sample-ratio test against the published unit-by-unit update, and against simulated splits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.confidence_sequence import best_mixture
from flashlift.stats.sequential_ratio import log_ratio_evidence, ratio_pvalues


def unit_by_unit(arms: list[int], weights: list[float], expected_units: float) -> float:
    """Lindon and Malek 2022, equations 3 and 4: the posterior predictive over the intended share, for each unit."""
    share = np.array(weights) / sum(weights)
    concentration = expected_units / best_mixture(0.05) * share
    evidence = 1.0
    for arm in arms:
        evidence *= concentration[arm] / concentration.sum() / share[arm]
        concentration[arm] += 1.0
    return float(np.log(evidence))


@given(
    arms=st.lists(st.integers(0, 2), min_size=1, max_size=60),
    weights=st.lists(st.floats(0.1, 5.0), min_size=3, max_size=3),
    expected=st.floats(10.0, 1e6),
)
def test_running_counts_give_what_units_one_by_one_give(arms, weights, expected) -> None:
    counts = np.bincount(arms, minlength=3)[None, :]
    found = log_ratio_evidence(counts, weights, expected_units=expected)
    assert found[0] == pytest.approx(unit_by_unit(arms, weights, expected), abs=1e-6)


def test_a_sound_split_is_rarely_accused_and_a_broken_one_is_found() -> None:
    rng, runs, looks = np.random.default_rng(5), 2000, 500
    arrived = rng.multinomial(60, [0.5, 0.3, 0.2], size=(runs, looks)).cumsum(axis=1)
    accused = (ratio_pvalues(arrived, [5, 3, 2], expected_units=30_000)[:, -1] < 0.05).sum()
    assert accused <= scipy_stats.binom.ppf(0.9995, runs, 0.05)
    # 5 % of one arm lost: at 30,000 units the fixed test has a z of about 5
    lossy = rng.multinomial(60, np.array([0.475, 0.3, 0.2]) / 0.975, size=(200, looks)).cumsum(axis=1)
    found = ratio_pvalues(lossy, [5, 3, 2], expected_units=30_000)
    assert (found[:, -1] < 0.05).mean() > 0.8
    assert (np.diff(found, axis=1) <= 0.0).all()


def test_bad_counts_are_refused() -> None:
    with pytest.raises(InputError, match="fall from one look"):
        log_ratio_evidence([[10, 10], [9, 12]], [1, 1], expected_units=100)
    with pytest.raises(InputError, match="weight above 0"):
        log_ratio_evidence([[10, 10]], [1, 0], expected_units=100)
    with pytest.raises(InputError, match="one count per look and arm"):
        log_ratio_evidence([[10, 10]], [1, 1, 1], expected_units=100)
    with pytest.raises(InsufficientDataError, match="two arms"):
        log_ratio_evidence([[10]], [1], expected_units=100)
