"""The state of a running test in words, for a campaign manager."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import polars as pl

from flashlift.domain import Estimate
from flashlift.experiments.running_test import Better, RunningTest
from flashlift.experiments.verdicts import Judged, Verdict

__all__ = ["basis", "headline", "readings_in_words", "when"]


def when(at: datetime) -> str:
    """An instant as people write it."""
    return f"{at:%Y-%m-%d %H:%M}"


def headline(test: RunningTest, judged: Sequence[Judged]) -> str:
    """What to do, and why."""
    last = judged[-1]
    share = last.look.learned / test.planned
    after = f"after {len(judged)} looks, with {last.look.units:,} units and {share:.0%} of the planned information"
    match last.verdict:
        case Verdict.CONTINUE:
            return (
                f"Go on: {after}, no goal has crossed its boundary, no guardrail is violated and the split is sound "
                f"(p = {last.ratio_pvalue:.2g})."
            )
        case Verdict.GAIN:
            return f"Stop for gain: {after}, {last.because} is better in {test.treatment} beyond what chance gives."
        case Verdict.HARM:
            return f"Stop for harm: {after}, {last.because} is worse in {test.treatment} beyond what chance gives."
        case Verdict.GUARDRAIL_VIOLATED:
            margin = next(guard.margin for guard in test.guardrails if guard.name == last.because)
            return (
                f"Stop: {after}, the guardrail {last.because} is violated: {test.treatment} makes it worse by more "
                f"than the margin of {margin:,g}."
            )
        case Verdict.RATIO_BROKEN:
            arms = ", ".join(f"{name} {count:,}" for name, count in last.look.counts.items())
            return (
                f"Stop, and use no figure of this test: the arms hold {arms}, an imbalance that a sound split of "
                f"{1.0 - test.treatment_frac:.0%} to {test.treatment_frac:.0%} shows at any look with probability "
                f"{last.ratio_pvalue:.1g} at most. Find out where the units went and run the test again."
            )
        case Verdict.NO_FINDING:
            return (
                f"The test ended without a finding: {after}, no goal crossed its boundary. That does not prove that "
                "there is no effect; the intervals say which ones remain possible."
            )


def readings_in_words(test: RunningTest, now: pl.DataFrame, final: Mapping[str, tuple[Estimate, float]]) -> list[str]:
    """A sentence per metric.

    Args:
        test: the test.
        now: rows of its table at the last look.
        final: estimate and p-value of each goal, where the test is over.
    """
    rows = {row["metric"]: row for row in now.iter_rows(named=True)}
    goals = [
        _final(goal.name, *final[goal.name]) if goal.name in final else _so_far(goal.name, rows[goal.name], test)
        for goal in test.goals
    ]
    return goals + [_guard(guard.name, guard.better, rows[guard.name]) for guard in test.guardrails]


def _final(name: str, estimate: Estimate, pvalue: float) -> str:
    return (
        f"The effect on {name} is {estimate.value:+,.3g} per unit ({100 * estimate.level:.4g}% interval "
        f"{estimate.ci_lower:+,.3g} to {estimate.ci_upper:+,.3g}, p = {pvalue:.2g}), corrected for the stop."
    )


def _so_far(name: str, row: Mapping[str, Any], test: RunningTest) -> str:
    if row["ci_lower"] is None:
        return (
            f"So far {name} differs by {row['effect_size']:+,.3g} per unit; goals were not judged at this look, "
            "because too little was learned since the one before."
        )
    return (
        f"So far {name} differs by {row['effect_size']:+,.3g} per unit ({100 * (1.0 - test.goal_alpha):.4g}% interval "
        f"{row['ci_lower']:+,.3g} to {row['ci_upper']:+,.3g}, valid at all looks together)."
    )


def _guard(name: str, better: Better, row: Mapping[str, Any]) -> str:
    if row["ci_lower"] is None:
        return f"Too few units to say anything of the guardrail {name}."
    limit, (bad, good) = row["limit"], sorted((row["ci_lower"], row["ci_upper"]), key=lambda end: better.sign * end)
    span = f"the effect on it is between {row['ci_lower']:+,.3g} and {row['ci_upper']:+,.3g}, its limit {limit:+,.3g}"
    if better.sign * good < better.sign * limit:
        return f"Guardrail {name}: violated; {span}."
    if better.sign * bad > better.sign * limit:
        return f"Guardrail {name}: safe; {span}."
    return f"Guardrail {name}: not decided yet; {span}."


def basis(test: RunningTest) -> str:
    """The estimand, and what all of it rests on."""
    looks = "units in the test" if test.planned_information is None else "the information that each look states"
    return (
        f"The estimand is the average effect of {test.treatment} against {test.control} per unit, over the units in "
        "the test. It assumes that units were assigned by lot, that one unit's arm does not change another unit's "
        f"outcome (no shared scarce stock), that early and late units react alike, that precision grows with {looks}, "
        f"and that the end ({when(test.end)}, or {test.planned:,.0f} of them) was fixed before the first look."
    )
