from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from benchmarks.profit_captured.result import Result, to_polars
from benchmarks.profit_captured.rows import ORACLE
from benchmarks.profit_captured.shares import ALL, LEVEL, RESAMPLES, figures, shares
from hypothesis import given, settings
from hypothesis import strategies as st

WORLDS = ("calm", "wild")


def results(values: dict[tuple[str, str], list[float | None]]) -> pl.DataFrame:
    """Values by world and row, one for each seed; None: failed."""
    return to_polars(
        Result(world=world, seed=seed, row=row, value=value, error=None if value is not None else "broken")
        for (world, row), column in values.items()
        for seed, value in enumerate(column)
    )


def cell(table: pl.DataFrame, world: str, row: str) -> dict[str, float | None]:
    return table.filter((pl.col("world") == world) & (pl.col("row") == row)).row(0, named=True)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(2, 5).flatmap(
        lambda n: st.tuples(*[st.lists(st.floats(-50, 50), min_size=n, max_size=n)] * 2).flatmap(
            lambda rows: st.tuples(st.just(rows), st.lists(st.floats(1, 90), min_size=2 * n, max_size=2 * n))
        )
    )
)
def test_shares_and_intervals_are_those_of_a_plain_recomputation(
    drawn: tuple[tuple[list[float], list[float]], list[float]],
) -> None:
    rows, oracle = drawn
    n = len(rows[0])
    best = {world: oracle[w * n : (w + 1) * n] for w, world in enumerate(WORLDS)}
    values = {(world, ORACLE): best[world] for world in WORLDS}
    table = shares(
        results(values | {(world, "ours"): rows[w] for w, world in enumerate(WORLDS)}), rng=np.random.default_rng(3)
    )

    pick = np.random.default_rng(3).integers(0, n, (RESAMPLES, n))
    over: list[list[float]] = []
    for w, world in enumerate(WORLDS):
        resampled = [sum(rows[w][k] for k in one) / sum(best[world][k] for k in one) for one in pick.tolist()]
        over.append(resampled)
        found = cell(table, world, "ours")
        assert found["share"] == pytest.approx(sum(rows[w]) / sum(best[world]))
        assert found["ci_lower"] == pytest.approx(np.quantile(resampled, (1 - LEVEL) / 2), abs=1e-9)
        assert found["ci_upper"] == pytest.approx(np.quantile(resampled, (1 + LEVEL) / 2), abs=1e-9)
    together = [(a + b) / 2 for a, b in zip(*over, strict=True)]
    found = cell(table, ALL, "ours")
    assert found["share"] == pytest.approx(sum(sum(rows[w]) / sum(best[x]) for w, x in enumerate(WORLDS)) / 2)
    assert found["ci_lower"] == pytest.approx(np.quantile(together, (1 - LEVEL) / 2), abs=1e-9)
    assert found["ci_upper"] == pytest.approx(np.quantile(together, (1 + LEVEL) / 2), abs=1e-9)
    assert cell(table, ALL, ORACLE)["share"] == pytest.approx(1.0)


def test_a_row_that_failed_once_has_no_share_there_nor_over_all_worlds() -> None:
    values = {
        ("calm", ORACLE): [10.0, 10.0],
        ("calm", "ours"): [5.0, None],
        ("wild", ORACLE): [10.0, 10.0],
        ("wild", "ours"): [5.0, 6.0],
    }
    table = shares(results(values), rng=np.random.default_rng(0))
    assert cell(table, "calm", "ours")["share"] is None
    assert (cell(table, "calm", "ours")["failed"], cell(table, "calm", "ours")["shops"]) == (1, 2)
    assert cell(table, "wild", "ours")["share"] == pytest.approx(0.55)
    assert cell(table, ALL, "ours")["share"] is None


def test_a_board_broken_off_compares_the_same_seeds_only() -> None:
    values = {("calm", ORACLE): [10.0, 1000.0], ("calm", "ours"): [5.0]}
    assert cell(shares(results(values), rng=np.random.default_rng(0)), "calm", "ours")["share"] == pytest.approx(0.5)


def test_there_is_no_share_of_nothing_and_no_interval_from_one_seed() -> None:
    one = shares(results({("calm", ORACLE): [10.0], ("calm", "ours"): [5.0]}), rng=np.random.default_rng(0))
    assert cell(one, "calm", "ours") == {
        "world": "calm", "row": "ours", "share": 0.5, "ci_lower": None, "ci_upper": None, "shops": 1, "failed": 0,
    }  # fmt: skip
    for useless in ({("calm", ORACLE): [-1.0], ("calm", "ours"): [5.0]}, {("calm", "ours"): [5.0]}):
        assert cell(shares(results(useless), rng=np.random.default_rng(0)), "calm", "ours")["share"] is None


def test_figures_leave_failed_shops_out_and_count_losses() -> None:
    table = figures(results({("calm", "ours"): [-1.0, 3.0, None]})).row(0, named=True)
    assert (table["shops"], table["failed"], table["losses"], table["value"]) == (3, 1, 1, 1.0)
