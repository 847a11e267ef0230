"""Each arm its own quota: whole units that add up to what there is."""

from __future__ import annotations

import numpy as np

from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["allot"]


def allot(units: IntArray, share: FloatArray, *, rng: np.random.Generator) -> IntArray:
    """Split whole units in proportion to the shares, at least one to each arm.

    What is left over after rounding down goes, unit by unit, to arms drawn with the probability of their lost
    fractions (systematic sampling, Madow 1949), so that every arm's expected quota is units x share.

    Args:
        units: units of each offer, at least one per arm, (n,).
        share: share of each arm, rows sum to 1, all above 0, (n, n_arms).
        rng: of the remainders.

    Returns:
        Units of each arm, (n, n_arms); rows sum to `units`.

    Raises:
        InputError: shares that do not sum to 1 or are not above 0, or fewer units than arms.
    """
    if not (np.isfinite(share).all() and (share > 0.0).all() and np.allclose(share.sum(axis=1), 1.0, atol=1e-9)):
        raise InputError("Shares of arms must be above 0 and sum to 1. Correct them.")
    n_arms = share.shape[1]
    if len(units) and units.min() < n_arms:
        at = int(units.argmin())
        raise InputError(
            f"A quota of {units[at]} cannot be split between {n_arms} arms (row {at}). Raise it to {n_arms} or more, "
            "or leave the offer out of the test."
        )
    borders = np.concatenate([np.zeros((len(units), 1)), (units[:, None] * share).cumsum(axis=1)], axis=1)
    borders[:, -1] = units
    start = rng.random((len(units), 1))
    quota = np.diff(np.floor(borders + start), axis=1).astype(np.int64)
    for row in np.flatnonzero(quota.min(axis=1, initial=1) < 1):  # an arm with less than one expected unit
        while quota[row].min() < 1:
            quota[row, quota[row].argmax()] -= 1
            quota[row, quota[row].argmin()] += 1
    return quota
