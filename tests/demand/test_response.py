"""The pooled response against simulated truth, and against one regression per item."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binom

from flashlift.demand import DemandConfig
from flashlift.demand.posterior import draw_truncated, elasticity_summary, lift_curves
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.demand.selection import MerchantRule

N_ITEMS, N_CATEGORIES = 600, 8


def make_rows(seed: int, *, per_item: int = 4) -> tuple[SaleRows, np.ndarray, np.ndarray]:
    """Sales from the model itself: categories around (0.5, 2.2), items around their categories."""
    rng = np.random.default_rng(seed)
    category = rng.integers(1, N_CATEGORIES, N_ITEMS)
    centers = np.array([0.5, 2.2]) + rng.normal(0, [0.1, 0.5], (N_CATEGORIES, 2))
    truth = centers[category] + rng.normal(0, [0.2, 0.6], (N_ITEMS, 2))
    truth[:, 1] = np.maximum(truth[:, 1], 0.2)
    item = np.repeat(np.arange(N_ITEMS), rng.integers(0, 2 * per_item + 1, N_ITEMS))
    x = -np.log1p(-rng.uniform(0.05, 0.45, len(item)))
    baseline = rng.lognormal(1.5, 0.8, len(item))
    mean = baseline * np.exp(truth[item, 0] + truth[item, 1] * x)
    units = rng.poisson(mean * rng.gamma(1 / 0.2, 0.2, len(item)))
    controls = np.zeros((len(item), 5))
    rows = SaleRows(
        item=item, units=units.astype(float), baseline=baseline, x=x, controls=controls, lump=np.ones(len(item))
    )
    return rows, category, truth


def summary(response: Response, category: np.ndarray) -> tuple[np.ndarray, ...]:
    return elasticity_summary(*response.marginal(np.arange(len(category)), np.zeros_like(category), category))


@pytest.fixture(scope="module")
def fits() -> list[tuple[SaleRows, np.ndarray, np.ndarray, Response]]:
    out = []
    for seed in range(4):
        rows, category, truth = make_rows(seed)
        out.append((rows, category, truth, fit_response(rows, category, N_CATEGORIES, DemandConfig())))
    return out


def test_elasticities_are_recovered_without_bias(fits) -> None:
    gaps = [summary(response, category)[0].mean() + truth[:, 1].mean() for _, category, truth, response in fits]
    # The mean of a fit has a standard error of about 0.1 here; four of them, four standard errors.
    assert abs(np.mean(gaps)) < 4 * 0.1 / np.sqrt(4)


def test_intervals_cover_the_truth(fits) -> None:
    inside = total = 0
    for _, category, truth, response in fits:
        _, lower, upper = summary(response, category)
        inside += int(np.sum((-truth[:, 1] >= lower) & (-truth[:, 1] <= upper)))
        total += N_ITEMS
    # Items of a fit share its hyperparameters, so they count as a tenth of their number.
    effective = total // 10
    low, high = binom.ppf([0.001, 0.999], effective, 0.9) / effective
    assert low <= inside / total <= min(high, 0.97)


def test_pooling_beats_one_regression_per_item(fits) -> None:
    for rows, category, truth, response in fits:
        pooled = -summary(response, category)[0]
        own = np.full(N_ITEMS, np.nan)
        for k in range(N_ITEMS):
            mine = rows.item == k
            if np.unique(rows.x[mine]).size >= 2:
                own[k] = np.polyfit(rows.x[mine], np.log((rows.units[mine] + 0.5) / rows.baseline[mine]), 1)[0]
        known = np.isfinite(own)
        error = np.sqrt(np.mean((pooled - truth[:, 1])[known] ** 2))
        assert error < 0.6 * np.sqrt(np.mean((own - truth[:, 1])[known] ** 2))
        assert error < truth[known, 1].std()


def test_the_fit_is_a_joint_mode() -> None:
    """Oracle: the penalized log-likelihood over all effects at once cannot be improved by moving any of them."""
    rows, category, _ = make_rows(9, per_item=2)
    config = DemandConfig()
    response = fit_response(rows, category, N_CATEGORIES, config)
    shop = response.shop_mean
    parent, _ = response.category_marginal(response.categories)
    theta = response.items.mean(parent[category])
    within, between = np.linalg.inv(response.within), np.linalg.inv(response.between)

    def objective(shift: np.ndarray, who: str, k: int) -> float:
        t, c, s = theta.copy(), parent[:, :2].copy(), shop[:2].copy()
        {"item": t, "category": c, "shop": s[None]}[who][k] += shift
        eta = np.log(rows.baseline) + t[rows.item, 0] + t[rows.item, 1] * rows.x
        r = 1 / response.dispersion
        fit = np.sum(rows.units * eta - (rows.units + r) * np.log(r + np.exp(eta)))
        gap, high = t - c[category], c - s
        prior = (s - [config.assumed_visibility, -config.assumed_elasticity]) / [
            config.assumed_visibility_sd,
            config.assumed_elasticity_sd,
        ]
        ways = np.einsum("ni,ij,nj", gap, within, gap) + np.einsum("ni,ij,nj", high, between, high) + prior @ prior
        return fit - 0.5 * ways

    best = objective(np.zeros(2), "shop", 0)
    for who, k in [("item", 3), ("item", 77), ("category", 2), ("category", 0), ("shop", 0)]:
        for shift in ([0.1, 0], [-0.1, 0], [0, 0.1], [0, -0.1]):
            assert objective(np.array(shift), who, k) < best + 1e-3  # the last EM step moves the priors a little


def test_without_sales_the_assumption_is_returned() -> None:
    rows, category, _ = make_rows(0)
    none = SaleRows(**{name: getattr(rows, name)[:0] for name in SaleRows.__slots__})
    response = fit_response(
        none, category, N_CATEGORIES, DemandConfig(assumed_elasticity=-1.5, assumed_elasticity_sd=0.3)
    )
    np.testing.assert_allclose(response.shop_mean[1], 1.5)
    np.testing.assert_allclose(response.shop_covariance[1, 1], 0.09)


def test_sales_that_sold_nothing_do_not_break_the_fit() -> None:
    rows, category, _ = make_rows(1)
    empty = SaleRows(
        **{name: getattr(rows, name) for name in SaleRows.__slots__ if name != "units"}, units=np.zeros(len(rows.x))
    )
    response = fit_response(empty, category, N_CATEGORIES, DemandConfig())
    mean, lower, upper = summary(response, category)
    assert np.isfinite([mean, lower, upper]).all()
    assert (mean <= 0).all()


def test_a_merchant_who_discounts_what_sells_badly_is_seen_through() -> None:
    """Hidden demand moves start and depth of sales; without the correction the elasticity is far off."""
    rng = np.random.default_rng(3)
    n, visibility, elasticity = 200_000, 0.5, 2.2
    known, hidden = rng.normal(0, 0.35, n), rng.normal(0, 0.35, n)
    state = known + hidden
    sale = rng.random(n) < 0.02 * np.exp(-2.0 * state - 0.5)
    x = 0.25 - 0.15 * state + rng.normal(0, 0.1, n)
    keep = sale & (x > 0.02)
    m, x, state = known[keep], x[keep], state[keep]
    baseline = rng.lognormal(1.5, 0.5, len(x))
    # The baseline knows the known part; its mean over the hidden part is right for items without a sale.
    units = rng.poisson(baseline * np.exp(state - m - 0.35**2 / 2 + visibility + elasticity * x))
    chosen = np.ones(len(x), dtype=bool)
    rule = MerchantRule.learn(m, x, chosen, known[~sale], 0.35**2)
    assert rule.tilt == pytest.approx(2.0, abs=0.2)
    assert rule.slope == pytest.approx(0.15, abs=0.02)
    gap = rule.expected_gap(m, x, chosen)
    category, item = np.ones(len(x) // 4 + 1, dtype=np.int64), np.arange(len(x)) // 4
    found = {}
    for name, control in {"corrected": gap, "naive": np.zeros(len(x))}.items():
        controls = np.column_stack([m * 0, m * 0, m * 0, m * 0, control])
        rows = SaleRows(
            item=item, units=units.astype(float), baseline=baseline, x=x, controls=controls, lump=np.ones(len(x))
        )
        found[name] = fit_response(rows, category, 2, DemandConfig())
    mean, covariance = found["corrected"].marginal(np.arange(len(category)), np.zeros_like(category), category)
    assert found["naive"].shop_mean[1] < elasticity - 0.6
    assert mean[:, 1].mean() == pytest.approx(elasticity, abs=0.25)
    assert mean[:, 0].mean() == pytest.approx(visibility, abs=0.15)
    assert (covariance[:, 1, 1] > 0.05).all(), "the doubt about the rule must show in the interval"


def test_sales_drawn_by_lot_need_no_correction() -> None:
    rule = MerchantRule(tilt=2.0, slope=0.2, noise=0.01, hidden=0.1)
    gap = rule.expected_gap(np.zeros(4), np.array([0.1, 0.2, 0.3, 0.4]), np.array([True, True, False, False]))
    assert (gap[:2] < 0).all()
    np.testing.assert_array_equal(gap[2:], 0.0)


def test_draws_and_curves_agree() -> None:
    mean, covariance = np.array([[0.4, 0.5]]), np.array([[[0.04, 0.05], [0.05, 0.49]]])
    rng = np.random.default_rng(0)
    drawn = draw_truncated(mean.repeat(200_000, 0), covariance.repeat(200_000, 0), rng)
    discount = np.array([0.0, 0.1, 0.4])
    lift = np.exp(np.maximum(drawn[0][:, None] + drawn[1][:, None] * -np.log1p(-discount), 0))
    curve = lift_curves(mean, covariance, discount)[:, 0]
    assert (drawn[1] >= 0).all()
    np.testing.assert_allclose(curve[0, 1:], lift.mean(0)[1:], rtol=0.01)  # 800 points against 200,000 draws
    np.testing.assert_allclose(curve[1:, 1:], np.quantile(lift, [0.05, 0.95], axis=0)[:, 1:], rtol=0.03)
    np.testing.assert_array_equal(curve[:, 0], 1.0)
    center, lower, upper = elasticity_summary(mean, covariance)
    np.testing.assert_allclose(center, -drawn[1].mean(), rtol=0.01)
    np.testing.assert_allclose([lower[0], upper[0]], np.quantile(-drawn[1], [0.05, 0.95]), atol=0.01)
