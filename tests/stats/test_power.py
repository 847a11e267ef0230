"""Power against statsmodels and against simulated tests."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError
from flashlift.stats.power import minimum_detectable_effect, power, sample_size


def test_agrees_with_statsmodels() -> None:
    # statsmodels 0.15, from statsmodels.stats.power import tt_ind_solve_power as solve
    # solve(effect_size=0.3, nobs1=100, alpha=0.05, ratio=1.0)
    assert power(effect=0.3, std=1.0, n_control=100, n_treatment=100) == pytest.approx(0.5600592535808472, abs=1e-9)
    # brentq(lambda d: TTestIndPower().power(d, 500, 0.05, ratio=1) - 0.8, 0.01, 0.5, xtol=1e-14); its own
    # solve_power stops at a power of 0.80000044
    found = minimum_detectable_effect(std=2.0, n_control=500, n_treatment=500)
    assert found == pytest.approx(2.0 * 0.177358322318639, abs=1e-9)
    # the same with (d, 200, 0.01, ratio=3) - 0.9
    found = minimum_detectable_effect(std=1.0, n_control=200, n_treatment=600, alpha=0.01, target_power=0.9)
    assert found == pytest.approx(0.3156102865689539, abs=1e-9)
    # the same with (d, 5, 0.05, ratio=1) - 0.8, up to 4
    found = minimum_detectable_effect(std=1.0, n_control=5, n_treatment=5)
    assert found == pytest.approx(2.024439339384543, abs=1e-9)
    # solve(effect_size=0.3, alpha=0.05, power=0.8): 175.38466947047476 units per arm
    assert sample_size(effect=0.3, std=1.0) == int(np.ceil(2 * 175.38466947047476))
    # solve(effect_size=0.1, alpha=0.05, power=0.9, ratio=1/3): 4204.408832411941 in the larger arm
    found = sample_size(effect=-0.1, std=1.0, treatment_frac=0.25, target_power=0.9)
    assert found == int(np.ceil(4204.408832411941 / 0.75))


def test_without_an_effect_power_is_the_false_positive_rate() -> None:
    assert power(effect=0.0, std=3.0, n_control=17, n_treatment=40, alpha=0.1) == pytest.approx(0.1, abs=1e-9)


@pytest.mark.parametrize("n", [2, 10, 5_000, 1e9])
@pytest.mark.parametrize("alpha", [0.01, 0.2])
def test_power_rises_with_the_effect_whatever_its_sign(n: float, alpha: float) -> None:
    effects = np.concatenate([np.linspace(0.0, 45.0, 200), [1e2, 1e5]]) * np.sqrt(2 / n)
    found = [power(effect=e, std=1.0, n_control=n, n_treatment=n, alpha=alpha) for e in effects]
    assert found[-1] == pytest.approx(1.0)
    assert (np.diff(found) > -1e-9).all()  # the library's rounding
    assert power(effect=-effects[3], std=1.0, n_control=n, n_treatment=n, alpha=alpha) == found[3]


def test_simulated_tests_reject_as_often_as_promised() -> None:
    rng, runs = np.random.default_rng(5), 2000
    effect = minimum_detectable_effect(std=2.0, n_control=40, n_treatment=80)
    control, treatment = rng.normal(0.0, 2.0, (runs, 40)), rng.normal(effect, 2.0, (runs, 80))
    rejected = int((scipy_stats.ttest_ind(control, treatment, axis=1).pvalue < 0.05).sum())
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.8)
    assert low <= rejected <= high


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(InputError, match="std > 0"):
        power(effect=1.0, std=0.0, n_control=10, n_treatment=10)
    with pytest.raises(InputError, match="effect other than 0"):
        sample_size(effect=0.0, std=1.0)
    with pytest.raises(InputError, match=r"between alpha 0\.05 and 1"):
        minimum_detectable_effect(std=1.0, n_control=10, n_treatment=10, target_power=0.05)
