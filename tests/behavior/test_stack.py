import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.behavior.lines import PurchaseLines
from flashlift.behavior.stack import Stack
from flashlift.behavior.trees import PurchaseTrees
from flashlift.behavior.watched import Watched, filled
from flashlift.stats.calibration import log_odds

EDGES = np.array([6.0, 24.0, 72.0, 168.0, 720.0])


def shop(rng, n, *, limit=200.0):
    """Waiting times are exponential; ln rate is linear in the first of three columns; watched at most `limit` hours."""
    design = rng.normal(size=(n, 3))
    rate = np.exp(-4 + design[:, 0])
    wait, watched = rng.exponential(1 / rate), rng.uniform(0, limit, n)
    seen = wait < watched
    truth = 1 - np.exp(-rate[:, None] * EDGES)
    return design, truth, Watched.build(EDGES, np.minimum(wait, watched), seen, watched)


@pytest.mark.parametrize("model", ["trees", "lines"])
def test_models_on_aggregates_find_the_rates_of_a_simulated_shop(model):
    rng = np.random.default_rng(0)
    design, _, watched = shop(rng, 8000)
    fresh, truth, _ = shop(rng, 2000)
    fitted = PurchaseTrees.fit(design, watched, seed=0) if model == "trees" else PurchaseLines.fit(design, watched)
    found = fitted.probability(fresh)
    assert (np.diff(found, axis=1) >= 0).all()
    # 8,000 snapshots, a quarter of them watched for 72 hours or less: errors of about 0.03 on average. 720 hours are
    # longer than any watch and are continued at the mean hazard.
    assert np.abs(found - truth)[:, :4].mean() < 0.04
    assert np.abs(found - truth)[:, 4].mean() < 0.1
    again = type(fitted).from_arrays(fitted.arrays())
    np.testing.assert_array_equal(again.probability(fresh), found)


def test_the_stack_trusts_who_knows_and_gives_noise_no_weight():
    rng = np.random.default_rng(1)
    _, truth, watched = shop(rng, 6000)
    noise = np.sort(rng.uniform(0.01, 0.6, truth.shape), axis=1)
    stack = Stack.fit([truth, noise], log_odds(watched.rate), watched)
    assert (stack.weight >= 0).all()
    assert stack.weight[:3, 0].min() > 0.7 and stack.weight[:3, 1].max() < 0.1
    assert np.abs(stack.probability([truth, noise]) - truth)[:, :4].mean() < 0.03


def test_the_stack_takes_back_what_everybody_exaggerates():
    rng = np.random.default_rng(2)
    _, truth, watched = shop(rng, 6000)
    usual = log_odds(watched.rate)
    loud = 1 / (1 + np.exp(-(usual + 3 * (log_odds(truth) - usual))))
    found = Stack.fit([loud], usual, watched).probability([loud])
    assert np.abs(found - truth)[:, :4].mean() < 0.5 * np.abs(loud - truth)[:, :4].mean()


def test_without_a_single_outcome_it_is_the_plain_average():
    _, truth, watched = shop(np.random.default_rng(3), 50)
    nobody = Watched(edges=EDGES, bought=watched.bought[:0], known=watched.known[:0])
    stack = Stack.fit([truth[:0], truth[:0]], np.zeros(5), nobody)
    np.testing.assert_allclose(stack.weight, 0.5)
    np.testing.assert_allclose(stack.shift, 0.0)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 10_000))
def test_the_blend_rises_with_the_horizon(seed):
    rng = np.random.default_rng(seed)
    stack = Stack(usual=np.sort(rng.normal(size=5)), shift=rng.normal(size=5), weight=rng.exponential(size=(5, 2)))
    curves = [np.sort(rng.uniform(size=(20, 5)), axis=1) for _ in range(2)]
    found = stack.probability(curves)
    assert (np.diff(found, axis=1) >= 0).all() and (found >= 0).all() and (found <= 1).all()


@settings(max_examples=50, deadline=None)
@given(st.floats(1e-5, 0.02), st.lists(st.booleans(), min_size=5, max_size=5).filter(any))
def test_a_curve_of_constant_hazard_is_filled_exactly(rate, usable):
    truth = 1 - np.exp(-rate * EDGES)[None]
    np.testing.assert_allclose(
        filled(EDGES, np.where(usable, truth, 0.9), np.array(usable)), truth, rtol=1e-3, atol=1e-6
    )


def test_no_usable_edge_is_an_error():
    with pytest.raises(ValueError, match="No edge"):
        filled(EDGES, np.zeros((1, 5)), np.zeros(5, bool))
