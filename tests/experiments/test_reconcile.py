"""Logs that do not fit together: each fault is counted, decided on and said, against a plain loop."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import Consequence, Metric, Reconciliation, analyze, reconcile

START = datetime(2026, 5, 1, tzinfo=UTC)
END = START + timedelta(days=10)
TEST = {"start": START, "end": END, "now": END}
HOUR = timedelta(hours=1)


def logs(n: int = 1000, seed: int = 1) -> tuple[pl.DataFrame, pl.DataFrame]:
    """One to three exposures of each customer, and purchases from ten days before the test until it ends."""
    rng = np.random.default_rng(seed)
    who = np.repeat(np.arange(n), rng.integers(1, 4, n))
    seen = [START + hours * HOUR for hours in rng.uniform(0, 240, len(who))]
    exposures = pl.DataFrame(
        {
            "exposure_id": [f"e{k}" for k in range(len(who))],
            "customer_id": [f"c{k}" for k in who],
            "variant": np.where(who % 2, "treatment", "control"),
            "at": seen,
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    first = dict(exposures.group_by("customer_id").agg(pl.col("at").min()).iter_rows())
    buyer = rng.integers(0, n, 2 * n)
    at = [
        START - rng.uniform(1, 240) * HOUR
        if rng.random() < 0.5
        else first[f"c{k}"] + rng.random() * (END - first[f"c{k}"])
        for k in buyer
    ]
    outcomes = pl.DataFrame(
        {
            "event_id": [f"p{k}" for k in range(2 * n)],
            "customer_id": [f"c{k}" for k in buyer],
            "at": at,
            "revenue": rng.gamma(2.0, 10.0, 2 * n),
            "orders": 1,
        },
        schema_overrides={"at": pl.Datetime("us", "UTC")},
    )
    return exposures, outcomes


def told(found: Reconciliation) -> dict[str, tuple[int, Consequence]]:
    return {one.what: (one.count, one.consequence) for one in found.mismatches}


def run(exposures: pl.DataFrame, outcomes: pl.DataFrame, **changes: datetime) -> Reconciliation:
    return reconcile(exposures, outcomes, ["revenue", "orders"], **(TEST | changes))


def test_sums_are_those_of_a_plain_loop() -> None:
    exposures, outcomes = logs()
    found = run(exposures.sample(fraction=1.0, shuffle=True, seed=2), outcomes)
    expected: dict[str, dict[str, object]] = {}
    for row in exposures.sort("at").iter_rows(named=True):
        start = {"variant": row["variant"], "first": row["at"], "revenue": 0.0, "orders": 0.0, "past": 0.0}
        expected.setdefault(row["customer_id"], start)
    for row in outcomes.iter_rows(named=True):
        unit = expected[row["customer_id"]]
        if row["at"] < START:
            unit["past"] += row["revenue"]
        elif unit["first"] <= row["at"] < END:
            unit["revenue"] += row["revenue"]
            unit["orders"] += 1
    assert found.rows().height == len(expected) == 1000
    for row in found.rows().iter_rows(named=True):
        unit = expected[row["unit_id"]]
        assert (row["variant"], row["exposed_at"]) == (unit["variant"], unit["first"])
        figures = [row["revenue"], row["orders"], row["past_revenue"]]
        assert figures == pytest.approx([unit["revenue"], unit["orders"], unit["past"]])
    silent = sum(unit["orders"] == 0 for unit in expected.values())
    assert told(found) == {"exposed customers without an outcome": (silent, Consequence.KEPT)}
    assert found.counts == {"control": 500, "treatment": 500}


def test_rows_go_straight_into_the_analysis() -> None:
    found = run(*logs())
    metric = Metric(name="revenue (EUR)", numerator="revenue", covariates=("past_revenue",))
    result = analyze(found.rows(), [metric])
    assert result.trusted
    assert "intention to treat: control 500, treatment 500 customers" in found.paragraph()
    assert found.to_polars()["count"].to_list()[:2] == [500, 500]


def test_duplicated_lines_count_once() -> None:
    exposures, outcomes = logs()
    clean = run(exposures, outcomes)
    doubled = run(pl.concat([exposures, exposures.head(7)]), pl.concat([outcomes, outcomes.tail(9)]))
    assert doubled.units.equals(clean.units)
    assert told(doubled)["duplicated exposure lines"] == (7, Consequence.DROPPED)
    assert told(doubled)["duplicated outcome lines"] == (9, Consequence.DROPPED)
    nameless = run(exposures, pl.concat([outcomes, outcomes.tail(9)]).drop("event_id"))
    assert told(nameless)["outcome lines alike in everything"] == (9, Consequence.WARNED)


def test_lines_that_contradict_each_other_are_refused() -> None:
    exposures, outcomes = logs()
    again = outcomes.head(3).with_columns(revenue=pl.col("revenue") + 1.0)
    found = run(exposures, pl.concat([outcomes, again]))
    assert told(found)["outcome lines that contradict another"] == (3, Consequence.REFUSED)
    with pytest.raises(InputError, match="the same event_id"):
        found.rows()


def other_arm(lines: pl.DataFrame, at: pl.Expr) -> pl.DataFrame:
    swapped = pl.when(pl.col("variant") == "control").then(pl.lit("treatment")).otherwise(pl.lit("control"))
    return lines.with_columns(exposure_id=pl.format("{}x", "exposure_id"), variant=swapped, at=at)


def test_a_customer_in_both_arms_counts_in_the_first() -> None:
    exposures, outcomes = logs()
    several = exposures.filter(pl.len().over("customer_id") > 1)
    spans = (
        several.group_by("customer_id").agg(pl.all().sort_by("at").first(), end=pl.col("at").max()).sort("customer_id")
    )
    between = other_arm(spans.head(4), pl.col("at") + (pl.col("end") - pl.col("at")) / 2).select(exposures.columns)
    clean, found = run(exposures, outcomes), run(pl.concat([exposures, between]), outcomes)
    assert told(found)["customers in both arms"] == (4, Consequence.KEPT)
    assert found.units.sort("unit_id").equals(clean.units.sort("unit_id"))


def test_a_changed_assignment_counts_as_first_assigned_and_many_are_refused() -> None:
    exposures, outcomes = logs()
    later = other_arm(exposures.filter(pl.col("customer_id") < "c2"), pl.lit(END - timedelta(seconds=1)))
    few, clean = later.unique("customer_id").sort("customer_id").head(5), run(exposures, outcomes)
    found = run(pl.concat([exposures, few]), outcomes)
    assert told(found)["customers whose assignment changed in mid-test"] == (5, Consequence.KEPT)
    assert found.units.sort("unit_id").equals(clean.units.sort("unit_id"))
    many = run(pl.concat([exposures, later]), outcomes)
    assert many.refused
    with pytest.raises(InputError, match="more than 1%: the assignment is broken"):
        many.rows()


def test_two_arms_at_one_moment_have_no_first() -> None:
    exposures, outcomes = logs()
    first = exposures.sort("at").unique("customer_id", keep="first").sort("customer_id").head(3)
    found = run(pl.concat([exposures, other_arm(first, pl.col("at"))]), outcomes)
    assert told(found)["customers in two arms at the same moment"] == (3, Consequence.DROPPED)
    assert found.rows().height == 997


def test_outcomes_that_cannot_be_of_the_test_are_counted_and_left_out() -> None:
    exposures, outcomes = logs()
    clean = run(exposures, outcomes).units
    shown = exposures.group_by("customer_id").agg(pl.col("at").min()).filter(pl.col("at") > START + HOUR)
    shown = shown.sort("customer_id")
    extra = outcomes.head(4).with_columns(customer_id=shown["customer_id"].head(4), revenue=1e6)
    strays = pl.concat(
        [
            extra.with_columns(at=pl.lit(START + timedelta(minutes=1)), event_id=pl.format("b{}", "event_id")),
            extra.with_columns(at=pl.lit(END), event_id=pl.format("l{}", "event_id")).head(3),
            extra.with_columns(customer_id=pl.lit("stranger"), event_id=pl.format("s{}", "event_id")).head(2),
            extra.with_columns(customer_id=pl.lit(None, pl.String), event_id=pl.format("n{}", "event_id")).head(1),
        ]
    )
    found = run(exposures, pl.concat([outcomes, strays.cast(outcomes.schema)]))
    names = {
        "outcomes before exposure": 4,
        "outcomes after the end": 3,
        "outcomes of customers without an arm": 2,
        "outcomes without customer or moment": 1,
    }
    assert {name: told(found)[name] for name in names} == {k: (n, Consequence.DROPPED) for k, n in names.items()}
    assert found.units.sort("unit_id").equals(clean.sort("unit_id"))


def test_exposures_outside_the_test_or_without_a_variant_are_left_out() -> None:
    exposures, outcomes = logs()
    early = exposures.head(2).with_columns(exposure_id=pl.format("y{}", "exposure_id"), at=pl.lit(START - HOUR))
    bare = exposures.head(3).with_columns(exposure_id=pl.format("z{}", "exposure_id"), variant=pl.lit(None, pl.String))
    found = run(pl.concat([exposures, early.cast(exposures.schema), bare]), outcomes)
    assert told(found)["exposures outside the test"] == (2, Consequence.DROPPED)
    assert told(found)["exposure lines without customer, variant or moment"] == (3, Consequence.DROPPED)


def test_a_test_analyzed_too_early() -> None:
    exposures, outcomes = logs()
    with pytest.raises(InputError, match="The test begins on 2026-05-01 00:00, and it is 2026-04-30 23:00"):
        run(exposures, outcomes, now=START - HOUR)
    found = run(exposures, outcomes, now=END - HOUR)
    assert told(found)["the test is not over"] == (1, Consequence.WARNED)
    assert "an early look needs a sequential method" in found.paragraph()
    assert found.rows().height == 1000


def test_an_empty_arm_and_an_empty_log_are_refused() -> None:
    exposures, outcomes = logs()
    with pytest.raises(InputError, match="Only control was exposed"):
        run(exposures.filter(pl.col("variant") == "control"), outcomes).rows()
    with pytest.raises(InsufficientDataError, match="Nobody was exposed"):
        run(exposures.clear(), outcomes)


def test_tables_that_are_not_logs_are_refused() -> None:
    exposures, outcomes = logs()
    with pytest.raises(InputError, match=r"exposures have no column \['variant'\]"):
        run(exposures.drop("variant"), outcomes)
    with pytest.raises(InputError, match="must be a moment"):
        run(exposures, outcomes.with_columns(pl.col("at").cast(pl.String)))
    with pytest.raises(InputError, match="revenue is String and must be a number"):
        run(exposures, outcomes.with_columns(pl.col("revenue").cast(pl.String)))
    with pytest.raises(InputError, match="outcomes have no revenue"):
        run(exposures, outcomes.with_columns(revenue=pl.lit(None, pl.Float64)))
