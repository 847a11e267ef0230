import numpy as np
import pytest

from flashlift.behavior.survival import KaplanMeier, integrated_brier, median_error


def test_kaplan_meier_of_a_textbook_trial():
    # 6-MP arm of Freireich et al. (1963), as in Kalbfleisch and Prentice: S(6) = 0.857, S(10) = 0.753, S(23) = 0.448.
    times = np.array([6, 6, 6, 6, 7, 9, 10, 10, 11, 13, 16, 17, 19, 20, 22, 23, 25, 32, 32, 34, 35], dtype=float)
    seen = np.array([1, 1, 1, 0, 1, 0, 1, 0, 0, 1, 1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0], dtype=bool)
    found = KaplanMeier.fit(times, seen).at(np.array([5.9, 6.0, 10.0, 23.0, 99.0]))
    np.testing.assert_allclose(found, [1.0, 0.857, 0.753, 0.448, 0.448], atol=5e-4)


def test_without_events_everybody_survives():
    assert KaplanMeier.fit(np.array([1.0, 2.0]), np.zeros(2, bool)).at(np.array([5.0])) == 1.0


def test_censoring_does_not_move_the_integrated_brier_score():
    rng = np.random.default_rng(0)
    n, grid = 40_000, np.linspace(1, 40, 30)
    rate = np.exp(rng.normal(-3, 0.7, n))
    wait = rng.exponential(1 / rate)
    curve = 1 - np.exp(-rate[:, None] * grid)
    forever = np.full(n, 1e9)
    whole = integrated_brier(curve, grid, wait, np.ones(n, bool), forever)
    watched = rng.uniform(20, 80, n)
    censored = integrated_brier(curve, grid, np.minimum(wait, watched), wait < watched, watched)
    assert censored == pytest.approx(whole, abs=0.004)  # standard error about 0.001
    everybody = np.tile(curve.mean(axis=0), (n, 1))
    assert whole < integrated_brier(everybody, grid, wait, np.ones(n, bool), forever) - 0.01
    # By hand: one row, an event at 2 of [0, 4], told 0 all along: the squared error is 1 after 2, and 0 before.
    one = integrated_brier(np.zeros((1, 4)), np.array([1.0, 2.0, 3.0, 4.0]), np.array([2.0]), np.array([True]),
                           np.array([9.0]))  # fmt: skip
    assert one == pytest.approx(1.5 / 4)  # trapezoids: 0, 0, 1/2, 1


def test_the_median_error_reads_the_curve_given_that_the_event_comes():
    grid = np.array([1.0, 2.0, 3.0, 4.0])
    curve = np.array([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 0.5]])
    assert median_error(curve, grid, np.array([2.0, 3.5]), np.array([True, True])) == pytest.approx(0.0)
    assert median_error(curve, grid, np.array([9.0, 9.0]), np.array([True, False])) is None
