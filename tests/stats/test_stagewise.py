"""After a stop: p-value, estimate and interval keep their promises, and reduce to the usual ones at one look."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError
from flashlift.stats.group_sequential import boundary
from flashlift.stats.stagewise import at_stop


def test_one_look_is_the_fixed_test() -> None:
    estimate, pvalue = at_stop(boundary([7.0], planned=7.0), effect=-3.0, std_error=2.0)
    assert pvalue == pytest.approx(2 * scipy_stats.norm.sf(1.5), abs=1e-12)
    half = 2.0 * scipy_stats.norm.ppf(0.975)
    assert (estimate.value, estimate.ci_lower, estimate.ci_upper) == pytest.approx((-3.0, -3.0 - half, -3.0 + half))


def test_pvalue_and_interval_agree_with_the_boundary() -> None:
    known = boundary([0.2, 0.4, 0.6, 0.8, 1.0], planned=1.0)
    for look, (critical, spent) in enumerate(zip(known.critical, known.spent, strict=True)):
        estimate, pvalue = at_stop(known.until(look + 1), effect=0.3 * critical, std_error=0.3)
        assert pvalue == pytest.approx(spent, rel=1e-6)  # at the boundary the p-value is the alpha spent until there
        at_spent, _ = at_stop(known.until(look + 1), effect=0.3 * critical, std_error=0.3, level=1.0 - spent)
        assert at_spent.ci_lower == pytest.approx(0.0, abs=1e-7)
        assert estimate.value < 0.3 * critical or look == 0


def test_opposite_effects_have_opposite_answers() -> None:
    known = boundary([0.3, 0.8], planned=1.0)
    (up, p), (down, q) = (at_stop(known, effect=sign * 2.7, std_error=1.0) for sign in (1.0, -1.0))
    assert p == pytest.approx(q, rel=1e-9)
    assert (up.value, up.ci_lower, up.ci_upper) == pytest.approx((-down.value, -down.ci_upper, -down.ci_lower))


@pytest.mark.parametrize("truth", [0.0, 2.2])
def test_estimates_are_median_unbiased_and_intervals_cover(truth: float) -> None:
    rng, runs = np.random.default_rng(3), 500
    t = np.array([0.25, 0.5, 0.8, 1.0])
    known = boundary(t, planned=1.0)
    steps = np.diff([0.0, *t])
    score = np.cumsum(rng.normal(truth * steps, np.sqrt(steps), size=(runs, 4)), axis=1)
    covered = below = plain_below = rejected = 0
    for z, s in zip(score / np.sqrt(t), score, strict=True):
        crossed = np.flatnonzero(np.abs(z) >= known.critical)
        look = int(crossed[0]) if crossed.size else 3
        estimate, pvalue = at_stop(known.until(look + 1), effect=s[look] / t[look], std_error=t[look] ** -0.5)
        covered += estimate.ci_lower <= truth <= estimate.ci_upper
        below += estimate.value < truth
        plain_below += s[look] / t[look] < truth
        rejected += pvalue <= 0.05
        assert (pvalue <= 0.05) == bool(crossed.size)
    inside = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.95)
    middle = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.5)
    assert inside[0] <= covered <= inside[1]
    assert middle[0] <= below <= middle[1]
    if truth:
        assert plain_below < below  # the plain estimate is too large after a stop


def test_figures_that_are_no_estimate_are_refused() -> None:
    with pytest.raises(InputError, match="standard error 0"):
        at_stop(boundary([1.0], planned=1.0), effect=1.0, std_error=0.0)
