"""Adjusted p-values: agreement with statsmodels, and the error rates they promise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from flashlift.errors import InputError
from flashlift.stats.multiplicity import benjamini_hochberg, holm

pvalues = st.lists(st.floats(0.0, 1.0, allow_subnormal=False), min_size=1, max_size=30)


@settings(max_examples=30, deadline=None)  # statsmodels is slow on its first call
@given(pvalues)
def test_agrees_with_statsmodels(p) -> None:
    np.testing.assert_allclose(holm(p), multipletests(p, method="holm")[1], atol=1e-12)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], atol=1e-12)


def test_error_rates_where_half_of_the_effects_are_none() -> None:
    rng, runs, false_any, false_share = np.random.default_rng(3), 4000, 0, 0.0
    for _ in range(runs):
        z = rng.normal(size=20) + np.repeat([0.0, 3.0], 10)
        p = 2 * scipy_stats.norm.sf(np.abs(z))
        false_any += (holm(p)[:10] < 0.05).any()
        rejected = benjamini_hochberg(p) < 0.05
        false_share += rejected[:10].sum() / max(rejected.sum(), 1)
    assert 0.01 * runs < false_any <= scipy_stats.binom.ppf(0.9995, runs, 0.05)
    assert 0.015 < false_share / runs < 0.03  # the rate is at most half of 5 %, because half of the effects are none


def test_no_pvalues_and_wrong_ones() -> None:
    assert holm([]).shape == (0,)
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        holm([0.5, 1.2])
    with pytest.raises(InputError, match="p-values"):
        benjamini_hochberg([float("nan")])
