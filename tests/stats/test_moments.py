"""Moments of shards add up to the moments of the whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flashlift.errors import InputError, InsufficientDataError
from flashlift.stats.moments import Moments

values = st.floats(-1e6, 1e6, allow_subnormal=False)
pairs = st.lists(st.tuples(values, values), max_size=40)


def whole(rows: list[tuple[float, float]]) -> Moments:
    return Moments.of([y for y, _ in rows], [x for _, x in rows])


def assert_close(a: Moments, b: Moments) -> None:
    assert a.count == b.count
    for name in ("mean", "covariate_mean"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9, abs=1e-6)
    for name in ("m2", "covariate_m2", "comoment"):  # sums of products of values up to 1e6
        assert getattr(a, name) == pytest.approx(getattr(b, name), rel=1e-9, abs=1e-1)


@given(pairs, pairs, pairs)
def test_merge_equals_concatenation_in_any_grouping(a, b, c) -> None:
    assert_close(whole(a) + whole(b) + whole(c), whole(a + b + c))
    assert_close(whole(a) + (whole(b) + whole(c)), whole(c + a + b))


def test_the_empty_sample_is_neutral() -> None:
    some = Moments.of([1.0, 4.0], [2.0, 1.0])
    assert some + Moments() == some
    assert sum([some, some], start=Moments()).count == 4


def test_numpy_oracle() -> None:
    rng = np.random.default_rng(3)
    y, x = rng.normal(1e6, 1.0, 500), rng.gamma(2.0, size=500)  # a large mean: the textbook formula would cancel
    m = sum((Moments.of(a, b) for a, b in zip(np.split(y, 10), np.split(x, 10), strict=True)), start=Moments())
    assert m.var == pytest.approx(np.var(y, ddof=1), rel=1e-9)
    assert m.covariate_var == pytest.approx(np.var(x, ddof=1), rel=1e-12)
    assert m.cov == pytest.approx(np.cov(y, x)[0, 1], rel=1e-9)
    assert m.correlation == pytest.approx(np.corrcoef(y, x)[0, 1], rel=1e-9)


def test_what_is_undefined_is_refused() -> None:
    with pytest.raises(InsufficientDataError, match="at least 2 units, and there are 1"):
        _ = Moments.of([1.0]).var
    with pytest.raises(InputError, match="missing or infinite"):
        Moments.of([1.0, float("nan")])
    with pytest.raises(InputError, match="differ in shape"):
        Moments.of([1.0, 2.0], [1.0])
    assert Moments.of([1.0, 1.0], [0.0, 3.0]).correlation == 0.0
