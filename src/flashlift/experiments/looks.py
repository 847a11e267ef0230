"""One look at a running test: how many units each arm holds, and what each metric reads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import inf, isfinite

import polars as pl

from flashlift.errors import InputError
from flashlift.experiments.running_test import RunningTest
from flashlift.stats.comparison import Comparison, compare
from flashlift.stats.moments import Moments

__all__ = ["Look", "Reading", "look_at"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A metric at a look: treatment less control, from the first unit on.

    Args:
        effect: estimated difference, in the metric's unit.
        std_error: its standard error, above 0.
        degrees: degrees of freedom of the standard error; infinite for large samples.
    """

    effect: float
    std_error: float
    degrees: float = inf

    def __post_init__(self) -> None:
        if not (isfinite(self.effect) and isfinite(self.std_error) and self.std_error > 0.0 and self.degrees > 0.0):
            raise InputError(
                f"A reading of {self.effect:g} with standard error {self.std_error:g} cannot be judged. Look again "
                "when the metric varies in the arms."
            )

    @classmethod
    def of(cls, found: Comparison) -> Reading:
        """The reading of a comparison of means, adjusted by a covariate or not."""
        return cls(effect=found.effect.value, std_error=found.std_error, degrees=found.degrees)


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """What a test holds at an instant.

    Args:
        at: the instant, with its time zone.
        counts: units of each arm until then.
        readings: metric -> reading.
        information: what has been learned until then, in the unit of the test's planned information; by default the
            units in the test. That is right where a unit's metric is complete when it is first counted. Where it goes
            on growing, give the units times the metric's variance, summed over the arms. A look at which it did not
            grow judges no goal.
    """

    at: datetime
    counts: Mapping[str, int]
    readings: Mapping[str, Reading]
    information: float | None = None

    def __post_init__(self) -> None:
        if self.at.tzinfo is None:
            raise InputError(f"The look at {self.at.isoformat()} has no time zone. Give its time in UTC.")
        if self.information is not None and not 0.0 < self.information < inf:
            raise InputError(
                f"The look at {self.at.isoformat()} states an information of {self.information:g}, not above 0."
            )

    @property
    def units(self) -> int:
        """Units in the test."""
        return sum(self.counts.values())

    @property
    def learned(self) -> float:
        """`information`, or the units in the test."""
        return float(self.units) if self.information is None else self.information


def look_at(log: pl.DataFrame, test: RunningTest, *, at: datetime) -> Look:
    """The look that the log of a test gives at an instant; the same log gives the same look for ever.

    Args:
        log: `unit_id`, `variant`, `at` and a column for each metric of the test, a row per exposure or outcome; the
            metrics of a unit are summed over its rows, a missing one counts 0. A unit joins at its first row.
        test: whose metrics and arms are read.
        at: rows after it are not read.

    Returns:
        The look. Where the test plans information, the look states it: units x variance of the first goal.

    Raises:
        InputError: a column is missing, a row is older than the test, or a unit is in two arms or in an unknown one.
        InsufficientDataError: an arm of fewer than 2 units, or a metric that does not vary yet.
    """
    missing = [name for name in ("unit_id", "variant", "at", *test.metrics) if name not in log.columns]
    if missing:
        raise InputError(f"The log of a test lacks the columns {missing}; it has {log.columns}.")
    early = log.filter(pl.col("at") < test.start)
    if early.height:
        raise InputError(
            f"{early.height} rows are older than the test, which began at {test.start:%Y-%m-%d %H:%M}; the first is of "
            f"unit {early['unit_id'][0]!r}. Leave out what happened before a unit was assigned."
        )
    units = (
        log.filter(pl.col("at") <= at)
        .sort("unit_id", "at")  # sums do not depend on the order of the log
        .group_by("unit_id", maintain_order=True)
        .agg(pl.col("variant").first(), pl.col("variant").n_unique().alias("arms"), pl.col(test.metrics).sum())
    )
    torn = units.filter(pl.col("arms") > 1)
    if torn.height:
        raise InputError(
            f"{torn.height} units are in two arms, the first {torn['unit_id'][0]!r}. Find out what assigned them "
            "twice, and leave them out of both."
        )
    strange = set(units["variant"].unique()) - {test.control, test.treatment}
    if strange:
        raise InputError(
            f"The log holds the variants {sorted(map(str, strange))}; the test has {test.control} and {test.treatment}."
        )
    arms = [units.filter(pl.col("variant") == name) for name in (test.control, test.treatment)]
    moments = {name: [Moments.of(arm[name].cast(pl.Float64).to_numpy()) for arm in arms] for name in test.metrics}
    goal = moments[test.goals[0].name]
    return Look(
        at=at,
        counts={test.control: arms[0].height, test.treatment: arms[1].height},
        readings={name: Reading.of(compare(*pair)) for name, pair in moments.items()},
        information=None if test.planned_information is None else sum(arm.count * arm.var for arm in goal),
    )
