"""How demand answers to a sale: lift of being shown and price elasticity, pooled item <- category <- shop.

Units y of a sale with baseline B, depth d and x = -log(1 - d) follow a quasi negative binomial with

    log E[y] = log B + visibility_i + elasticity_i * x + gamma . z     (elasticity_i >= 0: minus d ln q / d ln p)
    (visibility, elasticity)_i ~ N(mu_category, within),   mu_category ~ N(mu_shop, between),   mu_shop ~ N(prior)

z are controls: the demand state before the sale, the position, a mark for sales that were not drawn by lot together
with its product with x (so that randomized sales, where there are any, decide what the others are biased by), and
the gap that the merchant's rule makes us expect (`selection`). Each step linearizes the likelihood and solves the
whole Gaussian hierarchy exactly by eliminating items, then categories (2 x 2 blocks, vectorized); covariances follow
by expectation maximization with a weak inverse-Wishart prior (empirical Bayes; Gelman et al., Bayesian Data
Analysis, 3rd ed., ch. 5 and 15).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from scipy.sparse import csc_array

from flashlift.demand.config import DemandConfig
from flashlift.protocols import FloatArray, IntArray

__all__ = ["LOG_POSITION", "Effects", "Response", "SaleRows", "fit_response"]

_STEPS = 60
_WITHIN = np.diag([0.25**2, 0.8**2])  # where the prior of the covariances is centered
_BETWEEN = np.diag([0.15**2, 0.5**2])
_PRIOR_COUNT = 5.0
_CONTROL_MEAN = np.array([0.0, 0.0, 0.0, 0.0, 1.0])  # state, log position, not by lot, the same times x, expected gap
# What is left of the bias of chosen sales after the expected gap is small; a wide prior would throw their weight away.
_CONTROL_SD = np.array([0.3, 0.5, 0.1, 0.2, 0.35])
LOG_POSITION = 3
"""Place of the log position among effects and controls."""

_P = 2 + len(_CONTROL_SD)  # effects and controls
_J = 2 + _P  # effects of the child, effects of the parent, controls


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
        log_position: where the control of the position is 0; None where no sale has a position.
    """

    item: IntArray
    units: FloatArray
    baseline: FloatArray
    x: FloatArray
    controls: FloatArray
    lump: FloatArray
    log_position: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Effects:
    """Children given their parent vector p: N(constant + slope p, covariance), p = (parent's effects, controls).

    Args:
        constant: (n, 2).
        slope: (n, 2, 7).
        covariance: (n, 2, 2).
    """

    constant: FloatArray
    slope: FloatArray
    covariance: FloatArray

    def take(self, rows: IntArray) -> Effects:
        """Some of the children."""
        return Effects(constant=self.constant[rows], slope=self.slope[rows], covariance=self.covariance[rows])

    def choose(self, rows: IntArray, unknown: Effects) -> Effects:
        """The child of each row, and that of `unknown` in the same place where the row is -1."""

        def pick(name: str) -> FloatArray:
            own, other = getattr(self, name), getattr(unknown, name)
            return np.asarray(np.where((rows >= 0).reshape(-1, *[1] * (own.ndim - 1)), own[rows], other))

        return Effects(**{name: pick(name) for name in Effects.__slots__})

    def mean(self, parent: FloatArray) -> FloatArray:
        """Mean given parents (n, 7) or (7,)."""
        return np.asarray(
            self.constant + np.einsum("nij,nj->ni", self.slope, np.broadcast_to(parent, (len(self.constant), _P)))
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """Posterior of (visibility, elasticity) of every item, category and the shop.

    Args:
        items: items given (category, controls).
        categories: categories given (shop, controls).
        shop_mean: mean of (visibility, elasticity, controls), (7,).
        shop_covariance: (7, 7).
        within: covariance of items around their category, (2, 2).
        between: covariance of categories around the shop, (2, 2).
        dispersion: 1 / r of the negative binomial.
        n_sales: sales behind it.
    """

    items: Effects
    categories: Effects
    shop_mean: FloatArray
    shop_covariance: FloatArray
    within: FloatArray
    between: FloatArray
    dispersion: float
    n_sales: int

    def of_items(self, rows: IntArray) -> Effects:
        """Some of the items; an unknown one (row -1) has its category and the spread within it."""
        return self.items.choose(rows, _no_data(len(rows), self.within))

    def of_categories(self, rows: IntArray) -> Effects:
        """Some of the categories; an unknown one (row -1) has the shop and the spread of categories in it."""
        return self.categories.choose(rows, _no_data(len(rows), self.between))

    def marginal(self, items: Effects, categories: Effects) -> tuple[FloatArray, FloatArray]:
        """Mean (n, 2) and covariance (n, 2, 2) of items, with the category of each; all uncertainty included."""
        parent, spread = self.category_marginal(categories)
        mean = items.constant + np.einsum("nij,nj->ni", items.slope, parent)
        return mean, items.covariance + items.slope @ spread @ items.slope.transpose(0, 2, 1)

    def category_marginal(self, categories: Effects) -> tuple[FloatArray, FloatArray]:
        """Mean (n, 7) and covariance (n, 7, 7) of (category, controls)."""
        n = len(categories.constant)
        own = categories.constant + categories.slope @ self.shop_mean
        mean = np.concatenate([own, np.broadcast_to(self.shop_mean[2:], (n, _P - 2))], axis=1)
        step = np.zeros((n, _P, _P))
        step[:, :2] = categories.slope
        step[:, 2:, 2:] = np.eye(_P - 2)
        spread = step @ self.shop_covariance @ step.transpose(0, 2, 1)
        spread[:, :2, :2] += categories.covariance
        return mean, spread


def _no_data(n: int, covariance: FloatArray) -> Effects:
    slope = np.zeros((n, 2, 7))
    slope[:, :, :2] = np.eye(2)
    return Effects(constant=np.zeros((n, 2)), slope=slope, covariance=np.broadcast_to(covariance, (n, 2, 2)).copy())


def fit_response(rows: SaleRows, category: IntArray, n_categories: int, config: DemandConfig) -> Response:
    """Fit the hierarchy. Without rows the result is the assumed prior. `category` is that of each item."""
    prior_mean = np.concatenate([[config.assumed_visibility, -config.assumed_elasticity], _CONTROL_MEAN])
    precision = np.diag(
        1 / np.concatenate([[config.assumed_visibility_sd, config.assumed_elasticity_sd], _CONTROL_SD]) ** 2
    )
    x = np.column_stack([np.ones_like(rows.x), rows.x])
    y, offset = rows.units / rows.lump, np.log(rows.baseline / rows.lump)
    within, between, dispersion = _WITHIN, _BETWEEN, 0.2
    eta = offset + x @ prior_mean[:2] + rows.controls @ _CONTROL_MEAN
    for _ in range(_STEPS):
        mu = np.exp(eta)
        weight = mu / (1 + dispersion * mu)
        target = eta - offset + (y - mu) / mu
        items, info, score = _eliminate_items(rows.item, x, rows.controls, weight, target, category, within)
        categories, info, score = _eliminate_categories(info, score, category, n_categories, between)
        shop_covariance = np.linalg.inv(info + precision)
        shop_covariance = 0.5 * (shop_covariance + shop_covariance.T)  # rounding would make it a little lopsided
        shop_mean = shop_covariance @ (score + precision @ prior_mean)
        response = Response(
            items=items,
            categories=categories,
            shop_mean=shop_mean,
            shop_covariance=shop_covariance,
            within=within,
            between=between,
            dispersion=dispersion,
            n_sales=len(rows.x),
        )
        parent, spread = response.category_marginal(categories)
        theta = items.constant + np.einsum("nij,nj->ni", items.slope, parent[category])
        fitted = offset + np.sum(x * theta[rows.item], axis=1) + rows.controls @ shop_mean[2:]
        eta = np.clip(fitted, eta - 1.0, eta + 1.0)
        if len(y):
            leverage = weight * np.einsum("ri,rij,rj->r", x, items.covariance[rows.item], x)
            dispersion = _dispersion(y, np.exp(eta), leverage)
            active = np.unique(rows.item)
            within = _spread(
                items.take(active), theta[active], parent[category[active]], spread[category[active]], _WITHIN
            )
            seen = np.unique(category[active])
            shop = np.broadcast_to(shop_mean, (len(seen), _P))
            covariance = np.broadcast_to(shop_covariance, (len(seen), _P, _P))
            between = _spread(categories.take(seen), parent[seen, :2], shop, covariance, _BETWEEN)
    return response


def _eliminate(info: FloatArray, score: FloatArray) -> tuple[Effects, FloatArray, FloatArray]:
    """Integrate the first two variables out of Gaussians in information form (n, 9, 9), (n, 9)."""
    covariance = np.asarray(np.linalg.inv(info[:, :2, :2]), dtype=np.float64)
    cross = info[:, :2, 2:]
    slope = -covariance @ cross
    constant = np.einsum("nij,nj->ni", covariance, score[:, :2])
    rest = info[:, 2:, 2:] + cross.transpose(0, 2, 1) @ slope
    rest_score = score[:, 2:] - np.einsum("nij,ni->nj", cross, constant)
    return Effects(constant=constant, slope=slope, covariance=covariance), rest, rest_score


def _summed(values: FloatArray, group: IntArray, n_groups: int) -> FloatArray:
    """Sums of (n, ...) by group, (n_groups, ...). Each is added up in the order of the rows, as by `np.add.at`."""
    n = len(group)
    members = csc_array((np.ones(n), group, np.arange(n + 1)), shape=(n_groups, n))
    return np.asarray(members @ values.reshape(n, prod(values.shape[1:]))).reshape(n_groups, *values.shape[1:])


def _eliminate_items(
    item: IntArray,
    x: FloatArray,
    controls: FloatArray,
    weight: FloatArray,
    target: FloatArray,
    category: IntArray,
    within: FloatArray,
) -> tuple[Effects, FloatArray, FloatArray]:
    """Gaussians over (item's effects, category's effects, controls), the item's effects integrated out."""
    n_items = len(category)
    design = np.concatenate([x, np.zeros_like(x), controls], axis=1)
    weighted = design * weight[:, None]
    info = _summed(weighted[:, :, None] * design[:, None, :], item, n_items)
    score = _summed(weighted * target[:, None], item, n_items)
    inverse = np.linalg.inv(within)
    info[:, :2, :2] += inverse
    info[:, 2:4, 2:4] += inverse
    info[:, :2, 2:4] -= inverse
    info[:, 2:4, :2] -= inverse
    return _eliminate(info, score)


def _eliminate_categories(
    info: FloatArray, score: FloatArray, category: IntArray, n_categories: int, between: FloatArray
) -> tuple[Effects, FloatArray, FloatArray]:
    """Gaussians over (category's effects, shop's effects, controls), the first integrated out, and summed."""
    total, total_score = np.zeros((n_categories, _J, _J)), np.zeros((n_categories, _J))
    to = np.array([0, 1, *range(4, _J)])
    total[np.ix_(np.arange(n_categories), to, to)] = _summed(info, category, n_categories)
    total_score[:, to] = _summed(score, category, n_categories)
    inverse = np.linalg.inv(between)
    total[:, :2, :2] += inverse
    total[:, 2:4, 2:4] += inverse
    total[:, :2, 2:4] -= inverse
    total[:, 2:4, :2] -= inverse
    effects, rest, rest_score = _eliminate(total, total_score)
    return effects, rest.sum(0), rest_score.sum(0)


def _spread(
    children: Effects, mean: FloatArray, parent: FloatArray, spread: FloatArray, prior: FloatArray
) -> FloatArray:
    """Expected covariance of children around their parents (maximization step), with its prior."""
    gap = mean - parent[:, :2]
    lever = children.slope.copy()
    lever[:, :, :2] -= np.eye(2)
    moments = children.covariance + lever @ spread @ lever.transpose(0, 2, 1) + gap[:, :, None] * gap[:, None, :]
    return np.asarray((_PRIOR_COUNT * prior + moments.sum(0)) / (_PRIOR_COUNT + len(mean)))


def _dispersion(y: FloatArray, mu: FloatArray, leverage: FloatArray) -> float:
    """Moment estimate of 1 / r from squared residuals, corrected for leverage."""
    free = np.clip(1.0 - leverage, 0.2, 1.0)
    weight = 1.0 / (1.0 + 0.2 * mu) ** 2
    excess = np.sum(weight * ((y - mu) ** 2 / free - mu))
    return float(np.clip(excess / np.sum(weight * mu**2), 0.02, 3.0))
