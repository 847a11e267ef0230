"""Randomization tests: exact in small cases that are counted by hand, and intervals that cover."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.stats.randomization import (
    Lots,
    blocked,
    difference_in_means,
    randomization_interval,
    randomization_pvalue,
)

RNG = np.random.default_rng


def test_every_assignment_of_a_small_case_is_there_once() -> None:
    block, treated = np.array([0, 0, 0, 1, 1]), np.array([1.0, 0.0, 0.0, 0.0, 1.0])
    lots = blocked(block, treated, 10, rng=RNG(0))
    assert lots.complete
    found = {tuple(one) for one in lots.drawn}
    expected = {
        tuple(float(u in (a, b)) for u in range(5)) for a in range(3) for b in (3, 4)
    }  # one of three, one of two
    assert found == expected
    assert len(lots.drawn) == 6


def test_pvalue_agrees_with_counting() -> None:
    """Fisher's own way on Darwin's maize (Fisher 1935, section 21): 15 pairs, 2^15 signs, p = 0.0526."""
    difference = np.array([49, -67, 8, 16, 6, 23, 28, 41, 14, 29, 56, 24, 75, 60, -48], dtype=float)
    signs = np.array(np.meshgrid(*[[0.0, 1.0]] * 15)).reshape(15, -1).T
    lots = Lots(drawn=signs, complete=True)

    def total(assigned: FloatArray, outcome: FloatArray) -> FloatArray:
        return (2.0 * assigned - 1.0) @ outcome

    p = randomization_pvalue(difference, np.ones(15), lots, total)
    assert p == pytest.approx(1726 / 2**15)  # Fisher counts 863 on either side


def test_complete_randomization_agrees_with_a_plain_loop() -> None:
    y, z = RNG(3).normal(size=9), np.array([1.0] * 4 + [0.0] * 5)
    p = randomization_pvalue(y, z, blocked(np.zeros(9, int), z, 10, rng=RNG(0)), difference_in_means)
    seen, extreme, count = abs(y[:4].mean() - y[4:].mean()), 0, 0
    for chosen in combinations(range(9), 4):
        others = [k for k in range(9) if k not in chosen]
        extreme += abs(y[list(chosen)].mean() - y[others].mean()) >= seen - 1e-12
        count += 1
    assert p == pytest.approx(extreme / count)


def test_draws_come_near_the_exact_value_and_never_reach_zero() -> None:
    y, z = RNG(4).normal(size=30) + np.repeat([1.0, 0.0], 15), np.repeat([1.0, 0.0], 15)
    lots = blocked(np.zeros(30, int), z, 4000, rng=RNG(1))
    assert not lots.complete
    assert (lots.drawn.sum(axis=1) == 15).all()
    p = randomization_pvalue(y, z, lots, difference_in_means)
    assert p == pytest.approx(scipy_stats.ttest_ind(y[:15], y[15:]).pvalue, abs=0.015)  # two tests of one thing
    assert randomization_pvalue(1e6 * z, z, lots, difference_in_means) == 1 / 4001


def test_interval_is_what_the_test_does_not_reject() -> None:
    rng = RNG(5)
    z, dose = np.tile([1.0, 0.0], 8), rng.uniform(1.0, 3.0, 16)
    y = rng.normal(size=16) + 2.0 * z * dose
    lots = blocked(np.arange(16) // 2, z, 0, rng=rng)
    found = randomization_interval(y, z, lots, difference_in_means, dose=dose)
    width = found.ci_upper - found.ci_lower
    for tau, rejected in [
        (found.ci_lower - 0.001 * width, True),
        (found.ci_lower + 0.001 * width, False),
        (found.ci_upper - 0.001 * width, False),
        (found.ci_upper + 0.001 * width, True),
    ]:
        p = randomization_pvalue(y - tau * dose * z, z, lots, difference_in_means)
        assert (p <= 0.05) is rejected
    assert found.ci_lower < found.value < found.ci_upper


def test_interval_covers_and_the_test_keeps_its_level() -> None:
    rng, missed, rejected, runs = RNG(6), 0, 0, 400
    for _ in range(runs):
        y0 = rng.standard_t(2, size=12)  # heavy tails: no t test would be exact
        z = np.zeros(12)
        z[np.arange(6) * 2 + rng.integers(2, size=6)] = 1.0
        lots = blocked(np.arange(12) // 2, z, 0, rng=rng)
        found = randomization_interval(y0 + 3.0 * z, z, lots, difference_in_means)
        missed += not found.ci_lower <= 3.0 <= found.ci_upper
        rejected += randomization_pvalue(y0, z, lots, difference_in_means) <= 0.05
    most = scipy_stats.binom.ppf(0.9999, runs, 0.05)
    assert missed <= most
    assert rejected <= most


def test_refusals() -> None:
    z = np.array([1.0, 0.0, 1.0, 0.0])
    lots = blocked(np.array([0, 0, 1, 1]), z, 10, rng=RNG(0))
    with pytest.raises(InsufficientDataError, match="4 assignments cannot give a 95% interval"):
        randomization_interval(np.arange(4.0), z, lots, difference_in_means)
    with pytest.raises(InputError, match="0 or 1"):
        blocked(np.zeros(4, int), np.full(4, 0.5), 10, rng=RNG(0))
    many = blocked(np.zeros(12, int), np.tile([1.0, 0.0], 6), 10, rng=RNG(0))
    with pytest.raises(InputError, match="does not fall"):
        randomization_interval(np.arange(12.0), np.tile([1.0, 0.0], 6), many, lambda a, y: a[:, 0] - 2.0)
