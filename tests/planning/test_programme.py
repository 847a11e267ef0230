"""Reduced-cost fixing loses nothing: the same optimum as the solver alone over all columns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy import sparse

from flashlift.planning import programme
from flashlift.planning.highs import run
from flashlift.planning.limits import Rows
from flashlift.planning.programme import maximize


def knapsack(seed: int, n_columns: int = 40, n_rows: int = 2) -> tuple[np.ndarray, Rows]:
    """Values close to the weights, so that greedy starts are poor."""
    rng = np.random.default_rng(seed)
    weight = rng.uniform(1.0, 10.0, (n_rows, n_columns)) * (rng.random((n_rows, n_columns)) < 0.7)
    names = tuple(f"r{k}" for k in range(n_rows + 1))
    least = rng.random(n_columns) < 0.2
    rows = Rows(
        names=names,
        limits=names,
        matrix=sparse.csr_array(np.vstack([weight, least])),
        lower=np.array([*[-np.inf] * n_rows, 2.0]),
        upper=np.array([*rng.uniform(15.0, 30.0, n_rows), np.inf]),
        penalty=np.full(n_rows + 1, np.inf),
    )
    loss = 30.0 * least  # what the minimum asks for costs money
    return weight.sum(axis=0) + rng.normal(0.0, 2.0, n_columns) - loss, rows


@pytest.mark.parametrize("seed", range(5))
def test_fixing_keeps_the_optimum(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programme, "CORE", 12)
    value, rows = knapsack(seed)
    alone = run(value, rows, binary=True, time_limit_s=30.0, gap_frac=0.0)
    optimum = maximize(value, rows, time_limit_s=30.0, gap_frac=0.0)
    assert alone.finished
    assert alone.x is not None
    assert optimum is not None
    assert optimum.finished
    assert value[optimum.chosen].sum() == pytest.approx(value @ alone.x, abs=1e-5)
    assert optimum.bound == pytest.approx(alone.bound, abs=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_of_the_duals_alone_is_one(seed: int) -> None:
    """Stopped before the exact search, the bound still lies above the optimum, and near it."""
    value, rows = knapsack(seed)
    best = maximize(value, rows, time_limit_s=30.0, gap_frac=0.0)
    rough = maximize(value, rows, time_limit_s=30.0, gap_frac=10.0)
    assert best is not None
    assert rough is not None
    optimum = float(value[best.chosen].sum())
    assert rough.bound >= optimum - 1e-6
    assert rough.bound <= optimum + 20.0  # two offers' worth


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_no_better_choice_uses_a_column_left_out(seed: int) -> None:
    """By enumeration, for any duals of the right sign and any plan to beat."""
    value, rows = knapsack(seed, n_columns=9)
    rng = np.random.default_rng(seed)
    every = ((np.arange(2**9)[:, None] >> np.arange(9)) & 1).astype(bool)
    activity = every @ rows.matrix.toarray().T
    kept = every[((activity >= rows.lower) & (activity <= rows.upper)).all(axis=1)]
    assume(len(kept) > 1)
    relaxed = run(value, rows, binary=False, time_limit_s=5.0)
    assert relaxed.duals is not None
    for duals in (programme._clipped(rows, relaxed.duals), programme._clipped(rows, rng.normal(0.0, 1.0, 3))):
        reduced = value - rows.matrix.T @ duals
        bound = programme._lagrangian(rows, duals, reduced)
        totals = kept @ value
        assert bound >= totals.max() - 1e-9
        best = kept[np.argsort(totals)[rng.integers(len(kept) // 2, len(kept))]]
        open_ = programme._open(bound, reduced, best, float(value[best].sum()))
        better = kept[totals > value @ best + 1e-9]
        assert not (better & ~open_).any()
