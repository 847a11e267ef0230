"""Boundaries against published tables and a slow twin; the level holds whatever the information turns out to be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from flashlift.errors import InputError
from flashlift.protocols import FloatArray
from flashlift.stats.group_sequential import Boundary, boundary, inflation, obrien_fleming, pocock


def equal(looks: int) -> FloatArray:
    return np.arange(1, looks + 1) / looks


def fixed(information: FloatArray, critical: FloatArray) -> Boundary:
    return Boundary(information=tuple(information), critical=tuple(critical), spent=(0.0,) * len(critical))


def test_spending_boundaries_agree_with_published_ones() -> None:
    # Reboussin, DeMets, Kim and Lan 2000, Controlled Clinical Trials 21, and gsDesign(k = 5, test.type = 2,
    # sfu = sfLDOF) or ldBounds(1:5 / 5): two-sided alpha 0.05
    found = boundary(equal(5), planned=1.0)
    # the second is 3.35701 by adaptive quadrature to twelve digits; the published ones rest on coarser grids
    assert found.critical == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=1.2e-4)
    # the same with sfLDPocock or iuse = 2
    found = boundary(equal(5), planned=1.0, spending=pocock)
    assert found.critical == pytest.approx([2.4380, 2.4268, 2.4101, 2.3966, 2.3859], abs=1e-4)


@pytest.mark.parametrize(
    ("looks", "pocock_constant", "obrien_fleming_constant"),
    # Jennison and Turnbull 2000, tables 2.1 and 2.3, alpha 0.05
    [(1, 1.960, 1.960), (2, 2.178, 1.977), (3, 2.289, 2.004), (4, 2.361, 2.024), (5, 2.413, 2.040), (10, 2.555, 2.087)],
)
def test_classical_boundaries_cross_as_often_as_tabulated(
    looks: int, pocock_constant: float, obrien_fleming_constant: float
) -> None:
    t = equal(looks)
    flat, falling = np.full(looks, pocock_constant), obrien_fleming_constant / np.sqrt(t)
    for critical in (flat, falling):  # the tables have three decimals: 0.0005 of critical value move alpha by 0.00007
        assert fixed(t, critical).power(0.0) == pytest.approx(0.05, abs=8e-5)


def test_sample_size_factors_agree_with_the_table_of_classical_boundaries() -> None:
    # Jennison and Turnbull 2000, tables 2.2 and 2.4: R_P(5, 0.05, 0.8) = 1.229 and R_B(5, 0.05, 0.8) = 1.028
    once = (scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(0.8)) ** 2
    for critical, factor in ((np.full(5, 2.413), 1.229), (2.040 / np.sqrt(equal(5)), 1.028)):
        assert fixed(equal(5), critical).power(np.sqrt(once * factor)) == pytest.approx(0.8, abs=3e-4)


def test_inflation_brings_the_power_back() -> None:
    factor = inflation(equal(20), target_power=0.8)
    once = scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(0.8)
    assert boundary(equal(20), planned=1.0).power(np.sqrt(factor) * once) == pytest.approx(0.8, abs=1e-5)
    assert 1.0 < factor < 1.06 < inflation(equal(20), spending=pocock)
    assert inflation([1.0]) == pytest.approx(1.0, abs=1e-9)


def test_power_at_twenty_looks_is_close_to_that_of_one_look() -> None:
    for target in (0.56, 0.8):
        drift = scipy_stats.norm.ppf(0.975) + scipy_stats.norm.ppf(target)
        assert boundary(equal(20), planned=1.0).power(drift) >= 0.93 * target


def brute_force(known: Boundary, effect: float) -> float:
    """1 - P(inside at every look), from the multivariate normal distribution of the statistics."""
    t = np.array(known.information)
    correlation = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    law = scipy_stats.multivariate_normal(effect * np.sqrt(t), correlation, seed=np.random.default_rng(1))
    law.abseps = law.releps = 1e-9
    law.maxpts = 2_000_000
    c = np.array(known.critical)
    return 1.0 - float(law.cdf(c, lower_limit=-c))


@pytest.mark.parametrize("effect", [0.0, 2.0, -3.5])
@pytest.mark.parametrize("looks", [[0.3, 0.35, 1.0], [0.2, 0.21, 0.9, 1.3], [0.7, 0.9]])
def test_recursion_agrees_with_the_multivariate_normal_distribution(looks: list[float], effect: float) -> None:
    known = boundary(looks, planned=1.0, spending=pocock, ended=True)
    assert known.power(effect) == pytest.approx(brute_force(known, effect), abs=2e-6)  # of the integration by lattice


@settings(deadline=None, max_examples=30)
@given(
    steps=st.lists(st.floats(0.001, 0.6), min_size=1, max_size=8),
    spending=st.sampled_from([obrien_fleming, pocock]),
    alpha=st.floats(0.001, 0.5),
)
def test_the_level_is_alpha_whatever_information_there_is_at_the_end(steps, spending, alpha) -> None:
    information = np.cumsum(steps)
    planned = max(0.8, float(information[:-1].max() + 1e-6)) if len(steps) > 1 else 0.8
    known = boundary(information, planned=planned, alpha=alpha, spending=spending, ended=True)
    assert known.power(0.0) == pytest.approx(alpha, abs=1e-9)
    assert all(later >= earlier for earlier, later in pairwise(known.spent))


def test_many_looks_keep_the_level() -> None:
    assert boundary(equal(300), planned=1.0).power(0.0) == pytest.approx(0.05, abs=1e-9)


def test_looks_to_come_do_not_move_the_boundary() -> None:
    until = boundary([0.1, 0.4], planned=1.0)
    after = boundary([0.1, 0.4, 0.7, 1.2], planned=1.0)
    assert after.critical[:2] == until.critical
    assert after.spent[-1] == 0.05


def test_an_end_before_the_planned_information_spends_the_rest() -> None:
    early = boundary([0.3, 0.6], planned=1.0, ended=True)
    assert early.spent[-1] == 0.05
    assert early.critical[-1] < boundary([0.3, 0.6], planned=1.0).critical[-1]


def test_simulated_tests_reject_as_often_as_promised_when_the_end_falls_short_or_runs_over() -> None:
    rng, runs = np.random.default_rng(4), 40_000
    for information in ([0.25, 0.5, 0.75, 0.9], [0.3, 0.6, 0.95, 1.6]):
        known = boundary(information, planned=1.0, ended=True)
        steps = np.diff([0.0, *information])
        z = np.cumsum(rng.normal(size=(runs, 4)) * np.sqrt(steps), axis=1) / np.sqrt(information)
        rejected = int((np.abs(z) >= known.critical).any(axis=1).sum())
        low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
        assert low <= rejected <= high


@pytest.mark.parametrize(
    ("information", "planned", "alpha", "message"),
    [
        ([0.5, 0.4], 1.0, 0.05, "Look 2 has the information 0.4 after 0.5"),
        ([0.5, 0.5], 1.0, 0.05, "each look must add"),
        ([0.5, 1.1, 1.5], 1.0, 0.05, "Look 2 had reached the planned information"),
        ([], 1.0, 0.05, "information at each look"),
        ([float("nan")], 1.0, 0.05, "information at each look"),
        ([0.5], 0.0, 0.05, "planned information above 0"),
        ([0.5], 1.0, 0.6, "alpha in"),
    ],
)
def test_impossible_looks_are_refused(information: list[float], planned: float, alpha: float, message: str) -> None:
    with pytest.raises(InputError, match=message):
        boundary(information, planned=planned, alpha=alpha)


def test_a_power_below_alpha_is_refused() -> None:
    with pytest.raises(InputError, match="between alpha"):
        inflation([0.5, 1.0], target_power=0.01)
