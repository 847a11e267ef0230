"""Pairs met together: counts and chance against loops, shrinkage against what chance alone does."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from flashlift.demand.together import Together

FEW = 3.0
MONTH = 28


def occasions(held: np.ndarray, day: np.ndarray | int = 0, who: str | None = "u") -> pl.DataFrame:
    """Rows of a dense matrix of occasions and items; each occasion holds something."""
    occasion, item = np.nonzero(held)
    days = np.broadcast_to(day, len(held))[occasion]
    return pl.DataFrame({"occasion": occasion, "item": item, "day": days}).with_columns(
        who=pl.lit(who, dtype=pl.String)
    )


def plain(first: np.ndarray, second: np.ndarray, month: np.ndarray, within: bool, pair: tuple[int, int]) -> np.ndarray:
    """Oracle: met and expected pairs by popularity, occasion by occasion."""
    met = chance = 0.0
    for a, b in (pair,) if within else (pair, pair[::-1]):
        met += sum(one[a] * other[b] for one, other in zip(first, second, strict=True))
        for when in set(month.tolist()):
            here = np.flatnonzero(month == when)
            of_first = sum(first[k, a] * (second[k].sum() - within) for k in here)
            of_second = sum(second[k, b] * (first[k].sum() - within) for k in here)
            whole = sum(first[k].sum() * (second[k].sum() - within) for k in here)
            chance += of_first * of_second / whole if whole else 0.0
    return np.array([met, chance])


@pytest.mark.parametrize("within", [True, False])
def test_counts_and_chance_are_those_of_loops(within: bool) -> None:
    rng = np.random.default_rng(0)
    held = (rng.random((200, 8)) < rng.uniform(0.1, 0.5, 8)).astype(float)
    held[held.sum(axis=1) == 0, 3] = 1.0
    day, category = np.arange(200), np.array([0, 0, 0, 0, 1, 1, 1, 1])
    rows = occasions(held, day)
    together = Together.within(rows, category) if within else Together.in_turn(rows, category)
    first, second = (held, held) if within else (held[:-1], held[1:])
    pairs = [(a, b) for a in range(8) for b in range(a + 1, 8) if category[a] == category[b]]
    oracle = np.array([plain(first, second, day[: len(first)] // MONTH, within, pair) for pair in pairs])
    left, right = np.array(pairs).T
    both = 1 + within  # in the sums of a category, pairs of one occasion count both ways round
    sums = np.array([both * oracle[category[left] == c].sum(axis=0) + FEW for c in (0, 1)])
    np.testing.assert_allclose(together.usual, sums[:, 0] / sums[:, 1])
    chance = oracle[:, 1] * together.usual[category[left]]
    expected = np.log((oracle[:, 0] + together.shape) / (chance + together.shape))
    np.testing.assert_allclose(together.log_lift(left, right), expected)


@pytest.mark.parametrize("shape", [2.0, 20.0])
def test_how_much_pairs_differ_is_found(shape: float) -> None:
    """Orders of two items drawn from known lifts; the likeliest shape within a third, from 1,770 pairs."""
    rng = np.random.default_rng(3)
    left, right = np.triu_indices(60, 1)
    lift = rng.gamma(shape, 1 / shape, len(left))
    drawn = rng.choice(len(left), 40_000, p=lift / lift.sum())
    held = np.zeros((len(drawn), 60))
    held[np.arange(len(drawn)), left[drawn]] = held[np.arange(len(drawn)), right[drawn]] = 1.0
    found = Together.within(occasions(held), np.zeros(60, dtype=np.int64))
    assert 0.75 < found.shape / shape < 1.33


def test_coincidences_are_shrunk_away_and_real_pairs_are_not() -> None:
    rng = np.random.default_rng(1)
    random = (rng.random((3_000, 30)) < rng.uniform(0.02, 0.2, 30)).astype(float)
    random[random.sum(axis=1) == 0, 5] = 1.0
    paired = random.copy()
    paired[:, 1] = np.where(rng.random(3_000) < 0.7, paired[:, 0], paired[:, 1])
    category = np.zeros(30, dtype=np.int64)
    nothing, something = (Together.within(occasions(held), category) for held in (random, paired))
    left, right = np.triu_indices(30, 1)
    assert np.abs(nothing.log_lift(left, right)).max() < 0.15
    assert something.log_lift(np.array([0]), np.array([1]))[0] > 0.7
    found = np.stack(something.pairs(3)).T.tolist()
    assert [0, 1] in found
    assert len(found) <= 30 * 3


@pytest.mark.parametrize("who", ["u", None])
def test_single_occasions_and_nobody_tell_nothing(who: str | None) -> None:
    one = occasions(np.eye(4), who=who).filter(pl.col("occasion") < (1 if who else 4))
    together = Together.in_turn(one, np.zeros(4, dtype=np.int64))
    np.testing.assert_array_equal(together.log_lift(np.array([0, 1]), np.array([1, 2])), [0.0, 0.0])
