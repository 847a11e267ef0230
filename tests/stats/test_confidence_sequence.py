"""Confidence sequences against the integral they stand for, and against simulated looks without number."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

from flashlift.errors import InputError
from flashlift.stats.confidence_sequence import ConfidenceSequence, best_mixture


@pytest.mark.parametrize("one_sided", [False, True])
@pytest.mark.parametrize("fraction", [0.003, 0.4, 1.0, 3.0])
@pytest.mark.parametrize("z", [-2.5, 0.0, 1.3, 4.0])
def test_evidence_is_the_likelihood_ratio_averaged_over_the_mixture(one_sided: bool, fraction: float, z: float) -> None:
    """Effects are drawn from a normal (or half-normal) law; information is 1, so z = score and its variance is 1."""
    sequence = ConfidenceSequence(one_sided=one_sided)
    spread = np.sqrt(best_mixture(0.1 if one_sided else 0.05) * fraction)
    low, factor = (0.0, 2.0) if one_sided else (-np.inf, 1.0)
    average = quad(lambda d: factor * scipy_stats.norm.pdf(d, 0.0, spread) * np.exp(d * z - d * d / 2), low, np.inf)[0]
    assert sequence.log_evidence(z, fraction) == pytest.approx(np.log(average), abs=1e-6)


@pytest.mark.parametrize("one_sided", [False, True])
def test_bounds_are_where_the_evidence_reaches_one_over_alpha(one_sided: bool) -> None:
    sequence = ConfidenceSequence(alpha=0.02, one_sided=one_sided)
    fraction = np.array([1e-4, 0.05, 0.5, 1.0, 2.0, 50.0])
    evidence = sequence.log_evidence(sequence.critical(fraction), fraction)
    np.testing.assert_allclose(evidence, -np.log(0.02), rtol=1e-9)


def test_width_agrees_with_the_published_formula() -> None:
    # Waudby-Smith et al. 2024, theorem 2.2: half-width / (sigma / sqrt(t)) at rho, t and alpha
    alpha, t, planned = 0.05, 700.0, 2000.0
    rho2 = best_mixture(alpha) / planned
    published = np.sqrt(2 * (t * rho2 + 1) / (t**2 * rho2) * np.log(np.sqrt(t * rho2 + 1) / alpha)) * np.sqrt(t)
    assert ConfidenceSequence(alpha=alpha).critical(t / planned) == pytest.approx(published, rel=1e-12)


@pytest.mark.parametrize("alpha", [0.2, 0.05, 1e-4])
def test_the_mixture_is_the_best_one_for_the_planned_information(alpha: float) -> None:
    def width(log_spread: float) -> float:
        spread = np.exp(log_spread)
        return float((1 + 1 / spread) * (np.log1p(spread) - 2 * np.log(alpha)))

    best = minimize_scalar(width, bounds=(-3.0, 6.0), method="bounded", options={"xatol": 1e-10})
    assert best_mixture(alpha) == pytest.approx(np.exp(best.x), rel=1e-6)


def test_one_sided_bounds_are_closer() -> None:
    fraction = np.array([0.1, 1.0, 2.0])
    assert (ConfidenceSequence(one_sided=True).critical(fraction) < ConfidenceSequence().critical(fraction)).all()


@pytest.mark.parametrize("one_sided", [False, True])
def test_hundreds_of_looks_cover_the_truth(one_sided: bool) -> None:
    """Heavy-tailed outcomes whose variance is estimated; looks from 100 units on, after every 10."""
    rng, runs, looks = np.random.default_rng(6), 1500, 500
    sequence = ConfidenceSequence(alpha=0.1, one_sided=one_sided)
    y = rng.gamma(0.5, 2.0, (runs, 10 * looks))
    n = 10 * np.arange(10, looks + 1)
    total, square = (np.add.reduceat(a, np.arange(0, 10 * looks, 10), axis=1).cumsum(axis=1)[:, 9:] for a in (y, y * y))
    mean = total / n
    error = np.sqrt((square / n - mean**2) / n)
    z = (mean - 1.0) / error
    outside = ((-z if one_sided else np.abs(z)) > sequence.critical(n / n[-1])).any(axis=1)
    assert 0 < outside.sum() <= scipy_stats.binom.ppf(0.9995, runs, 0.1)
    pvalues = sequence.pvalues(-z if one_sided else z, n / n[-1])
    assert (np.diff(pvalues, axis=1) <= 0.0).all()
    np.testing.assert_array_equal(pvalues[:, -1] < 0.1, outside)


def test_impossible_questions_are_refused() -> None:
    with pytest.raises(InputError, match="alpha in"):
        ConfidenceSequence(alpha=0.0)
    with pytest.raises(InputError, match="information above 0"):
        ConfidenceSequence().critical([0.1, 0.0])
