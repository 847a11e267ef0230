"""A factor that many counts share, told from their sum: how far traffic, or the response of a whole sale, was off.

Given draws of what was forecast for rows (items, offers), with all noise of single rows and of counting in them, the
log of actual / forecast of the sum is a measurement of the shared log factor. Its variance is that of the sum when each
row's draws are shuffled on their own, which keeps what is the row's own and breaks what rows share.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["Measured", "joined", "measure", "posterior", "posterior_mean"]

_HALF = 0.5  # of a count, which keeps the log of none finite
_LEAST = 1e-4  # variance of a log factor below which no shop is measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A measurement of a log factor with its variance, and the counts behind it: what came, and what was forecast."""

    log: float
    variance: float
    actual: float
    expected: float


def measure(
    actual: FloatArray, forecast: FloatArray, rng: np.random.Generator, *, cluster: IntArray | None = None
) -> Measured:
    """The log factor between counts and their forecast.

    Rows are weighted by forecast / variance, the best weights of a ratio: an item whose forecast is hardly known does
    not drown the others.

    Args:
        actual: counted, (n_rows,).
        forecast: draws of what was to be counted, (n_rows, n_draws).
        rng: of the shuffle.
        cluster: rows of one number share what is their own, such as several offers of an item, (n_rows,).
    """
    rows = np.arange(len(forecast)) if cluster is None else np.unique(cluster, return_inverse=True)[1]
    whole = np.zeros((int(rows.max(initial=-1)) + 1, forecast.shape[1]))
    counted = np.zeros(len(whole))
    np.add.at(whole, rows, forecast)
    np.add.at(counted, rows, actual)
    mean, total = whole.mean(axis=1), float(counted.sum())
    expected = float(mean.sum())
    if expected <= 0.0:
        return Measured(log=0.0, variance=np.inf, actual=total, expected=expected)
    weight = mean / np.maximum(whole.var(axis=1), 1e-3 * mean + 1e-12)
    weight *= expected / float(weight @ mean)  # so that the weighted forecast is the forecast
    came = float(weight @ counted)
    own = (weight[:, None] * _shuffled(whole, rng)).sum(axis=0).var()
    # Counting noise is of what came, not of what was forecast.
    variance = own / expected**2 * max(1.0, (expected + _HALF) / (came + _HALF))
    log = float(np.log((came + _HALF) / (expected + _HALF)))
    return Measured(log=log, variance=max(float(variance), _LEAST), actual=total, expected=expected)


def joined(one: Measured, log: float, variance: float, shared: float) -> Measured:
    """A measurement joined with a second one of the same factor.

    Args:
        one: by the forecast of units.
        log: the second one.
        variance: of the second one alone.
        shared: variance that both have in common, part of `one.variance`.
    """
    own = max(one.variance - shared, _LEAST)
    weight = variance / (own + variance)
    both = own * variance / (own + variance) + shared
    return Measured(
        log=weight * one.log + (1.0 - weight) * log, variance=both, actual=one.actual, expected=one.expected
    )


def posterior(
    found: Sequence[Measured], n_draws: int, rng: np.random.Generator, *, shared_sd: float, own_sd: float
) -> FloatArray:
    """Draws of the factors behind measurements, (n, n_draws): normal on the log scale, with a level in common.

    Args:
        found: a measurement each.
        n_draws: number of draws.
        rng: of the draws.
        shared_sd: how far the level in common may be off, as a standard deviation of its log.
        own_sd: the same of each beside it.
    """
    mean, covariance = _moments(found, shared_sd, own_sd)
    return np.exp(rng.multivariate_normal(mean, covariance, n_draws, method="cholesky").T)


def posterior_mean(found: Sequence[Measured], *, shared_sd: float, own_sd: float) -> FloatArray:
    """The middle of the same draws, (n,)."""
    return np.exp(_moments(found, shared_sd, own_sd)[0])


def _moments(found: Sequence[Measured], shared_sd: float, own_sd: float) -> tuple[FloatArray, FloatArray]:
    n = len(found)
    prior = shared_sd**2 * np.ones((n, n)) + own_sd**2 * np.eye(n)
    noise = np.diag([min(one.variance, 1e6) for one in found])
    gain = np.linalg.solve(prior + noise, prior).T
    mean = gain @ np.array([one.log for one in found])
    covariance = prior - gain @ prior
    return mean, (covariance + covariance.T) / 2 + 1e-12 * np.eye(n)


def _shuffled(draws: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Each row's draws in an order of its own."""
    return rng.permuted(draws, axis=1)
