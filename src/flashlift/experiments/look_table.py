"""The looks at a running test as a table."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import polars as pl
from scipy.special import ndtri

from flashlift.experiments.looks import Look
from flashlift.experiments.running_test import Goal, Guardrail, RunningTest
from flashlift.experiments.verdicts import Judged, score, sequence_bounds
from flashlift.stats.normal import student_score

__all__ = ["table"]

FLOATS = (
    *("information_frac", "effect_size", "std_error", "z", "critical", "ci_lower", "ci_upper", "fixed_ci_lower"),
    *("fixed_ci_upper", "cs_lower", "cs_upper", "limit", "alpha_spent", "ratio_pvalue"),
)
SCHEMA = {
    "look": pl.Int64(),
    "at": pl.Datetime("us", "UTC"),
    "units": pl.Int64(),
    "metric": pl.String(),
    "role": pl.String(),
    **dict.fromkeys(FLOATS, pl.Float64()),
    "verdict": pl.String(),
}


def table(test: RunningTest, judged: Sequence[Judged]) -> pl.DataFrame:
    """One row per look and metric; what is not defined at a look is null."""
    rows = [row for k, one in enumerate(judged) for row in _rows(test, k, one)]
    finite = pl.selectors.float().is_finite()
    return pl.DataFrame(rows, schema=SCHEMA).with_columns(pl.when(finite).then(pl.selectors.float()))


def _rows(test: RunningTest, number: int, one: Judged) -> list[dict[str, Any]]:
    shared = {
        "look": number + 1,
        "at": one.look.at,
        "units": one.look.units,
        "information_frac": one.look.learned / test.planned,
        "ratio_pvalue": one.ratio_pvalue,
        "verdict": str(one.verdict),
    }
    of_goals = [shared | _read(test, one.look, goal) | _goal_interval(one, goal) for goal in test.goals]
    of_guards = [
        shared | _read(test, one.look, guard) | _guard_interval(test, one.look, guard) for guard in test.guardrails
    ]
    return of_goals + of_guards


def _read(test: RunningTest, look: Look, metric: Goal | Guardrail) -> dict[str, Any]:
    reading = look.readings[metric.name]
    alpha = test.goal_alpha if isinstance(metric, Goal) else test.guardrail_alpha
    lower, upper = sequence_bounds(test, look, reading, alpha=alpha, one_sided=False)
    half = float(student_score(-ndtri(alpha / 2.0), reading.degrees)) * reading.std_error
    return {
        "metric": metric.name,
        "effect_size": reading.effect,
        "std_error": reading.std_error,
        "z": score(reading),
        "fixed_ci_lower": reading.effect - half,
        "fixed_ci_upper": reading.effect + half,
        "cs_lower": lower,
        "cs_upper": upper,
    }


def _goal_interval(one: Judged, goal: Goal) -> dict[str, Any]:
    """The repeated confidence interval (Jennison and Turnbull, JRSS B 1989)."""
    if one.boundary is None:
        return {"role": "goal"}
    reading, critical = one.look.readings[goal.name], one.boundary.critical[-1]
    half = float(student_score(critical, reading.degrees)) * reading.std_error
    return {
        "role": "goal",
        "critical": critical,
        "ci_lower": reading.effect - half,
        "ci_upper": reading.effect + half,
        "alpha_spent": one.boundary.spent[-1],
    }


def _guard_interval(test: RunningTest, look: Look, guard: Guardrail) -> dict[str, Any]:
    reading = look.readings[guard.name]
    lower, upper = sequence_bounds(test, look, reading, alpha=test.guardrail_alpha, one_sided=True)
    return {"role": "guardrail", "ci_lower": lower, "ci_upper": upper, "limit": -guard.better.sign * guard.margin}
