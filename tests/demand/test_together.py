"""Pairs met together: counts and chance against loops, shrinkage against what chance alone does."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from flashlift.demand.together import Together


def plain(
    first: np.ndarray, second: np.ndarray, period: np.ndarray, within: bool, left: int, right: int
) -> tuple[float, float]:
    """Oracle: met and expected pairs, occasion by occasion."""
    met = chance = 0.0
    for a, b in ((left, right),) if within else ((left, right), (right, left)):
        met += sum(one[a] * other[b] for one, other in zip(first, second, strict=True))
        for when in set(period.tolist()):
            here = np.flatnonzero(period == when)
            of_first = sum(first[k, a] * (second[k].sum() - within) for k in here)
            of_second = sum(second[k, b] * (first[k].sum() - within) for k in here)
            whole = sum(first[k].sum() * (second[k].sum() - within) for k in here)
            chance += of_first * of_second / whole if whole else 0.0
    return met, chance


@pytest.mark.parametrize("within", [True, False])
def test_counts_and_chance_are_those_of_loops(within: bool) -> None:
    rng = np.random.default_rng(0)
    first = (rng.random((200, 8)) < rng.uniform(0.1, 0.5, 8)).astype(float)
    second = first if within else (rng.random((200, 8)) < 0.3).astype(float)
    period, category = np.arange(200) // 70, np.array([0, 0, 0, 0, 1, 1, 1, 1])
    held = sparse.csr_matrix(first)
    together = Together.count(held, held if within else sparse.csr_matrix(second), period, category)
    pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if category[a] == category[b]]
    oracle = np.array([plain(first, second, period, within, *pair) for pair in pairs])
    left, right = np.array(pairs).T
    few = 3.0
    usual = [
        (sum(o[0] for o, p in zip(oracle, pairs, strict=True) if category[p[0]] == c) * (1 + within) + few)
        / (sum(o[1] for o, p in zip(oracle, pairs, strict=True) if category[p[0]] == c) * (1 + within) + few)
        for c in (0, 1)
    ]
    np.testing.assert_allclose(together.usual, usual)
    chance = oracle[:, 1] * together.usual[category[left]]
    expected = np.log((oracle[:, 0] + together.shape) / (chance + together.shape))
    np.testing.assert_allclose(together.log_lift(left, right), expected)


@pytest.mark.parametrize("shape", [2.0, 20.0])
def test_how_much_pairs_differ_is_found(shape: float) -> None:
    """Orders of two items drawn from known lifts; the shape within a third."""
    rng = np.random.default_rng(3)
    left, right = np.triu_indices(60, 1)
    lift = rng.gamma(shape, 1 / shape, len(left))
    drawn = rng.choice(len(left), 40_000, p=lift / lift.sum())
    rows = np.tile(np.arange(len(drawn)), 2), np.concatenate([left[drawn], right[drawn]])
    held = sparse.csr_matrix((np.ones(2 * len(drawn)), rows))
    found = Together.count(held, held, np.zeros(len(drawn), dtype=np.int64), np.zeros(60, dtype=np.int64))
    assert 0.75 < found.shape / shape < 1.33


def test_coincidences_are_shrunk_away_and_real_pairs_are_not() -> None:
    rng = np.random.default_rng(1)
    random = (rng.random((3_000, 30)) < rng.uniform(0.02, 0.2, 30)).astype(float)
    paired = random.copy()
    paired[:, 1] = np.where(rng.random(3_000) < 0.7, paired[:, 0], paired[:, 1])
    one, category = np.array([0]), np.zeros(30, dtype=np.int64)
    nothing, something = (
        Together.count(held, held, np.zeros(3_000, dtype=np.int64), category)
        for held in (sparse.csr_matrix(random), sparse.csr_matrix(paired))
    )
    left, right = np.triu_indices(30, 1)
    assert np.abs(nothing.log_lift(left, right)).max() < 0.15
    assert something.log_lift(one, one + 1)[0] > 0.7
    found = np.stack(something.pairs(3)).T.tolist()
    assert [0, 1] in found
    assert (np.bincount(np.array(found)[:, 0]) <= 30).all()
