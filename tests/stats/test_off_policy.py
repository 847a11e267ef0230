"""Off-policy estimators are their formulas, agree where they must, and their intervals hold."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.off_policy import (
    LIMITED,
    Estimator,
    Rounds,
    bias_bound,
    choose_limit,
    contributions,
    effective_size,
)


def made_up(rng: np.random.Generator, n: int = 300) -> Rounds:
    return Rounds(
        weight=np.where(rng.random(n) < 0.2, 0.0, rng.gamma(0.5, 2.0, n)),
        reward=rng.normal(1.0, 2.0, n),
        predicted=rng.normal(1.0, 1.0, n),
        expected=rng.normal(1.0, 1.0, n),
    )


def plain(estimator: Estimator, rounds: Rounds, limit: float) -> float:
    """The estimate by a loop over rounds, from the papers' formulas."""
    assert rounds.predicted is not None
    assert rounds.expected is not None
    total, weights, n = 0.0, 0.0, len(rounds.reward)
    for i in range(n):
        w, r, q, e = (float(a[i]) for a in (rounds.weight, rounds.reward, rounds.predicted, rounds.expected))
        weights += w
        if estimator in (Estimator.IPS, Estimator.SNIPS):
            total += w * r
        elif estimator is Estimator.CLIPPED_IPS:
            total += min(w, limit) * r
        elif estimator is Estimator.DM:
            total += e
        elif estimator is Estimator.DR:
            total += e + w * (r - q)
        elif estimator is Estimator.SWITCH_DR:
            total += e + (w * (r - q) if w <= limit else 0.0)
        else:
            paper = limit**2  # Su et al. (2020): w lambda / (w^2 + lambda)
            total += e + paper * w / (w * w + paper) * (r - q)
    return total / (weights if estimator is Estimator.SNIPS else n)


@pytest.mark.parametrize("estimator", list(Estimator))
@pytest.mark.parametrize("limit", [0.3, 1.0, 7.0])
def test_estimates_agree_with_a_plain_loop(estimator: Estimator, limit: float) -> None:
    rounds = made_up(np.random.default_rng(1))
    assert contributions(estimator, rounds, limit).mean() == pytest.approx(plain(estimator, rounds, limit), abs=1e-9)


@given(st.integers(0, 10_000), st.sampled_from(sorted(LIMITED)))
@settings(max_examples=30, deadline=None)
def test_without_a_limit_nothing_is_limited(seed: int, estimator: Estimator) -> None:
    rounds = made_up(np.random.default_rng(seed))
    whole = Estimator.IPS if estimator is Estimator.CLIPPED_IPS else Estimator.DR
    np.testing.assert_array_equal(contributions(estimator, rounds), contributions(whole, rounds))
    assert bias_bound(estimator, rounds, math.inf) == 0.0
    limited = contributions(estimator, rounds, 0.5)
    moved = limited.mean() - contributions(whole, rounds).mean()
    assert abs(moved) <= bias_bound(estimator, rounds, 0.5) + 1e-12


def test_a_limit_near_zero_leaves_the_model() -> None:
    rounds = made_up(np.random.default_rng(2))
    model = contributions(Estimator.DM, rounds)
    np.testing.assert_allclose(contributions(Estimator.SWITCH_DR, rounds, 1e-12), model)
    np.testing.assert_allclose(contributions(Estimator.DROS, rounds, 1e-9), model, atol=1e-6)


def test_a_true_model_makes_all_modeled_estimators_one() -> None:
    rng = np.random.default_rng(3)
    reward, weight = rng.normal(size=50), rng.gamma(1.0, 1.0, 50)
    rounds = Rounds(weight=weight, reward=reward, predicted=reward, expected=reward + 1.0)
    for estimator in (Estimator.DM, Estimator.DR, Estimator.SWITCH_DR, Estimator.DROS):
        np.testing.assert_allclose(contributions(estimator, rounds, 0.7), reward + 1.0)


def test_snips_is_a_ratio_whose_spread_is_the_delta_methods() -> None:
    rounds = made_up(np.random.default_rng(4))
    w, r = rounds.weight, rounds.reward
    z, value = contributions(Estimator.SNIPS, rounds), float(w @ r / w.sum())
    assert z.mean() == pytest.approx(value, abs=1e-12)
    covariance = np.cov(w * r, w)  # variance of a / b: (var a - 2 V cov + V^2 var b) / mean(b)^2
    delta = (covariance[0, 0] - 2 * value * covariance[0, 1] + value**2 * covariance[1, 1]) / w.mean() ** 2
    assert z.var(ddof=1) == pytest.approx(delta, rel=1e-12)


def test_the_chosen_limit_is_the_one_whose_bound_is_smallest() -> None:
    rounds = made_up(np.random.default_rng(5))
    positive = sorted(w for w in rounds.weight.tolist() if w > 0)
    low, high = float(np.median(positive)), positive[-1]
    tried = [low * (high / low) ** (k / 19) for k in range(19)] + [math.inf]
    for estimator in sorted(LIMITED):
        bounds = {}
        for limit in tried:
            z = contributions(estimator, rounds, limit)
            bounds[limit] = np.var(z, ddof=1) / len(z) + bias_bound(estimator, rounds, limit) ** 2
        best = min(bounds.values())
        chosen = choose_limit(estimator, rounds)
        found = contributions(estimator, rounds, chosen)
        assert np.var(found, ddof=1) / len(found) + bias_bound(estimator, rounds, chosen) ** 2 == pytest.approx(best)


def test_a_limit_is_chosen_where_one_weight_drowns_the_rest() -> None:
    rng = np.random.default_rng(6)
    weight = np.append(rng.gamma(2.0, 0.5, 999), 5000.0)
    rounds = Rounds(weight=weight, reward=rng.random(1000), predicted=np.full(1000, 0.5), expected=np.full(1000, 0.5))
    assert choose_limit(Estimator.DROS, rounds) < 5000.0
    flat = Rounds(weight=np.ones(1000), reward=rounds.reward)
    assert choose_limit(Estimator.CLIPPED_IPS, flat) == math.inf


def test_effective_size() -> None:
    assert effective_size(np.ones(40)) == pytest.approx(40.0)
    assert effective_size(np.array([1.0, 0.0, 0.0])) == pytest.approx(1.0)
    assert effective_size(np.array([3.0, 1.0])) == pytest.approx(16.0 / 10.0)
    assert effective_size(np.zeros(3)) == 0.0


def test_refusals() -> None:
    nothing = Rounds(weight=np.zeros(3), reward=np.ones(3))
    with pytest.raises(InputError, match="dr needs a model of the reward"):
        contributions(Estimator.DR, nothing)
    with pytest.raises(InsufficientDataError, match="never takes an action of the log"):
        contributions(Estimator.SNIPS, nothing)
    with pytest.raises(InsufficientDataError, match="no limit can be chosen"):
        choose_limit(Estimator.CLIPPED_IPS, nothing)
    for limit in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="must be above 0"):
            contributions(Estimator.CLIPPED_IPS, nothing, limit)
