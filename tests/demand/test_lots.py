"""Chosen sales beside sales drawn by lot: calibrated where they agree, seen where they do not, used in the response."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from flashlift.demand import DemandConfig
from flashlift.demand.lots import Disagreement, by_lot_and_by_choice, disagreement
from flashlift.demand.response import Response, SaleRows, fit_response

CONFIG = DemandConfig()
PRIOR_MEAN = np.array([CONFIG.assumed_visibility, -CONFIG.assumed_elasticity])
PRIOR_SD = np.array([CONFIG.assumed_visibility_sd, CONFIG.assumed_elasticity_sd])
_NOTHING = SaleRows(item=np.zeros(0, np.int64), units=np.zeros(0), baseline=np.zeros(0), x=np.zeros(0),
                    controls=np.zeros((0, 5)), lump=np.zeros(0))  # fmt: skip
PRIOR = fit_response(_NOTHING, np.zeros(1, np.int64), 1, CONFIG)


def posterior(theta: np.ndarray, precision: np.ndarray, rng: np.random.Generator) -> Response:
    """What is known of effects that were seen once with normal noise of the given precision."""
    score = precision @ theta + rng.multivariate_normal([0.0, 0.0], precision)
    mean, covariance = PRIOR.shop_mean.copy(), PRIOR.shop_covariance.copy()
    covariance[:2, :2] = np.linalg.inv(precision + np.diag(PRIOR_SD**-2))
    mean[:2] = covariance[:2, :2] @ (score + PRIOR_MEAN / PRIOR_SD**2)
    return replace(PRIOR, shop_mean=mean, shop_covariance=covariance)


def compared(theta: np.ndarray, weights: tuple[float, float], rng: np.random.Generator) -> Disagreement:
    shape = np.array([[1.0, 0.25], [0.25, 0.08]])
    chosen, by_lot = (posterior(theta, weight * shape, rng) for weight in weights)
    return disagreement(chosen, by_lot, CONFIG)


@pytest.mark.parametrize("weights", [(400.0, 400.0), (1000.0, 5.0), (1000.0, 0.05)])
def test_where_both_tell_the_same_one_in_twenty_is_called_different(weights: tuple[float, float]) -> None:
    rng = np.random.default_rng(8)
    n = 800
    pvalues = [compared(rng.normal(PRIOR_MEAN, PRIOR_SD), weights, rng).pvalue for _ in range(n)]
    low, high = binom.ppf([0.0005, 0.9995], n, 0.05)
    assert low <= np.sum(np.array(pvalues) < 0.05) <= high


@given(st.integers(0, 1000), st.floats(1.0, 1000.0))
def test_equal_evidence_never_disagrees(seed: int, weight: float) -> None:
    one = posterior(PRIOR_MEAN, weight * np.eye(2), np.random.default_rng(seed))
    same = disagreement(one, one, CONFIG)
    assert same.pvalue == pytest.approx(1.0)
    assert same.units(0.3).value == pytest.approx(0.0)


def shop_rows(seed: int, bias: float, n: int = 900, by_lot: float = 0.3) -> tuple[SaleRows, np.ndarray]:
    """Items with (0.5, 2.2) around their category; chosen sales answer to the discount by `bias` more."""
    rng = np.random.default_rng(seed)
    category = rng.integers(1, 6, n // 2)
    item = rng.integers(0, n // 2, n)
    chosen = (rng.random(n) >= by_lot).astype(float)
    x = -np.log1p(-rng.uniform(0.05, 0.45, n))
    baseline = rng.lognormal(2.0, 0.7, n)
    effects = np.array([0.5, 2.2]) + rng.normal(0, [0.2, 0.5], (n // 2, 2))
    mean = baseline * np.exp(effects[item, 0] + (effects[item, 1] + bias * chosen) * x)
    controls = np.column_stack([0 * x, 0 * x, chosen, chosen * x, 0 * x])
    units = rng.poisson(mean * rng.gamma(10, 0.1, n)).astype(float)
    return SaleRows(item=item, units=units, baseline=baseline, x=x, controls=controls, lump=np.ones(n)), category


@pytest.mark.parametrize("seed", range(3))
def test_a_bias_of_chosen_sales_is_seen_and_taken_out(seed: int) -> None:
    rows, category = shop_rows(seed, bias=-1.5)
    combined = fit_response(rows, category, 6, CONFIG)
    table = by_lot_and_by_choice(rows, combined, category, 6, CONFIG)
    elasticity = dict(table.filter(quantity="elasticity").select("basis", "value").iter_rows())
    assert elasticity["by choice"] > elasticity["both"]  # chosen sales look less elastic than they are
    assert abs(elasticity["both"] + 2.2) < abs(elasticity["by choice"] + 2.2)
    gap = table.row(by_predicate=pl.col("quantity") == "units", named=True)
    assert gap["value"] < 0 and "would mislead" in gap["says"]
    assert table.filter(basis="both")["n"].item() == len(rows.x)


def test_without_a_bias_both_agree() -> None:
    found = []
    for seed in range(5):
        rows, category = shop_rows(seed, bias=0.0)
        table = by_lot_and_by_choice(rows, fit_response(rows, category, 6, CONFIG), category, 6, CONFIG)
        found.append("would mislead" in table["says"][-1])
    assert sum(found) <= binom.ppf(0.999, 5, 0.05)


def test_sales_of_one_kind_are_not_compared() -> None:
    rows, category = shop_rows(0, bias=0.0)
    none = replace(rows, controls=np.zeros_like(rows.controls))
    assert by_lot_and_by_choice(none, fit_response(none, category, 6, CONFIG), category, 6, CONFIG).is_empty()
