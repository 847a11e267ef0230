"""Poisson counts as a function of a uniform number, so that a larger mean never gives a smaller count."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtri

from flashlift.protocols import FloatArray

__all__ = ["poisson_quantile"]

_EXACT_UP_TO = 16.0
_LAST = 100  # P(Poisson(16) > 100) < 1e-40: only rounding can bring the search this far


def poisson_quantile(uniform: FloatArray, mean: FloatArray) -> FloatArray:
    """Smallest k with P(Poisson(mean) <= k) >= uniform.

    Exact up to a mean of 16. Beyond it the second-order Cornish-Fisher expansion (whose mean is exact) is
    added to the exact count at 16, which keeps the count monotone in the mean across the border.

    Args:
        uniform: in [0, 1), any shape.
        mean: at least 0, the same shape.

    Returns:
        Counts as floats, the same shape; monotone in both arguments.
    """
    shape = mean.shape
    uniform, mean = np.minimum(uniform.ravel(), 1.0 - 1e-12), mean.ravel()
    small = np.minimum(mean, _EXACT_UP_TO)
    count = np.zeros(len(mean))
    term = np.exp(-small)
    at = np.flatnonzero(uniform > term)
    term = term[at]
    total, wanted, rate = term.copy(), uniform[at], small[at]
    k = 0
    while len(at):
        k += 1
        count[at] = k
        term = term * rate / k
        total = total + term
        on = (wanted > total) & (k < _LAST)
        at, term, total, wanted, rate = at[on], term[on], total[on], wanted[on], rate[on]
    large = np.flatnonzero(mean > _EXACT_UP_TO)
    if len(large):
        z = ndtri(np.clip(uniform[large], 1e-9, 1.0 - 1e-9))
        count[large] += np.rint(_cornish_fisher(mean[large], z) - _cornish_fisher(_EXACT_UP_TO, z))
    return count.reshape(shape)


def _cornish_fisher(mean: FloatArray | float, z: FloatArray) -> FloatArray:
    """Continuous quantile of a Poisson at the normal quantile `z`; the 1 / sqrt(mean) term is left out."""
    return np.asarray(mean + np.sqrt(mean) * z + (z**2 - 1.0) / 6.0)
