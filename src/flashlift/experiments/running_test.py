"""The definition of a test that is looked at while it runs: goals, guardrails, and when it ends."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import numpy as np

from flashlift.errors import InputError
from flashlift.stats.group_sequential import inflation

__all__ = ["Better", "Goal", "Guardrail", "RunningTest"]


class Better(StrEnum):
    """Which way a metric should move."""

    HIGHER = "higher"
    LOWER = "lower"

    @property
    def sign(self) -> float:
        """1 or -1: an effect times it is good where it is above 0."""
        return 1.0 if self is Better.HIGHER else -1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A metric that the treatment is to move."""

    name: str
    better: Better = Better.HIGHER


@dataclass(frozen=True, slots=True, kw_only=True)
class Guardrail:
    """A metric that the treatment must not make worse by more than `margin` (in the metric's unit, at least 0)."""

    name: str
    margin: float
    better: Better = Better.HIGHER


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningTest:
    """The definition of a test that is looked at while it runs; it holds no data.

    Args:
        name: of the experiment.
        start, end: of the test. A look at or after `end` is the last one.
        planned_units: units expected in both arms together at the end; a test that reaches them earlier has ended.
        goals: at least one; each is tested at alpha / number of goals.
        guardrails: each is watched at alpha / number of guardrails.
        control, treatment: names of the arms.
        treatment_frac: share of the units in treatment, in (0, 1).
        alpha: two-sided false-positive rate of the goals together, over all looks.
        planned_information: where looks state their information (see `Look`), how much of it there will be at the
            end. For a metric that grows while units are in the test, planned units x variance of a unit's metric over
            a whole test, as past sales show it.
    """

    name: str
    start: datetime
    end: datetime
    planned_units: int
    goals: tuple[Goal, ...]
    guardrails: tuple[Guardrail, ...] = ()
    control: str = "control"
    treatment: str = "treatment"
    treatment_frac: float = 0.5
    alpha: float = 0.05
    planned_information: float | None = None

    def __post_init__(self) -> None:
        names = self.metrics
        if not self.goals or len(set(names)) < len(names):
            raise InputError(f"A test needs a goal, and each metric once, as a goal or a guardrail; given {names}.")
        if self.start.tzinfo is None or self.end.tzinfo is None or self.end <= self.start:
            raise InputError(f"The test must end after it starts, in UTC; given {self.start} to {self.end}.")
        if self.planned <= 0.0 or not 0.0 < self.treatment_frac < 1.0 or not 0.0 < self.alpha <= 0.5:
            raise InputError(
                "A test needs planned units above 0, a treatment share in (0, 1) and an alpha in (0, 0.5]; given "
                f"{self.planned:g}, {self.treatment_frac:g} and {self.alpha:g}."
            )
        low = [guard.name for guard in self.guardrails if not guard.margin >= 0.0]
        if low:
            raise InputError(f"The margin of {low[0]!r} is below 0. State how much worse it may get, 0 or more.")

    @property
    def metrics(self) -> list[str]:
        """Names of goals and guardrails."""
        return [goal.name for goal in self.goals] + [guard.name for guard in self.guardrails]

    @property
    def planned(self) -> float:
        """Information at which the test ends."""
        return float(self.planned_units) if self.planned_information is None else self.planned_information

    def sample_size_factor(self, looks: int, *, target_power: float = 0.8) -> float:
        """By how much to multiply the sample size of one look at the end, for `looks` equally spaced ones."""
        fractions = np.arange(1, looks + 1) / looks
        return inflation(fractions, alpha=self.goal_alpha, target_power=target_power)

    @property
    def goal_alpha(self) -> float:
        """Two-sided level of each goal."""
        return self.alpha / len(self.goals)

    @property
    def guardrail_alpha(self) -> float:
        """One-sided level of each guardrail."""
        return self.alpha / max(len(self.guardrails), 1)
