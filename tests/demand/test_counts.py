"""The count regression finds what counts were drawn from, beside their offset."""

from __future__ import annotations

import numpy as np
import pytest

from flashlift.demand.counts import fit_counts


def test_coefficients_are_found_beside_the_offset() -> None:
    rng = np.random.default_rng(0)
    design = np.column_stack([np.ones(20_000), rng.normal(size=20_000)])
    offset = rng.normal(1.0, 1.0, 20_000)
    mean = np.exp(offset + design @ [0.4, -0.7])
    y = rng.poisson(mean * rng.gamma(5.0, 0.2, len(mean))).astype(float)
    fit = fit_counts(y, offset, design)
    assert fit.coefficients == pytest.approx([0.4, -0.7], abs=0.03)
    assert fit.mean == pytest.approx(np.exp(offset + design @ fit.coefficients))
    score = design.T @ (fit.weight * (y / fit.mean - 1.0))
    assert score == pytest.approx([0.0, 0.0], abs=1e-5)  # the estimating equation is solved


def test_counts_of_nothing_stop_at_a_finite_place() -> None:
    fit = fit_counts(np.zeros(10), np.zeros(10), np.ones((10, 1)))
    assert np.isfinite(fit.coefficients).all()
    assert fit.coefficients[0] < -10.0
