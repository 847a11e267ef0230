"""Moments of shards add up to the moments of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.moments import Moments, least_squares

values = st.floats(-1e6, 1e6, allow_subnormal=False)
rows = st.lists(st.tuples(values, values, values), max_size=40)


def whole(of: list[tuple[float, float, float]]) -> Moments:
    table = np.array(of).reshape(-1, 3)
    return Moments.of(table[:, 0], table[:, 1:])


def assert_close(a: Moments, b: Moments) -> None:
    assert a.count == b.count
    np.testing.assert_allclose(a.means, b.means, rtol=1e-9, atol=1e-6)
    np.testing.assert_allclose(a.m2, b.m2, rtol=1e-9, atol=1e-1)  # sums of products of values up to 1e6


@given(rows, rows, rows)
def test_merge_equals_concatenation_in_any_grouping(a, b, c) -> None:
    assert_close(whole(a) + whole(b) + whole(c), whole(a + b + c))
    assert_close(whole(a) + (whole(b) + whole(c)), whole(c + a + b))


def test_the_empty_sample_is_neutral() -> None:
    some = Moments.of([1.0, 4.0], [2.0, 1.0])
    assert_close(some + Moments(), some)
    assert_close(Moments() + some, some)
    assert sum([some, some], start=Moments()).count == 4


def test_numpy_oracle() -> None:
    rng = np.random.default_rng(3)
    y, x = rng.normal(1e6, 1.0, 500), rng.gamma(2.0, size=(500, 2))  # a large mean: the textbook formula would cancel
    m = sum((Moments.of(a, b) for a, b in zip(np.split(y, 10), np.split(x, 10), strict=True)), start=Moments())
    assert m.mean == pytest.approx(np.mean(y), rel=1e-12)
    assert m.var == pytest.approx(np.var(y, ddof=1), rel=1e-9)
    np.testing.assert_allclose(m.covariance, np.cov(np.column_stack([y, x]).T), rtol=1e-9, atol=1e-9)


def test_correlation() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 2))
    y = rng.normal(size=300) - x @ [1.0, 2.0]
    assert Moments.of(y, x[:, 0]).correlation == pytest.approx(np.corrcoef(y, x[:, 0])[0, 1], rel=1e-9)
    fitted = np.column_stack([np.ones(300), x])
    residual = y - fitted @ np.linalg.lstsq(fitted, y, rcond=None)[0]
    assert Moments.of(y, x).correlation ** 2 == pytest.approx(1 - residual.var() / y.var(), rel=1e-9)
    assert Moments.of([1.0, 1.0], [0.0, 3.0]).correlation == 0.0
    assert Moments.of([1.0, 2.0]).correlation == 0.0


def test_least_squares_of_columns_that_do_not_vary_or_repeat() -> None:
    rng = np.random.default_rng(5)
    x = rng.normal(size=50)
    y = 3.0 * x + rng.normal(size=50)
    alone = least_squares(Moments.of(y, x).m2)
    assert alone == pytest.approx([np.polyfit(x, y, 1)[0]], rel=1e-9)
    assert least_squares(Moments.of(y, np.full(50, 7.0)).m2) == pytest.approx([0.0])
    # the repeated column shares the coefficient, each at its own scale
    np.testing.assert_allclose(least_squares(Moments.of(y, np.column_stack([x, 1e3 * x])).m2) @ [1, 1e3], alone)


def test_a_summary_is_as_good_as_its_rows() -> None:
    y = np.random.default_rng(6).normal(size=20)
    assert_close(Moments.given(count=20, mean=float(y.mean()), var=float(y.var(ddof=1))), Moments.of(y))


def test_what_is_undefined_is_refused() -> None:
    with pytest.raises(InsufficientDataError, match="at least 2 units, and there are 1"):
        _ = Moments.of([1.0]).var
    with pytest.raises(InsufficientDataError, match="at least 1 unit"):
        _ = Moments().mean
    with pytest.raises(InputError, match="missing or infinite"):
        Moments.of([1.0, float("nan")])
    with pytest.raises(InputError, match="differ in shape"):
        Moments.of([1.0, 2.0], [1.0])
    with pytest.raises(InputError, match="of 1 and of 2 columns"):
        Moments.of([1.0]) + Moments.of([1.0], [2.0])
