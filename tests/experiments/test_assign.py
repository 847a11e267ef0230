"""Assignment is stable, uniform, and independent between experiments."""

from __future__ import annotations

from collections import Counter

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as scipy_stats

from flashlift.errors import SettingsError
from flashlift.experiments import HashAssigner, Namespace
from flashlift.protocols import Assigner

BoolArray = npt.NDArray[np.bool_]
KEY = b"a secret of the shop"
IDS = [f"customer-{n}" for n in range(1_000_000)]  # ids that differ little: the hard case for a hash


def assigner(experiment: str = "spring", key: bytes = KEY, **weights: float) -> HashAssigner:
    return HashAssigner(experiment=experiment, key=key, weights=weights or {"control": 1, "treatment": 1})


def test_the_same_unit_gets_the_same_variant_for_ever() -> None:
    # these very values were handed out by version 0.1: a change would move customers of running experiments
    keeper: Assigner = assigner()
    assert "".join(v[0] for v in keeper.assign([f"c{n}" for n in range(24)])) == "ttttctccttttttttctttctct"


@given(st.lists(st.text(), max_size=20), st.integers(0, 20))
def test_company_does_not_matter(ids: list[str], cut: int) -> None:
    assert assigner().assign(ids) == assigner().assign(ids[:cut]) + assigner().assign(ids[cut:])


ALPHA = 0.001  # of each chi-square test here, over a million customers; ids, keys and names are fixed


@pytest.fixture(scope="module")
def treated() -> BoolArray:
    return np.array(assigner().assign(IDS)) == "treatment"


def test_shares_are_those_of_the_weights() -> None:
    weights = {"control": 5.0, "a": 3.0, "b": 2.0}
    seen = Counter(assigner("three", **weights).assign(IDS))
    found = scipy_stats.chisquare([seen[v] for v in weights], np.array([0.5, 0.3, 0.2]) * len(IDS))
    assert found.pvalue > ALPHA


def test_hashes_are_uniform(treated: BoolArray) -> None:
    """In 1,000 cells of one hash, and in every run of 1,000 neighboring customers."""
    cells = {f"{n}": 1.0 for n in range(1000)}
    seen = Counter(assigner("cells", **cells).assign(IDS))
    assert scipy_stats.chisquare([seen[cell] for cell in cells]).pvalue > ALPHA
    runs = treated.reshape(1000, 1000).sum(axis=1)
    assert scipy_stats.chi2.sf(((runs - 500) ** 2 / 250).sum(), 1000) > ALPHA


@pytest.mark.parametrize("other", [("summer", KEY), ("spring", KEY + b"!"), ("spring2", KEY), ("Spring", KEY)])
def test_two_experiments_split_independently(treated: BoolArray, other: tuple[str, bytes]) -> None:
    again = np.array(assigner(*other).assign(IDS)) == "treatment"
    table = np.histogram2d(treated, again, bins=2)[0]
    assert scipy_stats.chi2_contingency(table).pvalue > ALPHA


def test_neighbors_are_independent(treated: BoolArray) -> None:
    table = np.histogram2d(treated[:-1], treated[1:], bins=2)[0]
    assert scipy_stats.chi2_contingency(table).pvalue > ALPHA


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


def shop(**changes: object) -> Namespace:
    given = {"name": "prices", "key": KEY, "ranges": {"spring": (0.0, 0.3), "summer": (0.3, 1.0)}}
    return Namespace(**(given | changes))


HALVES = {"control": 1.0, "treatment": 1.0}


def test_experiments_of_one_namespace_never_meet_and_fill_it() -> None:
    ids = IDS[:100_000]
    spring, summer = (shop().assign(name, ids, HALVES) for name in ("spring", "summer"))
    assert not any(a and b for a, b in zip(spring, summer, strict=True))
    assert all(a or b for a, b in zip(spring, summer, strict=True))
    inside = sum(variant is not None for variant in spring)
    assert scipy_stats.binomtest(inside, len(ids), 0.3).pvalue > ALPHA
    arms = Counter(spring)
    assert scipy_stats.binomtest(arms["treatment"], inside, 0.5).pvalue > ALPHA


def test_who_is_in_an_experiment_gets_the_variant_of_its_own_hash() -> None:
    found = shop().assign("spring", IDS[:1000], HALVES)
    alone = assigner().assign(IDS[:1000])
    assert all(a in (None, b) for a, b in zip(found, alone, strict=True))


def test_a_holdout_is_the_same_people_everywhere_and_in_nothing() -> None:
    ids = IDS[:100_000]
    prices, ranks = shop(holdout_frac=0.05), shop(name="ranks", holdout_frac=0.05, ranges={"all": (0.0, 1.0)})
    held = prices.held_out(ids)
    assert (held == ranks.held_out(ids)).all()
    assert scipy_stats.binomtest(int(held.sum()), len(ids), 0.05).pvalue > ALPHA
    for found in (prices.assign("spring", ids, HALVES), ranks.assign("all", ids, HALVES)):
        assert not any(variant for variant, out in zip(found, held, strict=True) if out)
    assert sum(v is None for v in ranks.assign("all", ids, HALVES)) == held.sum()
    grown = shop(holdout_frac=0.06).held_out(ids)
    assert (grown | ~held).all()  # a larger holdout keeps who was in it


def test_excluded_units_take_part_in_nothing() -> None:
    alone = shop(ranges={"all": (0.0, 1.0)}, excluded=frozenset({"customer-3"}))
    assert [v is None for v in alone.assign("all", IDS[:6], HALVES)] == [False, False, False, True, False, False]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"ranges": {"a": (0.0, 0.5), "b": (0.4, 1.0)}}, "'a' and 'b' overlap at 0.4 to 0.5"),
        ({"ranges": {"a": (0.5, 0.5)}}, "none within 0 to 1"),
        ({"ranges": {"a": (0.5, 1.5)}}, "none within 0 to 1"),
        ({"holdout_frac": 1.0}, "holdout of 1"),
        ({"name": ""}, "needs a name"),
    ],
)
def test_impossible_namespaces(changes: dict[str, object], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        shop(**changes)
    with pytest.raises(SettingsError, match="not 'autumn'"):
        shop().assign("autumn", ["a"], HALVES)
