import numpy as np
import pytest

from flashlift.behavior.intent import MIN_OUTCOMES, fit_calibrators
from flashlift.errors import InputError

EDGES = np.array([1.0, 10.0, 100.0])


def calibrated(rng, n=4000, factor=3.0, watched=50.0):
    """Waiting times are exponential; the predictions claim a hazard `factor` times too high."""
    rate = np.exp(rng.normal(-4, 1, n))
    wait = rng.exponential(1 / rate)
    logs = -factor * rate[:, None] * EDGES
    return rate, logs, fit_calibrators(EDGES, logs, np.minimum(wait, watched), wait < watched, np.full(n, watched))


def test_calibration_takes_back_what_the_network_claims_too_much():
    rate, logs, intent = calibrated(np.random.default_rng(0))
    assert np.isnan(intent.beta[:, 0]).tolist() == [False, False, True]  # nobody was watched for 100 hours
    found = intent.probability(logs, np.ones(len(rate), bool), [10.0])[:, 0]
    # 4,000 outcomes, about 20 % positive, three parameters: four standard errors are about 0.03.
    assert np.abs(found - (1 - np.exp(-10 * rate)))[rate < 0.1].max() < 0.04


def test_probabilities_rise_with_the_horizon_and_continue_beyond_the_calibrated_ones():
    rate, logs, intent = calibrated(np.random.default_rng(1))
    horizons = np.geomspace(0.1, 100, 40)
    curve = intent.probability(logs, rate > 0, horizons.tolist())
    assert (np.diff(curve, axis=1) >= 0).all() and (curve >= 0).all() and (curve <= 1).all()
    assert curve[:, -1].mean() > curve[:, 26].mean() + 0.2


def test_unknown_customers_get_the_base_rate_at_any_horizon():
    _, logs, intent = calibrated(np.random.default_rng(2))
    known = np.zeros(3, bool)
    np.testing.assert_allclose(intent.probability(logs[:3], known, EDGES.tolist()), np.tile(intent.base_rate, (3, 1)))


def test_too_few_purchases_give_no_intent(caplog):
    n = 5 * MIN_OUTCOMES
    few = np.arange(n) < MIN_OUTCOMES - 1
    logs = np.full((n, 3), -0.1)
    assert fit_calibrators(EDGES, logs, np.where(few, 0.5, 200.0), few, np.full(n, 200.0)) is None
    assert "no purchase intent" in caplog.text


def test_horizons_must_lie_within_the_edges():
    _, logs, intent = calibrated(np.random.default_rng(3))
    with pytest.raises(InputError, match="101"):
        intent.probability(logs, np.ones(len(logs), bool), [101.0])


def test_the_level_is_that_of_the_latest_moments():
    rng = np.random.default_rng(4)
    n = 20_000
    watched = rng.uniform(1, 201, n)
    rate = np.exp(rng.normal(-4, 1, n)) * np.where(watched < 101, 2.0, 1.0)  # twice the orders in the later half
    wait = rng.exponential(1 / rate)
    logs = -np.exp(rng.normal(-4, 0.01, n))[:, None] * EDGES
    intent = fit_calibrators(EDGES, logs, np.minimum(wait, watched), wait < watched, watched)
    found = intent.probability(logs, np.ones(n, bool), [10.0]).mean()
    bought = wait < 10
    early, late = bought[watched > 101].mean(), bought[(watched >= 10) & (watched < 101)].mean()
    # With a half-life of a quarter of the window, the later half has about four fifths of the say.
    assert found == pytest.approx(0.2 * early + 0.8 * late, abs=0.015)
