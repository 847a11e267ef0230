"""What a look at a running test says.

Goals are group-sequential tests, because a sale's end is known; guardrails and the sample ratio are watched by
sequences that hold whenever one stops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from flashlift.experiments.looks import Look, Reading
from flashlift.experiments.running_test import Guardrail, RunningTest
from flashlift.stats.confidence_sequence import FEWEST_UNITS, ConfidenceSequence
from flashlift.stats.group_sequential import SMALLEST_STEP, Boundary, boundary
from flashlift.stats.normal import normal_score, student_score
from flashlift.stats.sequential_ratio import ratio_pvalues

__all__ = ["RATIO_ALPHA", "Judged", "Verdict", "judge", "score", "sequence_bounds"]

RATIO_ALPHA = 0.01  # of accusing a sound split at any look of the whole test


class Verdict(StrEnum):
    """What a look says."""

    CONTINUE = "continue"
    GAIN = "stop for gain"
    HARM = "stop for harm"
    RATIO_BROKEN = "sample ratio broken"
    GUARDRAIL_VIOLATED = "guardrail violated"
    NO_FINDING = "ended without a finding"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """A look and what it says.

    Args:
        look: the look.
        ratio_pvalue: always-valid p-value of a sound split.
        boundary: of the goals, at the looks until this one; None at a look that taught nothing new about them.
        verdict: what it says.
        because: the metric behind the verdict, where there is one.
    """

    look: Look
    ratio_pvalue: float
    boundary: Boundary | None
    verdict: Verdict
    because: str | None = None


def judge(test: RunningTest, looks: Sequence[Look]) -> tuple[Judged, ...]:
    """Every look until the first that ends the test."""
    over = next((k for k, look in enumerate(looks) if _is_last(test, look)), None)
    until = looks if over is None else looks[: over + 1]
    if not until:
        return ()
    ratio = _ratio_pvalues(test, until)
    counted = _counted(test, until, ended=over is not None)
    whole = (
        boundary(list(counted.values()), planned=test.planned, alpha=test.goal_alpha, ended=over is not None)
        if counted
        else None
    )
    judged: list[Judged] = []
    for k, look in enumerate(until):
        known = whole.until(list(counted).index(k) + 1) if whole is not None and k in counted else None
        verdict, because = _verdict(test, look, ratio[k], known, last=k == over)
        judged.append(Judged(look=look, ratio_pvalue=ratio[k], boundary=known, verdict=verdict, because=because))
        if verdict is not Verdict.CONTINUE:
            break
    return tuple(judged)


def score(reading: Reading) -> float:
    """The z of a reading; Student's t on the normal scale."""
    return float(normal_score(reading.effect / reading.std_error, reading.degrees))


def sequence_bounds(
    test: RunningTest, look: Look, reading: Reading, *, alpha: float, one_sided: bool
) -> tuple[float, float]:
    """Bounds of the confidence sequence at a look; one-sided: each of the two holds at alpha by itself.

    Infinite before `FEWEST_UNITS` are in each arm.
    """
    if min(look.counts.values()) < FEWEST_UNITS:
        return -np.inf, np.inf
    critical = ConfidenceSequence(alpha=alpha, one_sided=one_sided).critical(look.learned / test.planned)
    half = float(student_score(critical, reading.degrees)) * reading.std_error
    return reading.effect - half, reading.effect + half


def _is_last(test: RunningTest, look: Look) -> bool:
    return look.at >= test.end or look.learned >= test.planned


def _counted(test: RunningTest, looks: Sequence[Look], *, ended: bool) -> dict[int, float]:
    """Looks at which goals are judged, and their information: those that taught something since the one before.

    Fallen information teaches nothing. The final look always counts: where it taught nothing, it is held to have taught
    a little, which takes the statistics of the two looks to be less alike than they are, and errs to the safe side.
    """
    least = SMALLEST_STEP * test.planned
    counted: dict[int, float] = {}
    known = 0.0
    for k, look in enumerate(looks):
        final = ended and k == len(looks) - 1
        if final or look.learned - known >= least:
            known = max(look.learned, known + 2.0 * least) if final else look.learned
            counted[k] = known
    return counted


def _ratio_pvalues(test: RunningTest, looks: Sequence[Look]) -> list[float]:
    counts = [[look.counts[test.control], look.counts[test.treatment]] for look in looks]
    weights = [1.0 - test.treatment_frac, test.treatment_frac]
    return [float(p) for p in ratio_pvalues(counts, weights, expected_units=float(test.planned_units))]


def _verdict(
    test: RunningTest, look: Look, ratio_pvalue: float, known: Boundary | None, *, last: bool
) -> tuple[Verdict, str | None]:
    """The gravest finding of a look, and the metric behind it."""
    if ratio_pvalue < RATIO_ALPHA:
        return Verdict.RATIO_BROKEN, None
    for guard in test.guardrails:
        if _violated(test, look, guard):
            return Verdict.GUARDRAIL_VIOLATED, guard.name
    if known is not None:
        crossed = {
            goal.name: goal.better.sign * z
            for goal in test.goals
            if abs(z := score(look.readings[goal.name])) >= known.critical[-1]
        }
        if crossed:
            worst = min(crossed, key=lambda name: crossed[name])
            return (Verdict.HARM if crossed[worst] < 0.0 else Verdict.GAIN), worst
    return (Verdict.NO_FINDING if last else Verdict.CONTINUE), None


def _violated(test: RunningTest, look: Look, guard: Guardrail) -> bool:
    """Whether the whole sequence lies beyond the margin, on the bad side."""
    lower, upper = sequence_bounds(test, look, look.readings[guard.name], alpha=test.guardrail_alpha, one_sided=True)
    sign = guard.better.sign
    return max(sign * lower, sign * upper) < -guard.margin
