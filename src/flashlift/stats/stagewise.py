"""What a group-sequential test says after it stopped: p-value, median-unbiased estimate and interval.

The plain estimate at the stop is too large on average, because large ones stop tests. Outcomes are ordered by the
stage-wise rule (Tsiatis, Rosner and Mehta, Biometrics 1984; Jennison and Turnbull 2000, section 8.4): a stop on
the upper side counts for the more, the earlier it came. It needs no look after the stop.
"""

from __future__ import annotations

from math import sqrt

import numpy as np
from scipy.optimize import brentq

from flashlift.domain import Estimate
from flashlift.errors import InputError
from flashlift.stats.group_sequential import Boundary, stagewise_order

__all__ = ["at_stop"]


def at_stop(known: Boundary, *, effect: float, std_error: float, level: float = 0.95) -> tuple[Estimate, float]:
    """Median-unbiased estimate with its interval, and the two-sided p-value.

    At alpha = 1 - level the interval leaves out 0 exactly where the test stopped at a boundary that spends alpha.

    Args:
        known: the boundary at the looks until the stop (or the planned end); only the last may have crossed.
        effect: the plain estimate at the last look.
        std_error: its standard error.
        level: probability that the interval claims.

    Raises:
        InputError: the standard error is not above 0, or a figure is not finite.
    """
    if not (np.isfinite([effect, std_error]).all() and std_error > 0.0):
        raise InputError(f"An effect of {effect:g} with standard error {std_error:g} is no estimate.")
    z, root = effect / std_error, sqrt(known.information[-1])
    beyond = stagewise_order(known, z)

    def where(probability: float) -> float:
        center, spread = z / root, 1.0 / root
        low, high = center - spread, center + spread
        while beyond(low) > probability:
            low -= (spread := 2.0 * spread)
        while beyond(high) < probability:
            high += (spread := 2.0 * spread)
        theta = float(brentq(lambda at: beyond(at) - probability, low, high, xtol=1e-12 * (high - low)))
        return theta * root * std_error  # from effects on the scale of the boundary to those of the caller

    out = (1.0 - level) / 2.0
    estimate = Estimate(value=where(0.5), ci_lower=where(out), ci_upper=where(1.0 - out), level=level)
    return estimate, 2.0 * stagewise_order(known, abs(z))(0.0)
