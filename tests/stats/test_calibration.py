import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit

from flashlift.errors import InsufficientDataError
from flashlift.stats.calibration import BetaCalibrator, brier_skill, expected_calibration_error, reliability


def simulated(n, rng, *, stretch):
    logit = rng.normal(-1.5, 1.0, n)
    outcome = (rng.random(n) < expit(logit)).astype(float)
    return expit(stretch * logit + 0.5), expit(logit), outcome


def test_beta_calibration_recovers_the_true_probabilities():
    predicted, truth, outcome = simulated(20_000, np.random.default_rng(0), stretch=2.0)
    calibrated = BetaCalibrator.fit(predicted, outcome).apply(predicted)
    # Standard error of a logistic fit on 20,000 rows is below 0.005 everywhere; 0.02 is four of them.
    assert np.abs(calibrated - truth).max() < 0.02
    assert expected_calibration_error(calibrated, outcome) < 0.01 < expected_calibration_error(predicted, outcome)


def test_well_calibrated_predictions_stay_about_the_same():
    _, truth, outcome = simulated(20_000, np.random.default_rng(1), stretch=1.0)
    fitted = BetaCalibrator.fit(truth, outcome)
    assert np.abs(fitted.apply(truth) - truth).max() < 0.02


@given(st.floats(0, 3), st.floats(0, 3), st.floats(-3, 3))
def test_calibration_keeps_order_and_range(a, b, c):
    predicted = np.linspace(0, 1, 101)
    calibrated = BetaCalibrator(a=a, b=b, c=c).apply(predicted)
    assert (np.diff(calibrated) >= 0).all()
    assert ((calibrated >= 0) & (calibrated <= 1)).all()


def test_the_identity_changes_nothing():
    predicted = np.linspace(0.001, 0.999, 50)
    np.testing.assert_allclose(BetaCalibrator().apply(predicted), predicted, atol=1e-12)


@pytest.mark.parametrize("outcome", [np.zeros(10), np.ones(10)])
def test_outcomes_of_one_kind_are_refused(outcome):
    with pytest.raises(InsufficientDataError, match="both kinds"):
        BetaCalibrator.fit(np.full(10, 0.5), outcome)


def test_reliability_by_hand():
    predicted = np.array([0.4, 0.1, 0.3, 0.2])
    outcome = np.array([1.0, 0.0, 1.0, 0.0])
    table = reliability(predicted, outcome, bins=2)
    assert table.rows() == [(0, pytest.approx(0.15), 0.0, 2), (1, pytest.approx(0.35), 1.0, 2)]
    assert expected_calibration_error(predicted, outcome, bins=2) == pytest.approx((0.15 + 0.65) / 2)


def test_ties_share_a_bin_so_the_order_of_rows_does_not_matter():
    predicted = np.full(100, 0.5)
    outcome = np.repeat([0.0, 1.0], 50)
    assert expected_calibration_error(predicted, outcome) == 0.0
    assert reliability(predicted, outcome)["n"].to_list() == [100]


def test_calibrated_predictions_have_an_error_of_the_size_of_the_noise():
    rng = np.random.default_rng(2)
    errors = []
    for _ in range(50):
        p = rng.uniform(0.05, 0.6, 2000)
        errors.append(expected_calibration_error(p, (rng.random(2000) < p).astype(float)))
    # Mean |normal| of ten bins of 200 outcomes with p(1 - p) about 0.2: 0.8 * sqrt(0.2 / 200) = 0.025.
    assert 0.01 < np.mean(errors) < 0.03


def test_brier_skill():
    outcome = np.array([0.0, 1.0, 1.0, 0.0])
    assert brier_skill(outcome, outcome) == 1.0
    assert brier_skill(np.full(4, 0.5), outcome) == 0.0
    assert brier_skill(1 - outcome, outcome) == -3.0
    assert brier_skill(np.full(4, 0.5), np.zeros(4)) is None


def test_the_level_follows_the_weighted_rows_and_the_shape_stays():
    rng = np.random.default_rng(7)
    odds = rng.normal(-2, 1, 20_000)
    late = np.arange(20_000) >= 10_000
    outcome = (rng.random(20_000) < 1 / (1 + np.exp(-(odds + 0.5 * late)))).astype(float)
    predicted = 1 / (1 + np.exp(-odds))
    fitted = BetaCalibrator.fit(predicted, outcome)
    moved = fitted.leveled(predicted, outcome, late.astype(float))
    assert (moved.a, moved.b) == (fitted.a, fitted.b)
    # 10,000 rows, 15 % positive: the prior of precision 1 moves the mean by less than 1e-4.
    assert moved.apply(predicted)[late].mean() == pytest.approx(outcome[late].mean(), abs=1e-4)
    even = fitted.leveled(predicted, outcome, np.ones(20_000))
    assert even.c == pytest.approx(fitted.c, abs=0.01)
    assert fitted.leveled(predicted[:0], outcome[:0], predicted[:0]).c == fitted.c
