"""Inference from the lot alone: Fisher's randomization test, and intervals by inverting it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations, product
from math import prod

import numpy as np
from scipy.special import comb

from flashlift.domain import Estimate
from flashlift.errors import InputError, InsufficientDataError
from flashlift.protocols import FloatArray, IntArray

__all__ = [
    "Lots",
    "Statistic",
    "blocked",
    "difference_in_means",
    "difference_in_ratios",
    "randomization_interval",
    "randomization_pvalue",
]

ENUMERATED = 10_000  # up to so many assignments all of them are used, so that the test is exact

Statistic = Callable[[FloatArray, FloatArray], FloatArray]
"""(assignments (m, n) of 0 and 1, outcomes (n,)) -> statistic of each assignment (m,), all of them at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lots:
    """Assignments that the lot could have given, each with the same probability.

    Args:
        drawn: 1 where a unit is treated, else 0, (m, n).
        complete: whether these are all assignments; else they are independent draws.
    """

    drawn: FloatArray
    complete: bool


def blocked(block: IntArray, treated: FloatArray, n_draws: int, *, rng: np.random.Generator) -> Lots:
    """Assignments that treat, in each block, as many units as were treated. One block: complete randomization.

    Args:
        block: label of each unit's block, (n,); pairs are blocks of two of which one is treated.
        treated: the assignment that was drawn, (n,).
        n_draws: assignments to draw where there are more than `ENUMERATED`.
        rng: source of the draws.
    """
    if block.shape != treated.shape or not np.isin(treated, (0.0, 1.0)).all():
        raise InputError(f"Blocks {block.shape} and treated {treated.shape}: give a label and 0 or 1 to each unit.")
    rows = [np.flatnonzero(block == one) for one in np.unique(block)]
    counts = [int(treated[row].sum()) for row in rows]
    if prod(comb(len(row), k, exact=True) for row, k in zip(rows, counts, strict=True)) <= ENUMERATED:
        return Lots(drawn=_all(rows, counts, len(block)), complete=True)
    drawn = np.zeros((n_draws, len(block)))
    for row, k in zip(rows, counts, strict=True):
        chosen = rng.random((n_draws, len(row))).argsort(axis=1)[:, :k]
        np.put_along_axis(drawn, row[chosen], 1.0, axis=1)
    return Lots(drawn=drawn, complete=False)


def difference_in_means(assigned: FloatArray, outcome: FloatArray) -> FloatArray:
    """Mean of the treated less mean of the others, (m,). A `Statistic`."""
    n_treated = assigned.sum(axis=1)
    treated = assigned @ outcome
    return np.asarray(treated / n_treated - (outcome.sum() - treated) / (assigned.shape[1] - n_treated))


def difference_in_ratios(size: FloatArray) -> Statistic:
    """Statistic: total per size of the treated less that of the others, in units of the mean size.

    Args:
        size: of each unit, known before the lot, above 0, (n,).
    """

    def statistic(assigned: FloatArray, outcome: FloatArray) -> FloatArray:
        treated, whole = assigned @ outcome, assigned @ size
        others = (outcome.sum() - treated) / (size.sum() - whole)
        return np.asarray((treated / whole - others) * size.mean())

    return statistic


def randomization_pvalue(outcome: FloatArray, treated: FloatArray, lots: Lots, statistic: Statistic) -> float:
    """Two-sided p-value of the sharp null that no unit's outcome depends on its arm (Fisher 1935).

    Share of assignments with a statistic at least as far from 0 as the observed one; where they are draws, the
    observed one counts among them (Phipson and Smyth 2010), so that the test keeps its level.
    """
    seen = abs(float(statistic(treated[None, :], outcome)[0]))
    extreme = np.abs(statistic(lots.drawn, outcome)) >= seen - 1e-9 * max(seen, 1e-300)
    if lots.complete:
        return float(extreme.mean())
    return float((1 + extreme.sum()) / (1 + len(extreme)))


def randomization_interval(
    outcome: FloatArray,
    treated: FloatArray,
    lots: Lots,
    statistic: Statistic,
    *,
    dose: FloatArray | None = None,
    level: float = 0.95,
) -> Estimate:
    """Effects tau that the randomization test does not reject, where treatment adds tau x dose to a unit's outcome.

    The p-value of tau is that of the outcomes less tau x dose of the treated; ends are found by bisection between the
    estimate, whose statistic is 0, and where the test rejects (Rosenbaum 2002, section 2.6). The statistic must
    fall as tau grows, as differences of means and ratios do, studentized or not.

    Args:
        outcome: of each unit, (n,).
        treated: 1 where the unit was treated, else 0, (n,).
        lots: assignments that could have been.
        statistic: as above.
        dose: what the effect is in proportion to, above 0, (n,); None: the same for all.
        level: probability that the interval claims.

    Raises:
        InsufficientDataError: so few assignments that none can be rejected at this level.
    """
    amount = treated * (np.ones(len(outcome)) if dose is None else dose)
    alpha = 1.0 - level
    if 2.0 / (len(lots.drawn) + (not lots.complete)) > alpha:
        raise InsufficientDataError(
            f"{len(lots.drawn)} assignments cannot give a {level:.0%} interval. Use more windows or units."
        )

    def signed(tau: float) -> float:
        return float(statistic(treated[None, :], outcome - tau * amount)[0])

    def kept(tau: float) -> bool:
        return randomization_pvalue(outcome - tau * amount, treated, lots, statistic) > alpha

    spread = float(np.ptp(outcome)) / float(amount[amount > 0.0].mean()) + 1e-12
    low, high = _bracket(lambda tau: signed(tau) > 0.0, -spread, spread)
    center = _bisect(lambda tau: signed(tau) > 0.0, low, high)
    ends = []
    for direction in (-1.0, 1.0):
        step = spread / 16.0
        while kept(center + direction * step):
            step *= 2.0
            if step > 1e6 * spread:
                raise InsufficientDataError(f"No effect is rejected at level {level:g}. Use more windows or units.")
        ends.append(_bisect(kept, center, center + direction * step))
    return Estimate(value=center, ci_lower=ends[0], ci_upper=ends[1], level=level)


def _bracket(above: Callable[[float], bool], low: float, high: float) -> tuple[float, float]:
    """Move the ends apart until `above` holds at the lower one and fails at the upper one."""
    for _ in range(60):
        if above(low) and not above(high):
            return low, high
        low, high = (low if above(low) else 2.0 * low - high), (high if not above(high) else 2.0 * high - low)
    raise InputError("The statistic does not fall as the effect grows. Choose a difference of means or of ratios.")


def _bisect(holds: Callable[[float], bool], inside: float, outside: float) -> float:
    """Border between `inside`, where `holds`, and `outside`, where it does not."""
    for _ in range(40):
        middle = (inside + outside) / 2.0
        inside, outside = (middle, outside) if holds(middle) else (inside, middle)
    return (inside + outside) / 2.0


def _all(rows: list[IntArray], counts: list[int], n: int) -> FloatArray:
    """Every assignment, block by block."""
    choices = [list(combinations(row, k)) for row, k in zip(rows, counts, strict=True)]
    drawn = np.zeros((prod(len(one) for one in choices), n))
    for number, picked in enumerate(product(*choices)):
        drawn[number, [unit for units in picked for unit in units]] = 1.0
    return drawn
