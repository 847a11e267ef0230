"""What the sale took from other items and other days, as far as this log tells: a factor on what was forecast of it.

Each is a regression of what others sold beyond their forecast on what the sale was expected to move there, with the
forecast as prior. A single sale moves few units among many, so the prior often stays most of the answer; the interval
says so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from flashlift.account import HORIZON_DAYS
from flashlift.protocols import FloatArray

__all__ = ["Moved", "moved_factor", "share_by"]

FADE = 0.9  # of a loss after a sale, from one day to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Draws of a factor on the units that were expected to move, (n_draws,), and how much of it the log tells.

    Args:
        factor: 1 as forecast, 0 none moved.
        learned_frac: share of the prior variance that the log removed, in [0, 1].
    """

    factor: FloatArray
    learned_frac: float


def moved_factor(
    expected: FloatArray,
    beyond: FloatArray,
    variance: FloatArray,
    *,
    prior_sd: float,
    n_draws: int,
    rng: np.random.Generator,
) -> Moved:
    """The factor, from rows that were to be moved.

    Args:
        expected: units expected to move to each row, negative where away from it, (n,).
        beyond: units counted less those forecast without the sale, (n,).
        variance: of `beyond` by chance and by errors of the forecast, (n,).
        prior_sd: standard deviation of the factor, whose mean is 1, before the log is read.
        n_draws: number of draws.
        rng: of the draws.
    """
    weight = expected / np.maximum(variance, 1e-9)
    known = float(weight @ expected)
    precision = prior_sd**-2 + known
    mean = (prior_sd**-2 + float(weight @ beyond)) / precision
    factor = mean + precision**-0.5 * rng.standard_normal(n_draws)
    return Moved(factor=factor, learned_frac=known / precision)


def share_by(days: float) -> float:
    """Share of what a sale takes from the days after it that is taken within so many of them."""
    return float((1.0 - FADE ** min(days, HORIZON_DAYS)) / (1.0 - FADE**HORIZON_DAYS))
