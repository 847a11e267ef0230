"""Normal posteriors of (visibility, elasticity), cut to elasticities of at least 0: draws, curves, summaries."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri

from flashlift.demand.response import LOG_POSITION, Response
from flashlift.protocols import FloatArray, IntArray

__all__ = ["draw_effects", "draw_truncated", "elasticity_summary", "lift_curves"]

_LEVEL = 0.9
_BLOCK = 100  # items whose grids are held at once
_EDGES = ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2)


def draw_effects(
    response: Response, items: IntArray, brands: IntArray, categories: IntArray, n_draws: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Visibility and elasticity of items with their brands and categories (as in `marginal`), (n, n_draws) each.

    Items of a brand share the draw of their brand, brands that of their category, categories that of the shop. Last:
    what a unit of log position adds to the log lift, (n_draws,).
    """
    shop = rng.multivariate_normal(response.shop_mean, response.shop_covariance, n_draws, method="eigh")
    codes, of_category = np.unique(categories, return_inverse=True)
    top = response.of_categories(codes)
    category = np.empty((len(codes), n_draws, shop.shape[1]))
    category[:, :, 2:] = shop[:, 2:]
    noise = _noise(top.covariance, rng.standard_normal((len(codes), n_draws, 2)))
    category[:, :, :2] = top.constant[:, None] + np.einsum("nij,kj->nki", top.slope, shop) + noise
    pairs, of_pair = np.unique(np.column_stack([of_category, brands]), axis=0, return_inverse=True)
    named = np.flatnonzero(pairs[:, 1] != 0)
    middle, low = response.of_brands(pairs[named, 1]), response.of_items(items)
    visibility, elasticity = np.empty((len(items), n_draws)), np.empty((len(items), n_draws))
    for k in range(n_draws):
        parent = category[pairs[:, 0], k]
        noise = _noise(middle.covariance, rng.standard_normal((len(named), 1, 2)))[:, 0]
        parent[named, :2] = middle.mean(parent[named]) + noise
        visibility[:, k], elasticity[:, k] = draw_truncated(low.mean(parent[of_pair]), low.covariance, rng)
    return visibility, elasticity, shop[:, LOG_POSITION]


def _noise(covariance: FloatArray, normal: FloatArray) -> FloatArray:
    """Draws (n, k, 2) around 0 with covariances (n, 2, 2) from standard normal ones."""
    return np.asarray(np.einsum("nij,nkj->nki", np.linalg.cholesky(covariance), normal))


def draw_truncated(mean: FloatArray, covariance: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """One draw of (visibility, elasticity) for each of n normals, mean (n, 2) and covariance (n, 2, 2)."""
    return _at(mean, covariance, rng.random(len(mean)), rng.standard_normal(len(mean)))


def lift_curves(mean: FloatArray, covariance: FloatArray, discount: FloatArray) -> FloatArray:
    """Mean, lower and upper 90 % edge of the lift at each discount, (3, n, n_discounts)."""
    out = np.empty((3, len(mean), len(discount)))
    x = -np.log1p(-discount)
    for first in range(0, len(mean), _BLOCK):
        part = slice(first, first + _BLOCK)
        visibility, elasticity = _grid(mean[part], covariance[part])
        lift = np.exp(np.maximum(visibility[:, None] + elasticity[:, None] * x[:, None], 0.0))
        lift[:, discount == 0] = 1.0
        out[0, part], out[1:, part] = lift.mean(2), np.quantile(lift, _EDGES, axis=2)
    return out


def elasticity_summary(mean: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean, lower and upper 90 % edge of d ln q / d ln p, (n,) each, all at most 0."""
    center, sd = mean[:, 1], np.sqrt(covariance[:, 1, 1])
    below = ndtr(-center / sd)
    hazard = np.exp(-0.5 * (center / sd) ** 2) / np.sqrt(2 * np.pi) / (1 - below)
    edges = [center + sd * ndtri(below + (1 - below) * edge) for edge in _EDGES]
    return -(center + sd * hazard), -edges[1], -edges[0]


def _at(
    mean: FloatArray, covariance: FloatArray, uniform: FloatArray, normal: FloatArray
) -> tuple[FloatArray, FloatArray]:
    sd = np.sqrt(covariance[:, 1, 1])
    below = ndtr(-mean[:, 1] / sd)
    z = ndtri(np.clip(below + (1 - below) * uniform, 1e-12, 1 - 1e-12))
    slope = covariance[:, 0, 1] / sd
    rest = np.sqrt(np.maximum(covariance[:, 0, 0] - slope**2, 0.0))
    return mean[:, 0] + slope * z + rest * normal, np.maximum(mean[:, 1] + sd * z, 0.0)


def _grid(mean: FloatArray, covariance: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Points of equal probability, (n, 800) each: the same answer every time, without a seed."""
    high, low = np.meshgrid((np.arange(40) + 0.5) / 40, ndtri((np.arange(20) + 0.5) / 20), indexing="ij")
    n, points = len(mean), high.size
    visibility, elasticity = _at(
        np.repeat(mean, points, axis=0),
        np.repeat(covariance, points, axis=0),
        np.tile(high.ravel(), n),
        np.tile(low.ravel(), n),
    )
    return visibility.reshape(n, points), elasticity.reshape(n, points)
