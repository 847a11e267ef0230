"""Assignment is stable, uniform, and independent between experiments."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from flashlift.errors import SettingsError
from flashlift.experiments import HashAssigner
from flashlift.protocols import Assigner

KEY = b"a secret of the shop"
IDS = [f"customer-{n}" for n in range(200_000)]  # ids that differ little: the hard case for a hash


def assigner(experiment: str = "spring", key: bytes = KEY, **weights: float) -> HashAssigner:
    return HashAssigner(experiment=experiment, key=key, weights=weights or {"control": 1, "treatment": 1})


def test_the_same_unit_gets_the_same_variant_for_ever() -> None:
    # these very values were handed out by version 0.1: a change would move customers of running experiments
    keeper: Assigner = assigner()
    assert "".join(v[0] for v in keeper.assign([f"c{n}" for n in range(24)])) == "ttttctccttttttttctttctct"


@given(st.lists(st.text(), max_size=20), st.integers(0, 20))
def test_company_does_not_matter(ids: list[str], cut: int) -> None:
    assert assigner().assign(ids) == assigner().assign(ids[:cut]) + assigner().assign(ids[cut:])


def test_shares_are_those_of_the_weights() -> None:
    weights = {"control": 5.0, "a": 3.0, "b": 2.0}
    seen = Counter(assigner("three", **weights).assign(IDS))
    found = scipy_stats.chisquare([seen[v] for v in weights], np.array([0.5, 0.3, 0.2]) * len(IDS))
    assert found.pvalue > 0.001


@pytest.mark.parametrize("other", [("summer", KEY), ("spring", KEY + b"!")])
def test_two_experiments_split_independently(other: tuple[str, bytes]) -> None:
    pairs = Counter(zip(assigner().assign(IDS), assigner(*other).assign(IDS), strict=True))
    table = [[pairs[a, b] for b in ("control", "treatment")] for a in ("control", "treatment")]
    assert scipy_stats.chi2_contingency(table).pvalue > 0.001


def test_neighbors_are_independent() -> None:
    treated = np.array(assigner().assign(IDS)) == "treatment"
    table = np.histogram2d(treated[:-1], treated[1:], bins=2)[0]
    assert scipy_stats.chi2_contingency(table).pvalue > 0.001


def test_raising_a_share_moves_nobody_out_of_it() -> None:
    before = assigner("ramp", treatment=1, control=9).assign(IDS[:5000])
    after = assigner("ramp", treatment=3, control=7).assign(IDS[:5000])
    assert all(b == "treatment" for a, b in zip(before, after, strict=True) if a == "treatment")


def test_the_key_does_not_leak() -> None:
    assert "secret" not in repr(assigner())


def test_refusals() -> None:
    with pytest.raises(SettingsError, match="16 to 64 bytes"):
        assigner(key=b"short")
    with pytest.raises(SettingsError, match="two or more variants"):
        assigner(control=1.0)
    with pytest.raises(SettingsError, match="above 0"):
        assigner(control=1.0, treatment=0.0)
