from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import numpy as np
from benchmarks.profit_captured.planners.oracle import SEARCH_SEED, Move, climb
from benchmarks.profit_captured.play import JUDGE_SEED
from hypothesis import given
from hypothesis import strategies as st

N, ROOM = 6, 3


def moves(chosen: frozenset[int]) -> Iterator[Move]:
    for k in chosen:
        yield Move(out=frozenset({k}))
    for k in range(N):
        yield Move(into=frozenset({k}))
        yield from (Move(out=frozenset({old}), into=frozenset({k})) for old in chosen)


def search(
    worth: np.ndarray, clash: np.ndarray, start: frozenset[int], plays: int
) -> tuple[frozenset[int], list[frozenset[int]]]:
    """Climb where each pair of offers costs `clash`, without noise but for a common one."""
    tried: list[frozenset[int]] = []
    common = np.random.default_rng(0).normal(size=8)

    def value(chosen: frozenset[int]) -> np.ndarray:
        tried.append(chosen)
        pairs = sum(clash[a, b] for a, b in combinations(sorted(chosen), 2))
        return common + sum(worth[k] for k in chosen) - pairs

    best = climb(start, moves, keeps=lambda chosen: len(chosen) <= ROOM, value=value, plays=plays)
    return best, tried


@given(
    st.lists(st.integers(-3, 9), min_size=N, max_size=N),
    st.lists(st.integers(0, 5), min_size=N * N, max_size=N * N),
    st.frozensets(st.integers(0, N - 1), max_size=ROOM),
)
def test_no_single_move_improves_what_climb_returns(worth: list[int], clash: list[int], start: frozenset[int]) -> None:
    gain, cost = np.array(worth, dtype=float), np.array(clash, dtype=float).reshape(N, N)

    def exact(chosen: frozenset[int]) -> float:
        return sum(gain[k] for k in chosen) - sum(cost[a, b] for a, b in combinations(sorted(chosen), 2))

    best, _ = search(gain, cost, start, plays=10_000)
    assert len(best) <= ROOM
    assert exact(best) >= exact(start)
    for move in moves(best):
        other = move.apply(best)
        assert other is None or len(other) > ROOM or exact(other) <= exact(best) + 1e-9


def test_the_best_of_a_small_world_is_found_where_offers_one_by_one_mislead() -> None:
    worth = np.array([10.0, 9.0, 8.0, 5.0, 4.0, 3.0])
    clash = np.zeros((N, N))
    clash[:3, :3] = 8.0  # the three best offers share their buyers
    best, _ = search(worth, clash, frozenset({0, 1, 2}), plays=1_000)
    every = [frozenset(one) for size in range(ROOM + 1) for one in combinations(range(N), size)]
    exact = {
        one: sum(worth[k] for k in one) - sum(clash[a, b] for a, b in combinations(sorted(one), 2)) for one in every
    }
    assert exact[best] == max(exact.values())


def test_climb_keeps_its_budget_and_ignores_what_may_be_noise() -> None:
    _, tried = search(np.ones(N), np.zeros((N, N)), frozenset(), plays=4)
    assert len(tried) == 4
    rng = np.random.default_rng(1)
    noise = {k: rng.normal(0.0, 1.0, 2000) for k in range(N)}
    best = climb(
        frozenset({0}), moves, keeps=lambda chosen: len(chosen) == 1,
        value=lambda chosen: sum((noise[k] for k in chosen), np.zeros(2000)), plays=100, sure=5.0,
    )  # fmt: skip
    assert best == frozenset({0})


def test_the_search_never_sees_the_futures_of_the_judgment() -> None:
    assert SEARCH_SEED != JUDGE_SEED
