"""Qini metrics are their formulas, whatever the order of rows; what has no meaning is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.qini import Arms, qini_curve, top_share, uplift_at
from flashlift.stats.repeated_splits import corrected_interval


def drawn(seed: int, n: int = 60, levels: int = 12) -> tuple[np.ndarray, Arms]:
    """Scores with ties, a probability of treatment of each unit, outcomes that are not binary."""
    rng = np.random.default_rng(seed)
    e = rng.uniform(0.2, 0.8, n)
    treated = rng.random(n) < e
    treated[:2] = True, False
    return rng.integers(levels, size=n).astype(float), Arms(treated=treated, outcome=rng.normal(size=n), propensity=e)


def plain_gain(score: np.ndarray, arms: Arms, least: float) -> float:
    """Radcliffe's gain of all units with a score of at least `least`, by a loop."""
    n_t = n_c = r_t = r_c = everyone = 0.0
    for s, t, y, e in zip(score, arms.treated, arms.outcome, arms.propensity, strict=True):
        w = 1.0 / (e if t else 1.0 - e)
        everyone += w if t else 0.0
        if s >= least and t:
            n_t, r_t = n_t + w, r_t + w * y
        elif s >= least:
            n_c, r_c = n_c + w, r_c + w * y
    return (r_t - (r_c / n_c if n_c else 0.0) * n_t) / everyone


@given(st.integers(0, 10_000), st.integers(1, 12))
@settings(max_examples=40, deadline=None)
def test_the_curve_agrees_with_a_plain_loop(seed: int, levels: int) -> None:
    score, arms = drawn(seed, levels=levels)
    curve = qini_curve(score, arms)
    steps = sorted(set(score.tolist()), reverse=True)
    assert curve.targeted_frac[0] == curve.gain[0] == 0.0
    assert curve.targeted_frac[-1] == 1.0
    for k, least in enumerate(steps, 1):
        assert curve.gain[k] == pytest.approx(plain_gain(score, arms, least), abs=1e-9)
        assert curve.targeted_frac[k] == pytest.approx(np.mean(score >= least))
    area = sum(
        (curve.gain[k] + curve.gain[k + 1]) / 2 * (curve.targeted_frac[k + 1] - curve.targeted_frac[k])
        for k in range(len(steps))
    )
    assert curve.auuc == pytest.approx(area, abs=1e-12)
    assert curve.qini == pytest.approx(area - curve.gain[-1] / 2, abs=1e-12)


@given(st.integers(0, 10_000))
@settings(max_examples=30, deadline=None)
def test_the_order_of_rows_and_the_scale_of_scores_do_not_matter(seed: int) -> None:
    score, arms = drawn(seed)
    index = np.random.default_rng(seed).permutation(score.size)
    shuffled = arms.rows(index)
    assert qini_curve(np.exp(score[index]), shuffled).qini == pytest.approx(qini_curve(score, arms).qini, abs=1e-12)
    assert uplift_at(score[index], shuffled, 0.3) == pytest.approx(uplift_at(score, arms, 0.3), abs=1e-12)


def test_by_hand() -> None:
    """Eight units, treated and control in turn; computed with pencil and paper."""
    arms = Arms(
        treated=np.array([True, False] * 4),
        outcome=np.array([1.0, 0, 1, 0, 0, 1, 0, 1]),
        propensity=np.full(8, 0.5),
    )
    score = np.array([4.0, 4, 3, 3, 2, 2, 1, 1])
    curve = qini_curve(score, arms)
    # after each pair: treated 1, 2, 2, 2 successes of 1, 2, 3, 4; control 0, 0, 1, 2
    np.testing.assert_allclose(curve.gain, [0, 1 / 4, 2 / 4, 1 / 4, 0])
    assert curve.auuc == pytest.approx(1 / 4)
    assert curve.qini == pytest.approx(1 / 4)
    assert curve.normalized_qini is None  # no effect on average, and half of nothing is nothing
    less = replace(arms, outcome=np.array([1.0, 0, 1, 0, 0, 1, 0, 0]))
    # gains 0, 1/4, 2/4, 1/4, 1/4: area 9/32, less half of 1/4, as a share of 1/4
    assert qini_curve(score, less).normalized_qini == pytest.approx((9 / 32 - 1 / 8) / (1 / 4))
    assert uplift_at(score, arms, 0.5) == 1.0
    assert uplift_at(score, arms, 1.0) == 0.0


def test_the_best_ranking_is_above_random_and_its_reverse_below() -> None:
    _, arms = drawn(1)
    best = np.where(arms.treated, arms.outcome, -arms.outcome)
    assert qini_curve(best, arms).qini > 0.0 > qini_curve(-best, arms).qini
    assert qini_curve(np.zeros(60), arms).qini == pytest.approx(0.0, abs=1e-12)


@given(st.integers(0, 10_000), st.floats(0.01, 1.0))
@settings(max_examples=40, deadline=None)
def test_the_first_share_holds_exactly_that_share(seed: int, frac: float) -> None:
    score, _ = drawn(seed)
    share = top_share(score, frac)
    assert share.sum() == pytest.approx(frac * score.size)
    assert ((share >= 0.0) & (share <= 1.0)).all()
    assert score[share > 0.0].min() >= score[share < 1.0].max(initial=-np.inf)


def test_the_gain_of_a_randomized_test_is_unbiased() -> None:
    """Units with a probability of treatment of their own; the gain of the first half is half its mean effect."""
    rng, found = np.random.default_rng(3), []
    for _ in range(2000):
        kind = np.arange(400) % 2
        e = np.where(kind == 1, 0.7, 0.3)
        treated = rng.random(400) < e
        outcome = kind * 2.0 + treated * np.where(kind == 1, 1.0, -0.5) + rng.normal(size=400)
        found.append(
            qini_curve(kind.astype(float), Arms(treated=treated, outcome=outcome, propensity=e)).at(np.array([0.5]))
        )
    error = np.std(found) / 2000**0.5
    assert np.mean(found) == pytest.approx(0.5, abs=4 * error + 0.003)  # 0.003: a ratio, biased by O(1 / n)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"propensity": np.array([0.0, 0.5, 0.5, 0.5])}, "from 0 to 0.5"),
        ({"propensity": np.array([1.0, 0.5, 0.5, 0.5])}, "from 0.5 to 1"),
        ({"propensity": np.array([np.nan, 0.5, 0.5, 0.5])}, "must lie between"),
        ({"outcome": np.array([1.0, np.nan, 0.0, 0.0])}, "1 outcomes are missing"),
        ({"outcome": np.array([1.0, 2.0])}, "differ in shape"),
    ],
)
def test_bad_units_are_refused(change: dict[str, np.ndarray], message: str) -> None:
    good = {"treated": np.array([True, False] * 2), "outcome": np.arange(4.0), "propensity": np.full(4, 0.5)}
    with pytest.raises(InputError, match=message):
        Arms(**(good | change))


def test_what_cannot_be_told_is_refused() -> None:
    half = np.full(4, 0.5)
    with pytest.raises(InsufficientDataError, match="4 of 4 units are treated, so an arm is empty"):
        Arms(treated=np.full(4, True), outcome=np.arange(4.0), propensity=half)
    with pytest.raises(InsufficientDataError, match="outcome is 2 for all 4 units"):
        Arms(treated=np.array([True, False] * 2), outcome=np.full(4, 2.0), propensity=half)
    arms = Arms(treated=np.array([True, True, False, False]), outcome=np.arange(4.0), propensity=half)
    with pytest.raises(InsufficientDataError, match=r"first 50\.0% of 4 units an arm is empty"):
        uplift_at(np.array([4.0, 3, 2, 1]), arms, 0.5)
    with pytest.raises(InputError, match=r"must lie in \(0, 1\]"):
        uplift_at(np.arange(4.0), arms, 0.0)
    with pytest.raises(InputError, match="one finite number per unit"):
        qini_curve(np.array([1.0, np.nan, 1, 1]), arms)


def test_the_corrected_interval_by_hand() -> None:
    """Nadeau and Bengio (2003): 4 splits, a third held out; t quantile 3.182446 at 3 degrees of freedom."""
    found = corrected_interval(np.array([1.0, 2.0, 3.0, 4.0]), test_frac=1 / 3)
    half = 3.182446 * ((1 / 4 + 1 / 2) * 5 / 3) ** 0.5
    assert (found.ci_lower, found.ci_upper) == pytest.approx((2.5 - half, 2.5 + half), rel=1e-6)
    with pytest.raises(InsufficientDataError, match="at least 2 splits"):
        corrected_interval(np.array([1.0]), test_frac=0.5)
