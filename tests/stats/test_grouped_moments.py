"""Moments of groups in one pass, against numpy on each group."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.errors import InputError
from flashlift.stats.grouped_moments import grouped_moments
from flashlift.stats.moments import Moments

numbers = st.integers(-1000, 1000)
rows = st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2), numbers, numbers), min_size=1, max_size=60)


def table(of: list[tuple[str, int, int, int]]) -> pl.DataFrame:
    return pl.DataFrame(of, schema=["variant", "stratum", "y", "x"], orient="row")


@given(rows)
def test_every_group_is_what_numpy_makes_of_its_rows(of) -> None:
    frame = table(of)
    found = grouped_moments(frame.lazy(), ["y", "x"], ["variant", "stratum"])
    assert list(found) == sorted({row[:2] for row in of})
    for (variant, stratum), moments in found.items():
        part = frame.filter((pl.col("variant") == variant) & (pl.col("stratum") == stratum))
        expected = Moments.of(part["y"].to_numpy(), part["x"].to_numpy())
        assert moments.count == expected.count
        np.testing.assert_allclose(moments.means, expected.means, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(moments.m2, expected.m2, rtol=1e-9, atol=1e-6)


@given(rows, rows)
def test_shards_add_up_to_the_whole(one, other) -> None:
    parts = [grouped_moments(table(of).lazy(), ["y", "x"], ["variant"]) for of in (one, other)]
    for name, moments in grouped_moments(table(one + other).lazy(), ["y", "x"], ["variant"]).items():
        added = parts[0].get(name, Moments()) + parts[1].get(name, Moments())
        assert added.count == moments.count
        np.testing.assert_allclose(added.means, moments.means, rtol=1e-12, atol=1e-9)
        np.testing.assert_allclose(added.m2, moments.m2, rtol=1e-9, atol=1e-6)


def test_large_means_do_not_cancel() -> None:
    rng = np.random.default_rng(1)
    group = rng.integers(0, 3, 30_000)
    y, x = rng.normal(size=30_000) + 1e6 * group, rng.gamma(2.0, size=30_000) + 1e6
    found = grouped_moments(pl.LazyFrame({"g": group, "y": y, "x": x}), ["y", "x"], ["g"])
    for (g,), moments in found.items():
        on = group == g
        np.testing.assert_allclose(moments.covariance, np.cov(y[on], x[on]), rtol=1e-7, atol=1e-7)


def test_truth_values_and_decimals_are_numbers() -> None:
    frame = pl.DataFrame({"g": ["a"] * 4, "y": [True, False, True, True], "x": [1.5, 2, 3, 4]}).cast(
        {"x": pl.Decimal(10, 2)}
    )
    found = grouped_moments(frame.lazy(), ["y", "x"], ["g"])["a",]
    assert found.mean == 0.75
    assert found.var == pytest.approx(0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit(None, pl.Float64).alias("y"), "2 rows have no y"),
        (pl.lit(float("nan")).alias("y"), r"y is missing \(NaN\) or infinite"),
        (pl.lit(float("inf")).alias("y"), "infinite"),
        (pl.lit("much").alias("y"), "must be numbers"),
        (pl.lit(None, pl.String).alias("g"), "2 rows have no g"),
        (pl.col("y").alias("z"), "no column"),
    ],
)
def test_what_cannot_be_summed_is_refused(change: pl.Expr, message: str) -> None:
    frame = pl.DataFrame({"g": ["a", "b"], "y": [1.0, 2.0]}).with_columns(change)
    with pytest.raises(InputError, match=message):
        grouped_moments(frame.drop("y").lazy() if "z" in frame.columns else frame.lazy(), ["y"], ["g"])
