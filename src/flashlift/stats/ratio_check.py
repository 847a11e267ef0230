"""Sample-ratio check: do the arms hold as many units as they were meant to?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.special import chdtrc

from flashlift.errors import InputError, InsufficientDataError

__all__ = ["RatioCheck", "check_ratio"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioCheck:
    """Chi-square goodness of fit of the counts to the intended shares; a tiny `pvalue` means a broken split."""

    counts: dict[str, int]
    expected: dict[str, float]
    chi_square: float
    degrees: int
    pvalue: float


def check_ratio(counts: Mapping[str, int], weights: Mapping[str, float] | None = None) -> RatioCheck:
    """Compare counts per arm with the intended weights (equal when not given; any positive scale).

    Sources: Fabijan et al. 2019, "Diagnosing sample ratio mismatch"; Pearson's chi-square.

    Raises:
        InputError: an arm was seen that has no weight, or a weight is not positive.
        InsufficientDataError: fewer than two arms, or an arm that should hold less than one unit.
    """
    shares = dict.fromkeys(counts, 1.0) if weights is None else dict(weights)
    unknown = sorted(set(counts) - set(shares))
    if unknown or min(shares.values(), default=1.0) <= 0.0:
        raise InputError(f"Every arm needs a weight above 0; weights {shares}, arms without one: {unknown}.")
    total, scale = sum(counts.values()), sum(shares.values())
    expected = {arm: total * share / scale for arm, share in shares.items()}
    if len(expected) < 2 or min(expected.values()) < 1.0:
        raise InsufficientDataError(f"The check needs two arms with units in them; the counts are {dict(counts)}.")
    seen = {arm: int(counts.get(arm, 0)) for arm in expected}
    chi_square = sum((seen[arm] - expected[arm]) ** 2 / expected[arm] for arm in expected)
    degrees = len(expected) - 1
    return RatioCheck(
        counts=seen,
        expected=expected,
        chi_square=chi_square,
        degrees=degrees,
        pvalue=float(chdtrc(degrees, chi_square)),
    )
