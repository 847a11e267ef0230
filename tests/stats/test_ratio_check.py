"""Sample-ratio check: known answers and its false-alarm rate."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.ratio_check import check_ratio


def test_known_answers() -> None:
    # scipy.stats.chisquare([44700, 45489]); the arms of the published Cookie Cats test
    found = check_ratio({"gate_30": 44700, "gate_40": 45489})
    assert found.chi_square == pytest.approx(6.9024049496058275, abs=1e-9)
    assert found.pvalue == pytest.approx(0.008607987810836262, abs=1e-9)
    # scipy.stats.chisquare([821, 1588, 770], np.array([.25, .5, .25]) * 3179)
    found = check_ratio({"a": 821, "b": 1588, "c": 770}, {"a": 1, "b": 2, "c": 1})
    assert found.degrees == 2
    assert found.pvalue == pytest.approx(0.44060902664450763, abs=1e-9)


def test_false_alarms_are_as_rare_as_promised() -> None:
    rng, runs = np.random.default_rng(2), 3000
    treated = rng.binomial(5000, 0.3, runs)
    weights = {"control": 0.7, "treatment": 0.3}
    alarms = sum(check_ratio({"control": 5000 - int(t), "treatment": int(t)}, weights).pvalue < 0.05 for t in treated)
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert low <= alarms <= high


def test_an_arm_that_never_arrived_counts() -> None:
    assert check_ratio({"control": 500}, {"control": 1, "treatment": 1}).pvalue < 1e-9


def test_refusals() -> None:
    with pytest.raises(InsufficientDataError, match="two arms"):
        check_ratio({"control": 500})
    with pytest.raises(InputError, match=r"arms without one: \['b'\]"):
        check_ratio({"a": 5, "b": 5}, {"a": 1})
    with pytest.raises(InputError, match="above 0"):
        check_ratio({"a": 5, "b": 5}, {"a": 1, "b": 0})
