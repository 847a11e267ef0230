"""Comparison of means against published packages, and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InsufficientDataError
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments

I = np.arange(60)  # noqa: E741
Y = ((I * 37) % 101) / 7 + (I % 2) * 1.5 + ((I * 53) % 97) / 40
X = ((I * 37) % 101) / 6 + ((I * 29) % 89) / 30
TREATED = I % 2 == 1


def arms(with_covariate: bool) -> tuple[Moments, Moments]:
    return tuple(Moments.of(Y[on], X[on] if with_covariate else None) for on in (~TREATED, TREATED))


def test_welch_agrees_with_statsmodels() -> None:
    # statsmodels 0.15: cm = CompareMeans.from_data(Y[TREATED], Y[~TREATED]); cm.ttest_ind(usevar="unequal"),
    # cm.tconfint_diff(usevar="unequal")
    found = compare(*arms(with_covariate=False))
    assert found.pvalue == pytest.approx(0.16104855016296238, abs=1e-9)
    assert found.degrees == pytest.approx(57.997092377771445, abs=1e-9)
    assert found.effect.value / found.std_error == pytest.approx(1.4196981534984134, abs=1e-9)
    assert found.effect.ci_lower == pytest.approx(-0.6591105883617145, abs=1e-9)
    assert found.effect.ci_upper == pytest.approx(3.874586778837903, abs=1e-9)
    assert found.covariate_coef == 0.0
    assert found.variance_reduction_frac == 0.0


def test_cuped_agrees_with_tea_tasting() -> None:
    # tea-tasting 1.14: Experiment(m=Mean("y", covariate="x", use_t=True)).analyze(table)["m"]
    found = compare(*arms(with_covariate=True))
    assert found.control == pytest.approx(8.144419771956251, abs=1e-9)
    assert found.treatment == pytest.approx(9.775699275662799, abs=1e-9)
    assert found.effect.ci_lower == pytest.approx(1.0983021245399995, abs=1e-9)
    assert found.effect.ci_upper == pytest.approx(2.164256882873096, abs=1e-9)
    assert found.pvalue == pytest.approx(8.531758699265341e-08, abs=1e-15)
    assert found.relative is not None
    assert found.relative.value == pytest.approx(0.20029413382197547, abs=1e-9)
    assert found.variance_reduction_frac > 0.9


def test_relative_effect_without_covariate_is_the_textbook_delta_method() -> None:
    control, treatment = arms(with_covariate=False)
    found = compare(control, treatment).relative
    assert found is not None
    r = treatment.mean / control.mean
    error = np.sqrt(treatment.var / treatment.count + r**2 * control.var / control.count) / control.mean
    half = (found.ci_upper - found.ci_lower) / 2
    assert found.value == pytest.approx(r - 1, abs=1e-12)
    assert half / error == pytest.approx(scipy_stats.t.ppf(0.975, 58), rel=0.01)  # other degrees of freedom by a few


@pytest.mark.parametrize("covariate", [False, True])
@pytest.mark.parametrize("lift", [0.0, 0.5])
def test_intervals_cover_the_truth(covariate: bool, lift: float) -> None:
    """Effect and relative effect, unequal arms and variances; the count of misses is binomial(1500, 5 %)."""
    rng, runs = np.random.default_rng(11), 1500
    missed = np.zeros(2, dtype=int)
    for _ in range(runs):
        x = rng.gamma(2.0, 2.0, 600)
        treated = np.arange(600) < 200
        y = 3.0 + x + rng.normal(0.0, 1.0, 600)
        y = np.where(treated, y * (1.0 + lift), y)
        found = compare(*(Moments.of(y[on], x[on] if covariate else None) for on in (~treated, treated)))
        assert found.relative is not None
        for k, (estimate, truth) in enumerate([(found.effect, 7.0 * lift), (found.relative, lift)]):
            missed[k] += not estimate.ci_lower <= truth <= estimate.ci_upper
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert ((low <= missed) & (missed <= high)).all(), missed


def test_undefined_comparisons() -> None:
    with pytest.raises(InsufficientDataError, match="Neither arm varies"):
        compare(Moments.of([1.0, 1.0]), Moments.of([2.0, 2.0]))
    with pytest.raises(InsufficientDataError, match="at least 2 units"):
        compare(Moments.of([1.0]), Moments.of([2.0, 3.0]))
    assert compare(Moments.of([-1.0, -2.0]), Moments.of([2.0, 3.0])).relative is None
