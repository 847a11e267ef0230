"""How demand answers to a sale: lift of being shown and price elasticity, pooled item <- brand <- category <- shop.

Units y of a sale with baseline B, depth d and x = -log(1 - d) follow a quasi negative binomial with

    log E[y] = log B + visibility_i + elasticity_i * x + gamma . z     (elasticity_i >= 0: minus d ln q / d ln p)
    (visibility, elasticity)_i ~ N(mu_brand, within),   mu_brand ~ N(mu_category, among)
    mu_category ~ N(mu_shop, between),                  mu_shop ~ N(prior)

A brand is one of a category: the same name in another category is another brand. An item without a brand hangs
directly under its category, (visibility, elasticity)_i ~ N(mu_category, within): it shares nothing with others that
have no brand, so there is no group between it and its category, and no variance of one.

z are controls: the demand state before the sale, the position, a mark for sales that were not drawn by lot together
with its product with x (so that randomized sales, where there are any, decide what the others are biased by), and
the gap that the merchant's rule makes us expect (`selection`). Each step linearizes the likelihood and solves the
whole Gaussian hierarchy exactly by eliminating items, then brands, then categories (`levels`); covariances follow by
expectation maximization with a weak inverse-Wishart prior (empirical Bayes; Gelman et al., Bayesian Data Analysis,
3rd ed., ch. 5 and 15).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from flashlift.demand.config import DemandConfig
from flashlift.demand.levels import N_CONTROLS, Effects, eliminate, gather, spread_around
from flashlift.protocols import FloatArray, IntArray

__all__ = ["LOG_POSITION", "Response", "SaleRows", "fit_response"]

_STEPS = 60
_WITHIN = np.diag([0.25**2, 0.8**2])  # where the prior of the covariances is centered
_AMONG = _WITHIN / 8  # the part of it that a brand shares, where items have one
_BETWEEN = np.diag([0.15**2, 0.5**2])
_CONTROL_MEAN = np.array([0.0, 0.0, 0.0, 0.0, 1.0])  # state, log position, not by lot, the same times x, expected gap
# What is left of the bias of chosen sales after the expected gap is small; a wide prior would throw their weight away.
_CONTROL_SD = np.array([0.3, 0.5, 0.1, 0.2, 0.35])
LOG_POSITION = 3
"""Place of the log position among effects and controls."""

_P = 2 + N_CONTROLS


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleRows:
    """Past sales, ready for the likelihood: one entry each, (n,).

    Args:
        item: item number in [0, n_items).
        units: units sold.
        baseline: units expected without the sale.
        x: -log(1 - depth).
        controls: (n, 5) demand state, log position, not by lot, not by lot times x, expected gap; 0 is neutral.
        lump: variance over mean of units beyond the negative binomial.
    """

    item: IntArray
    units: FloatArray
    baseline: FloatArray
    x: FloatArray
    controls: FloatArray
    lump: FloatArray


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Posterior of (visibility, elasticity) of every item, brand, category and the shop.

    Args:
        items: items given (brand, controls); given (category, controls) those without a brand.
        brands: brands given (category, controls); the first stands for no brand and is its category itself.
        categories: categories given (shop, controls).
        shop_mean: mean of (visibility, elasticity, controls), (7,).
        shop_covariance: (7, 7).
        within: covariance of items around their brand, or around their category without one, (2, 2).
        among: covariance of brands around their category, (2, 2).
        between: covariance of categories around the shop, (2, 2).
        dispersion: 1 / r of the negative binomial.
        n_sales: sales behind it.
    """

    items: Effects
    brands: Effects
    categories: Effects
    shop_mean: FloatArray
    shop_covariance: FloatArray
    within: FloatArray
    among: FloatArray
    between: FloatArray
    dispersion: float
    n_sales: int

    def of_items(self, rows: IntArray) -> Effects:
        """Some of the items; an unknown one (row -1) has its brand and the spread within it."""
        return self.items.choose(rows, self.within)

    def of_brands(self, rows: IntArray) -> Effects:
        """Some of the brands; an unknown one (row -1) has its category and the spread of brands in it."""
        return self.brands.choose(rows, self.among)

    def of_categories(self, rows: IntArray) -> Effects:
        """Some of the categories; an unknown one (row -1) has the shop and the spread of categories in it."""
        return self.categories.choose(rows, self.between)

    def marginal(self, items: IntArray, brands: IntArray, categories: IntArray) -> tuple[FloatArray, FloatArray]:
        """Mean (n, 2) and covariance (n, 2, 2) of items, with the brand (0: none) and the category of each.

        -1 is an unknown one of either. All uncertainty is included.
        """
        above = self.category_marginal(self.of_categories(categories))
        return self.of_items(items).marginal(*self.of_brands(brands).as_parents(*above))

    def category_marginal(self, categories: Effects) -> tuple[FloatArray, FloatArray]:
        """Mean (n, 7) and covariance (n, 7, 7) of (category, controls)."""
        n = len(categories.constant)
        shop = np.broadcast_to(self.shop_mean, (n, _P)), np.broadcast_to(self.shop_covariance, (n, _P, _P))
        return categories.as_parents(*shop)


def fit_response(
    rows: SaleRows, category: IntArray, n_categories: int, config: DemandConfig, brand: IntArray | None = None
) -> Response:
    """Fit the hierarchy. Without rows the result is the assumed prior.

    Args:
        rows: past sales.
        category: category of each item.
        n_categories: number of categories.
        config: the choices of the fit.
        brand: brand of each item, 0 without one; the items of a brand are of one category. None: no item has one.
    """
    tree = _Tree.of(category, n_categories, np.zeros_like(category) if brand is None else brand)
    prior_mean = np.concatenate([[config.assumed_visibility, -config.assumed_elasticity], _CONTROL_MEAN])
    prior_sd = np.concatenate([[config.assumed_visibility_sd, config.assumed_elasticity_sd], _CONTROL_SD])
    x = np.column_stack([np.ones_like(rows.x), rows.x])
    y, offset = rows.units / rows.lump, np.log(rows.baseline / rows.lump)
    spreads, dispersion = tree.prior_spreads, 0.2
    eta = offset + x @ prior_mean[:2] + rows.controls @ _CONTROL_MEAN
    active = np.unique(rows.item)
    for _ in range(_STEPS):
        mu = np.exp(eta)
        weight = mu / (1 + dispersion * mu)
        target = eta - offset + (y - mu) / mu
        info, score = _of_items(rows, x, weight, target, len(category))
        solution = tree.solve(info, score, spreads, prior_mean, np.diag(1 / prior_sd**2))
        response = Response(**solution, dispersion=dispersion, n_sales=len(y))
        above, spread_above = tree.parents(response)
        theta = response.items.mean(above[tree.parent])
        fitted = offset + np.sum(x * theta[rows.item], axis=1) + rows.controls @ response.shop_mean[2:]
        eta = np.clip(fitted, eta - 1.0, eta + 1.0)
        if len(y):
            leverage = weight * np.einsum("ri,rij,rj->r", x, response.items.covariance[rows.item], x)
            dispersion = _dispersion(y, np.exp(eta), leverage)
            spreads = tree.spreads(response, theta, above, spread_above, active)
    return response


def _of_items(
    rows: SaleRows, x: FloatArray, weight: FloatArray, target: FloatArray, n_items: int
) -> tuple[FloatArray, FloatArray]:
    """What its own sales tell of each item: precision and precision times mean of (effects, controls)."""
    design = np.concatenate([x, rows.controls], axis=1)
    weighted = design * weight[:, None]
    info = gather(weighted[:, :, None] * design[:, None, :], rows.item, n_items)
    return info, gather(weighted * target[:, None], rows.item, n_items)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Tree:
    """Who is whose parent.

    Args:
        parent: parent of each item, a category (its number) or a brand (n_categories - 1 and its number).
        home: category of each brand from the first on.
        n_categories: number of categories.
    """

    parent: IntArray
    home: IntArray
    n_categories: int

    @classmethod
    def of(cls, category: IntArray, n_categories: int, brand: IntArray) -> _Tree:
        home = np.zeros(int(brand.max(initial=0)), dtype=np.int64)
        home[brand[brand > 0] - 1] = category[brand > 0]
        return cls(parent=np.where(brand > 0, n_categories - 1 + brand, category), home=home, n_categories=n_categories)

    @property
    def prior_spreads(self) -> dict[str, FloatArray]:
        # Brands take their part from the items: an item varies around its category as much as without them.
        branded = np.mean(self.parent >= self.n_categories) if len(self.parent) else 0.0
        return {"within": _WITHIN - branded * _AMONG, "among": _AMONG, "between": _BETWEEN}

    def solve(
        self,
        info: FloatArray,
        score: FloatArray,
        spreads: dict[str, FloatArray],
        prior_mean: FloatArray,
        precision: FloatArray,
    ) -> dict[str, Any]:
        """Parts of a `Response` from what sales tell of each item and the prior of (shop, controls)."""
        n, total = self.n_categories, self.n_categories + len(self.home)
        items, info, score = eliminate(info, score, spreads["within"])
        info, score = gather(info, self.parent, total), gather(score, self.parent, total)
        brands, up, up_score = eliminate(info[n:], score[n:], spreads["among"])
        info, score = info[:n] + gather(up, self.home, n), score[:n] + gather(up_score, self.home, n)
        categories, info, score = eliminate(info, score, spreads["between"])
        covariance = np.linalg.inv(info.sum(0) + precision)
        covariance = 0.5 * (covariance + covariance.T)  # rounding would make it a little lopsided
        return {
            "items": items,
            "brands": Effects.without_data(1, np.zeros((2, 2))).and_then(brands),
            "categories": categories,
            "shop_mean": covariance @ (score.sum(0) + precision @ prior_mean),
            "shop_covariance": covariance,
            **spreads,
        }

    def parents(self, response: Response) -> tuple[FloatArray, FloatArray]:
        """Mean and covariance of (effects, controls) of all categories and then all brands."""
        mean, spread = response.category_marginal(response.categories)
        brands = response.brands.take(np.arange(1, len(self.home) + 1))
        brand_mean, brand_spread = brands.as_parents(mean[self.home], spread[self.home])
        return np.concatenate([mean, brand_mean]), np.concatenate([spread, brand_spread])

    def spreads(
        self, response: Response, theta: FloatArray, mean: FloatArray, spread: FloatArray, active: IntArray
    ) -> dict[str, FloatArray]:
        """Covariances of the `active` items (of mean `theta`), their brands and their categories around the parents.

        `mean` and `spread` are those of `parents`.
        """
        prior, own, n = self.prior_spreads, self.parent[active], self.n_categories
        brands = np.unique(own[own >= n]) - n
        homes = self.home[brands]
        seen = np.unique(np.concatenate([own[own < n], homes]))
        shop = np.tile(response.shop_mean, (len(seen), 1)), np.tile(response.shop_covariance, (len(seen), 1, 1))
        items, brand_effects = response.items.take(active), response.brands.take(brands + 1)
        return {
            "within": spread_around(items, theta[active], mean[own], spread[own], prior["within"]),
            "among": spread_around(brand_effects, mean[n + brands, :2], mean[homes], spread[homes], prior["among"]),
            "between": spread_around(response.categories.take(seen), mean[seen, :2], *shop, prior["between"]),
        }


def _dispersion(y: FloatArray, mu: FloatArray, leverage: FloatArray) -> float:
    """Moment estimate of 1 / r from squared residuals, corrected for leverage."""
    free = np.clip(1.0 - leverage, 0.2, 1.0)
    weight = 1.0 / (1.0 + 0.2 * mu) ** 2
    excess = np.sum(weight * ((y - mu) ** 2 / free - mu))
    return float(np.clip(excess / np.sum(weight * mu**2), 0.02, 3.0))
