"""The level of brands in the pooled response: what it narrows, what it leaves alone, and what new items get from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.demand.panel import build_panel
from flashlift.demand.posterior import draw_effects
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.market import SimulatedShop
from flashlift.protocols import IntArray
from flashlift.schema import Items

from .conftest import make_slots, steady_shop

CONFIG = DemandConfig()
N_ITEMS, N_CATEGORIES, BRANDS_EACH = 600, 8, 6
CENTER = np.array([0.5, 2.2])


def make_rows(
    seed: int, *, brand_sd: float = 0.6, item_sd: float = 0.3, without: float = 0.0
) -> tuple[SaleRows, IntArray, IntArray, np.ndarray]:
    """Sales from the model itself: rows, category and brand of each item, and its true effects."""
    rng = np.random.default_rng(seed)
    category = rng.integers(1, N_CATEGORIES, N_ITEMS)
    brand = (category - 1) * BRANDS_EACH + rng.integers(1, BRANDS_EACH + 1, N_ITEMS)
    brand[rng.random(N_ITEMS) < without] = 0
    categories = CENTER + rng.normal(0, [0.1, 0.3], (N_CATEGORIES, 2))
    brands = rng.normal(0, [0.15, brand_sd], (brand.max() + 1, 2))
    brands[0] = 0.0
    truth = categories[category] + brands[brand] + rng.normal(0, [0.15, item_sd], (N_ITEMS, 2))
    truth[:, 1] = np.maximum(truth[:, 1], 0.2)
    item = np.repeat(np.arange(N_ITEMS), rng.integers(0, 9, N_ITEMS))
    x = -np.log1p(-rng.uniform(0.05, 0.45, len(item)))
    baseline = rng.lognormal(1.5, 0.8, len(item))
    mean = baseline * np.exp(truth[item, 0] + truth[item, 1] * x)
    units = rng.poisson(mean * rng.gamma(1 / 0.2, 0.2, len(item))).astype(float)
    rows = SaleRows(
        item=item, units=units, baseline=baseline, x=x, controls=np.zeros((len(item), 5)), lump=np.ones(len(item))
    )
    return rows, category, brand, truth


def fitted(seed: int, **kinds: float) -> tuple[Response, SaleRows, IntArray, IntArray, np.ndarray]:
    """A fit to such sales, and what `make_rows` gave."""
    rows, category, brand, truth = make_rows(seed, **kinds)
    return fit_response(rows, category, N_CATEGORIES, CONFIG, brand), rows, category, brand, truth


def one(item: int, brand: int, category: int) -> tuple[np.ndarray, ...]:
    return np.array([item]), np.array([brand]), np.array([category])


@pytest.mark.parametrize("seed", range(3))
def test_brands_that_differ_narrow_the_error_of_items_with_few_sales(seed: int) -> None:
    response, rows, category, brand, truth = fitted(seed)
    blind = fit_response(rows, category, N_CATEGORIES, CONFIG)
    few = np.bincount(rows.item, minlength=N_ITEMS) <= 2
    every = np.arange(N_ITEMS)
    mean, spread = response.marginal(every, brand, category)
    plain, wide = blind.marginal(every, np.zeros_like(brand), category)
    error, before = (np.sqrt(np.mean((m - truth)[few, 1] ** 2)) for m in (mean, plain))
    assert error < 0.85 * before
    assert np.median(spread[few, 1, 1]) < 0.95 * np.median(wide[few, 1, 1])
    assert np.sqrt(response.among[1, 1]) == pytest.approx(0.6, abs=0.2)  # 42 brands of 14 items


def test_intervals_cover_the_truth_with_brands() -> None:
    z = []
    for seed in range(4):
        response, _, category, brand, truth = fitted(seed, item_sd=0.6, without=0.3)
        mean, spread = response.marginal(np.arange(N_ITEMS), brand, category)
        z.append((mean - truth)[:, 1] / np.sqrt(spread[:, 1, 1]))
    inside = np.mean(np.abs(np.concatenate(z)) < 1.645)
    # Items of a fit share its hyperparameters and brands: 2,400 count as 240, three standard errors of 0.019.
    assert 0.84 < inside < 0.96


def test_brands_that_do_not_differ_are_pooled_away() -> None:
    response, rows, category, brand, truth = fitted(5, brand_sd=0.0)
    blind = fit_response(rows, category, N_CATEGORIES, CONFIG)
    every = np.arange(N_ITEMS)
    error = np.sqrt(np.mean((response.marginal(every, brand, category)[0] - truth)[:, 1] ** 2))
    before = np.sqrt(np.mean((blind.marginal(every, np.zeros_like(brand), category)[0] - truth)[:, 1] ** 2))
    assert error < 1.1 * before  # the weak prior keeps some spread among brands; measured: 1.04
    assert response.among[1, 1] < 0.5 * fitted(5)[0].among[1, 1]


def test_the_posterior_is_that_of_one_dense_gaussian() -> None:
    """Oracle: all effects in one precision matrix, with the weights of the last step."""
    response, rows, category, brand, _ = fitted(7, without=0.3)
    n, k = N_ITEMS, N_ITEMS + int(brand.max())
    size = 2 * (k + N_CATEGORIES + 1) + 5
    at = {"item": 0, "brand": 2 * n - 2, "category": 2 * k, "shop": 2 * (k + N_CATEGORIES)}
    precision, right = np.zeros((size, size)), np.zeros(size)

    def tie(child: int, parent: int, covariance: np.ndarray) -> None:
        inverse = np.linalg.inv(covariance)
        for a, b, sign in ((child, child, 1), (parent, parent, 1), (child, parent, -1), (parent, child, -1)):
            precision[a : a + 2, b : b + 2] += sign * inverse

    for i in range(n):
        up = at["brand"] + 2 * brand[i] if brand[i] else at["category"] + 2 * category[i]
        tie(2 * i, up, response.within)
    for b, home in dict(zip(brand[brand > 0], category[brand > 0], strict=True)).items():
        tie(at["brand"] + 2 * b, at["category"] + 2 * home, response.among)
    for c in range(N_CATEGORIES):
        tie(at["category"] + 2 * c, at["shop"], response.between)
    sd = np.array([CONFIG.assumed_visibility_sd, CONFIG.assumed_elasticity_sd])
    precision[at["shop"] :, at["shop"] :] += np.diag(1 / np.concatenate([sd, [0.3, 0.5, 0.1, 0.2, 0.35]]) ** 2)
    right[at["shop"] :] = np.concatenate(
        [np.array([CONFIG.assumed_visibility, -CONFIG.assumed_elasticity]) / sd**2, [0, 0, 0, 0, 1 / 0.35**2]]
    )
    mean, spread = response.marginal(np.arange(n), brand, category)
    eta = np.log(rows.baseline) + mean[rows.item, 0] + mean[rows.item, 1] * rows.x
    mu = np.exp(eta)
    weight = mu / (1 + response.dispersion * mu)
    target = eta - np.log(rows.baseline) + (rows.units - mu) / mu
    for i, x, w, t in zip(rows.item, rows.x, weight, target, strict=True):
        design = np.array([1.0, x])
        precision[2 * i : 2 * i + 2, 2 * i : 2 * i + 2] += w * np.outer(design, design)
        right[2 * i : 2 * i + 2] += w * t * design
    dense = np.linalg.inv(precision)
    # The weights are recomputed one step later than the fit's last; the steps still moved by about 1e-4.
    np.testing.assert_allclose(mean.ravel(), (dense @ right)[: 2 * n], atol=2e-3)
    np.testing.assert_allclose(spread[:, 1, 1], np.diag(dense)[1 : 2 * n : 2], rtol=2e-3)


def test_new_items_get_what_their_brand_or_their_category_tells() -> None:
    response, _, category, brand, _ = fitted(2, without=0.4)
    top_mean, top = response.category_marginal(response.categories)
    k = int(np.argmax(np.bincount(brand)[1:])) + 1
    home = int(category[brand == k][0])
    mean, spread = response.marginal(*one(-1, 0, home))
    np.testing.assert_allclose(mean[0], top_mean[home, :2])
    np.testing.assert_allclose(spread[0], top[home, :2, :2] + response.within)
    mean, spread = response.marginal(*one(-1, -1, home))
    np.testing.assert_allclose(mean[0], top_mean[home, :2])
    np.testing.assert_allclose(spread[0], top[home, :2, :2] + response.among + response.within)
    mean, spread = response.marginal(*one(-1, k, home))
    known, _ = response.marginal(np.flatnonzero(brand == k), *(np.full((brand == k).sum(), v) for v in (k, home)))
    away = known.mean(0) - top_mean[home, :2]
    assert abs(mean[0, 1] - top_mean[home, 1] - away[1]) < 0.5 * abs(away[1]), "closer to its brand than its category"
    assert spread[0, 1, 1] < (top[home, :2, :2] + response.among + response.within)[1, 1]


def test_items_of_a_brand_share_its_draw() -> None:
    response, *_, category, brand, _ = fitted(3, without=0.3)
    k = int(brand[brand > 0][0])
    home = int(category[brand == k][0])
    items = np.full(6, -1)
    brands = np.array([k, k, 0, 0, -1, k])
    visibility, elasticity, _ = draw_effects(response, items, brands, np.full(6, home), 4000, np.random.default_rng(0))
    mean, spread = response.marginal(items, brands, np.full(6, home))
    # Means of 4,000 draws; the cut at zero moves a normal of mean 2 and deviation 0.8 by 0.01.
    np.testing.assert_allclose(elasticity.mean(1), mean[:, 1], atol=0.06)
    np.testing.assert_allclose(visibility.var(1), spread[:, 0, 0], rtol=0.15)
    together = np.corrcoef(elasticity)
    assert together[0, 1] > together[0, 2] + 0.05
    assert together[2, 3] < together[0, 1]


def test_a_shop_without_brands_is_fitted_as_if_there_were_no_such_level() -> None:
    rows, category, brand, _ = make_rows(4)
    none = fit_response(rows, category, N_CATEGORIES, CONFIG)
    zero = fit_response(rows, category, N_CATEGORIES, CONFIG, np.zeros_like(brand))
    every = np.arange(N_ITEMS)
    for response in (none, zero):
        np.testing.assert_array_equal(response.shop_mean, none.shop_mean)
        above = response.category_marginal(response.categories.take(category))
        plain = response.items.marginal(*above)
        for got, expected in zip(response.marginal(every, np.zeros_like(brand), category), plain, strict=True):
            np.testing.assert_array_equal(got, expected)


def test_a_name_in_two_categories_is_two_brands() -> None:
    tables = steady_shop(6, 40)
    items = tables.items.with_columns(
        category=pl.Series(["a", "a", "a", "b", "b", None]), brand=pl.Series(["x", None, "y", "x", "", "x"])
    )
    until = tables.events.select(pl.col("at").max()).collect().item()
    panel = build_panel(replace(tables, items=Items.validate(items)), until, CONFIG)
    assert panel.brands == [(0, ""), (0, "x"), (1, "x"), (1, "y"), (2, "x")]
    assert panel.brand.tolist() == [2, 0, 3, 4, 0, 1]


def test_a_fitted_shop_knows_its_brands(shop: SimulatedShop, model: FittedDemand, quick: DemandConfig) -> None:
    first = shop.sale_items.filter(pl.col("item_id") == model.item_ids[0])
    new = pl.concat([first, first, first]).with_columns(
        item_id=pl.Series(["new 0", "new 1", "new 2"]), brand=pl.Series([first["brand"][0], "never seen", None])
    )
    draws = model.draw(new, make_slots(shop.now, 1), 3000, rng=np.random.default_rng(0))
    own, unseen, none = draws.elasticity.std(1)
    assert own < unseen
    assert none < unseen
    nameless = replace(shop.tables, items=shop.tables.items.with_columns(brand=pl.lit(None, dtype=pl.String)))
    blank = replace(shop.tables, items=shop.tables.items.with_columns(brand=pl.lit("")))
    a, b = (fit(t, until=shop.now, config=quick, rng=np.random.default_rng(1)) for t in (nameless, blank))
    assert a.brands == b.brands == ((0, ""),)
    assert a.elasticities().equals(b.elasticities())
    assert not a.elasticities().equals(model.elasticities())
