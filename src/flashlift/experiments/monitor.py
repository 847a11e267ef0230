"""A running test, looked at as often as one likes: go on, stop for gain, stop for harm, or do not trust it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from math import inf, isfinite
from typing import Any

import polars as pl

from flashlift.domain import Estimate
from flashlift.errors import ArtifactError, InputError, InsufficientDataError
from flashlift.experiments.look_table import table
from flashlift.experiments.look_words import basis, headline, readings_in_words, when
from flashlift.experiments.looks import Look, Reading
from flashlift.experiments.running_test import Better, Goal, Guardrail, RunningTest
from flashlift.experiments.verdicts import Judged, Verdict, judge, score
from flashlift.stats.stagewise import at_stop

__all__ = ["Monitor"]

LAYOUT = 1  # of the saved state


@dataclass(frozen=True, slots=True, kw_only=True)
class Monitor:
    """A test and its looks until now; `add` gives the next one. Every verdict follows from test and looks alone.

    Raises:
        InputError: a look before the test, out of order, after its end, with fewer units than the look before it, or
            without a metric of the test.
    """

    test: RunningTest
    looks: tuple[Look, ...] = ()
    judged: tuple[Judged, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check(self.test, self.looks)
        judged = judge(self.test, self.looks)
        if len(judged) < len(self.looks):
            last = judged[-1]
            raise InputError(
                f"The test is over since {when(last.look.at)} ({last.verdict}), so the look at "
                f"{when(self.looks[len(judged)].at)} does not count. Read its result; to know more, begin another test."
            )
        object.__setattr__(self, "judged", judged)

    @property
    def verdict(self) -> Verdict:
        """What the last look says; to continue, where there is none."""
        return self.judged[-1].verdict if self.judged else Verdict.CONTINUE

    def add(self, look: Look) -> Monitor:
        """With one look more."""
        return replace(self, looks=(*self.looks, look))

    def replay(self, looks: Iterable[Look]) -> Monitor:
        """With the given looks until the first that ends the test."""
        whole = (*self.looks, *looks)
        _check(self.test, whole)
        return replace(self, looks=whole[: len(judge(self.test, whole))])

    def result(self, goal: str) -> tuple[Estimate, float]:
        """Median-unbiased estimate with its interval, and p-value, of a goal after the test is over.

        Raises:
            InsufficientDataError: the test goes on, its split is broken, or it ended before its goals were judged once.
        """
        last = next((one for one in reversed(self.judged) if one.boundary is not None), None)
        if self.verdict in {Verdict.CONTINUE, Verdict.RATIO_BROKEN} or last is None or last.boundary is None:
            raise InsufficientDataError(
                f"The test {self.test.name!r} has no final result, its verdict is {self.verdict}. Read its paragraph."
            )
        reading = last.look.readings[goal]
        z = score(reading)
        error = reading.effect / z if z else reading.std_error
        return at_stop(last.boundary, effect=reading.effect, std_error=error, level=1.0 - self.test.goal_alpha)

    def to_polars(self) -> pl.DataFrame:
        """One row per look and metric.

        `ci_lower`, `ci_upper` hold at all looks together (goals: repeated confidence interval; guardrails: one-sided
        confidence sequences on both sides); `fixed_ci_*` would hold at this look alone, `cs_*` is the two-sided
        confidence sequence. `limit`: where a guardrail's margin lies. Null: not judged at this look.
        """
        return table(self.test, self.judged)

    def paragraph(self) -> str:
        """The state of the test for a campaign manager: what to do, the estimates, and what they rest on."""
        if not self.judged:
            return f"The test {self.test.name!r} has not been looked at yet."
        last = self.judged[-1]
        if last.verdict is Verdict.RATIO_BROKEN:
            return headline(self.test, self.judged)
        over = last.verdict is not Verdict.CONTINUE and any(one.boundary is not None for one in self.judged)
        final = {goal.name: self.result(goal.name) for goal in self.test.goals} if over else {}
        now = self.to_polars().filter(pl.col("look") == len(self.judged))
        return " ".join([headline(self.test, self.judged), *readings_in_words(self.test, now, final), basis(self.test)])

    def to_json(self) -> str:
        """Test and looks as text; `from_json` gives them back."""
        looks = [asdict(look) for look in self.looks]
        for reading in (reading for look in looks for reading in look["readings"].values()):
            reading["degrees"] = reading["degrees"] if isfinite(reading["degrees"]) else None  # JSON knows no infinity
        state = {"layout": LAYOUT, "test": asdict(self.test), "looks": looks}
        return json.dumps(state, default=lambda instant: instant.isoformat(), indent=1, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> Monitor:
        """The monitor that `to_json` wrote; its verdicts are judged anew.

        Raises:
            ArtifactError: the text is not what `to_json` writes.
        """
        try:
            state = json.loads(text)
            if state["layout"] != LAYOUT:
                raise ValueError(f"layout {state['layout']}")
            return cls(test=_test(state["test"]), looks=tuple(_look(look) for look in state["looks"]))
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"The saved state of a test is damaged or of another version ({error!r}). Take its looks again from "
                "the log."
            ) from error


def _check(test: RunningTest, looks: Sequence[Look]) -> None:
    """What is asked of each look by itself, and of each after the one before it."""
    for look in looks:
        if look.at < test.start:
            raise InputError(
                f"A look at {when(look.at)}, before the test began at {when(test.start)}: nothing was randomized by "
                "then. Look after the start."
            )
        missing = [name for name in test.metrics if name not in look.readings]
        arms = {test.control, test.treatment}
        if missing or set(look.counts) != arms:
            raise InputError(
                f"The look at {when(look.at)} counts the arms {sorted(look.counts)} and lacks the metrics {missing}; "
                f"the test has {sorted(arms)} and {test.metrics}."
            )
    for before, look in pairwise(looks):
        if look.at <= before.at:
            raise InputError(
                f"A look at {when(look.at)} after one at {when(before.at)}. Add looks in the order of time."
            )
        lost = [arm for arm in look.counts if look.counts[arm] < before.counts[arm]]
        if lost:
            old, new = before.counts[lost[0]], look.counts[lost[0]]
            raise InputError(
                f"The units of {lost[0]} fell from {old:,} at {when(before.at)} to {new:,} at {when(look.at)}: a log "
                "never loses what it held. Take both looks from the same log."
            )


def _test(state: dict[str, Any]) -> RunningTest:
    goals = tuple(Goal(name=goal["name"], better=Better(goal["better"])) for goal in state["goals"])
    guardrails = tuple(Guardrail(**(guard | {"better": Better(guard["better"])})) for guard in state["guardrails"])
    times = {name: datetime.fromisoformat(state[name]) for name in ("start", "end")}
    return RunningTest(**(state | times | {"goals": goals, "guardrails": guardrails}))


def _look(state: dict[str, Any]) -> Look:
    readings = {
        name: Reading(**(reading | {"degrees": inf if reading["degrees"] is None else reading["degrees"]}))
        for name, reading in state["readings"].items()
    }
    return Look(**(state | {"at": datetime.fromisoformat(state["at"]), "readings": readings}))
