"""Sequential sample-ratio test: do the arms hold the intended shares, asked as often as one likes?

Source: Lindon and Malek, "Anytime-valid inference for multinomial count data", NeurIPS 2022, equation 4.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray
from flashlift.stats.confidence_sequence import best_mixture

__all__ = ["log_ratio_evidence", "ratio_pvalues"]


def log_ratio_evidence(counts: npt.ArrayLike, weights: npt.ArrayLike, *, expected_units: float) -> FloatArray:
    """Logarithm of the e-process against the intended shares, (..., looks): a Bayes factor with a Dirichlet prior.

    It exceeds ln(1 / alpha) at any look with probability alpha at most while the split is sound. Looks may be
    at any counts; only the running counts are needed.

    Args:
        counts: units of each arm until each look, (..., looks, arms), not negative.
        weights: intended share of each arm, (arms,), any positive scale.
        expected_units: units at which the test is to see most, above 0; it sets how narrow the prior is.

    Raises:
        InputError: weights that are not positive, or counts that are negative, fall, or have another number of arms.
        InsufficientDataError: fewer than two arms.
    """
    seen, share = np.asarray(counts, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    _check(seen, share, expected_units)
    share = share / share.sum()
    prior = expected_units / best_mixture(0.05) * share
    total = seen.sum(axis=-1)
    under_prior = (gammaln(prior + seen) - gammaln(prior)).sum(axis=-1) - (
        gammaln(prior.sum() + total) - gammaln(prior.sum())
    )
    return np.asarray(under_prior - (seen * np.log(share)).sum(axis=-1))


def ratio_pvalues(counts: npt.ArrayLike, weights: npt.ArrayLike, *, expected_units: float) -> FloatArray:
    """Always-valid p-values of a sound split at each look, (..., looks), falling along it. See `log_ratio_evidence`."""
    most = np.maximum.accumulate(log_ratio_evidence(counts, weights, expected_units=expected_units), axis=-1)
    return np.asarray(np.exp(-np.maximum(most, 0.0)))


def _check(seen: FloatArray, share: FloatArray, expected_units: float) -> None:
    if share.ndim != 1 or len(share) < 2:
        raise InsufficientDataError(f"A sample-ratio test needs two arms or more, and there are {share.size}.")
    if not ((share > 0.0) & np.isfinite(share)).all() or not 0.0 < expected_units < np.inf:
        raise InputError(
            f"Every arm needs a weight above 0, and some units must be expected; given {share.tolist()} and "
            f"{expected_units:g}."
        )
    if seen.ndim < 2 or seen.shape[-1] != len(share):
        raise InputError(f"Counts of shape {seen.shape} do not hold one count per look and arm; arms: {len(share)}.")
    if not np.isfinite(seen).all() or (seen < 0.0).any() or (np.diff(seen, axis=-2) < 0.0).any():
        raise InputError("Counts must not be negative or fall from one look to the next: units were lost from the log.")
