import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from flashlift.behavior.judge import (
    average_precision,
    calibration_line,
    customer_weights,
    ece_floor,
    ece_floor_of_customers,
    figures,
    paired,
    slope_error,
)
from flashlift.stats.calibration import expected_calibration_error


def drawn(rng, n=20_000, slope=1.0, shift=0.0):
    odds = rng.normal(-2, 1, n)
    truth = 1 / (1 + np.exp(-(slope * odds + shift)))
    return 1 / (1 + np.exp(-odds)), (rng.random(n) < truth).astype(float)


def test_average_precision_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(0)
    predicted, outcome = rng.integers(0, 20, 300) / 20, (rng.random(300) < 0.2).astype(float)
    weight = rng.integers(0, 3, 300).astype(float)
    assert average_precision(predicted, outcome) == pytest.approx(average_precision_score(outcome, predicted), abs=1e-9)
    expected = average_precision_score(outcome, predicted, sample_weight=weight)
    assert average_precision(predicted, outcome, weight) == pytest.approx(expected, abs=1e-9)


def test_the_calibration_line_finds_how_predictions_are_off():
    rng = np.random.default_rng(1)
    slope, level = calibration_line(*drawn(rng))
    assert slope == pytest.approx(1, abs=0.08) and level == pytest.approx(0, abs=0.08)  # four standard errors
    slope, _ = calibration_line(*drawn(rng, slope=0.5))
    assert slope == pytest.approx(0.5, abs=0.08)
    _, level = calibration_line(*drawn(rng, shift=0.4))
    assert level == pytest.approx(0.4, abs=0.08)
    assert calibration_line(np.full(10, 0.2), np.arange(10) % 2) == (None, None)


def test_true_probabilities_stay_below_the_floor_in_nineteen_of_twenty_draws():
    rng = np.random.default_rng(2)
    predicted, _ = drawn(rng, n=2000)
    floor = ece_floor(predicted, rng=rng)
    errors = [expected_calibration_error(predicted, (rng.random(2000) < predicted).astype(float)) for _ in range(200)]
    assert 0.88 <= np.mean(np.array(errors) <= floor) <= 0.995  # binomial, with the floor's own noise


def test_resamples_are_paired_and_their_interval_covers_no_difference():
    rng = np.random.default_rng(3)
    predicted, outcome = drawn(rng, n=3000)
    customer = rng.integers(0, 300, 3000)
    weights = customer_weights(customer, 300, 50, seed=1)
    assert (weights.sum(axis=1) > 2000).all() and (weights == customer_weights(customer, 300, 50, seed=1)).all()
    worse = predicted + rng.normal(0, 0.3, 3000)
    whole, resamples, gains = paired(
        {"a": predicted, "same": predicted**2, "worse": worse}, outcome, weights, against="a"
    )
    assert (gains["a"] == 0).all() and np.abs(gains["same"]).max() < 1e-12  # only the order counts
    assert gains["worse"].max() < 0 and whole["worse"] < whole["a"]
    assert len(resamples["a"]) == 50 and len(gains["a"]) == 51
    assert paired({"a": predicted}, outcome, weights, against="b")[2] == {}


def test_the_slope_error_and_the_floor_know_that_a_customer_s_rows_repeat_one_draw():
    rng = np.random.default_rng(4)
    predicted, _ = drawn(rng, n=400)
    often, customer = np.repeat(predicted, 5), np.repeat(np.arange(400), 5)
    fresh = [np.repeat((rng.random(400) < predicted).astype(float), 5) for _ in range(200)]
    slopes = [calibration_line(often, outcome)[0] for outcome in fresh]
    # The spread of 200 slopes has a relative error of 5 %, and the estimate, from one draw, of about 15 %.
    assert slope_error(often, fresh[0], customer) == pytest.approx(np.std(slopes), rel=0.4)
    assert slope_error(often, fresh[0], np.arange(2000)) < 0.6 * np.std(slopes)
    floors = [ece_floor_of_customers(often, outcome, customer, rng=rng) for outcome in fresh[:20]]
    errors = [expected_calibration_error(often, outcome) for outcome in fresh]
    assert 0.85 <= np.mean(np.array(errors) <= np.mean(floors)) <= 1.0
    assert ece_floor(often, rng=rng) < 0.7 * np.mean(floors)


def test_a_wrong_base_rate_is_told_apart_from_wrong_probabilities():
    predicted, outcome = drawn(np.random.default_rng(5), shift=0.4)
    found = figures(predicted, outcome, rng=np.random.default_rng(0), customer=np.arange(len(predicted)))
    assert found["ece"] > 0.03 and found["ece_at_rate"] < found["ece_floor"]
    assert found["slope_ci_lower"] < 1 < found["slope_ci_upper"] + 0.05
