"""A running test: its verdicts are right, its state survives, and looks that make no sense are refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift import charts
from flashlift.errors import ArtifactError, InputError, InsufficientDataError
from flashlift.experiments.looks import Look, Reading, look_at
from flashlift.experiments.monitor import Monitor
from flashlift.experiments.running_test import Better, Goal, Guardrail, RunningTest
from flashlift.experiments.verdicts import RATIO_ALPHA, Verdict
from flashlift.stats.confidence_sequence import ConfidenceSequence
from flashlift.stats.group_sequential import boundary

START = datetime(2026, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TEST = RunningTest(
    name="spring",
    start=START,
    end=START + 10 * DAY,
    planned_units=20_000,
    goals=(Goal(name="revenue"),),
    guardrails=(Guardrail(name="refunds", margin=0.5, better=Better.LOWER),),
)


def look(day: float, units: int, revenue: float = 0.0, refunds: float = 0.0, lost: int = 0) -> Look:
    """The metrics have a standard deviation of 5 per unit."""
    error = 10.0 / units**0.5
    return Look(
        at=START + day * DAY,
        counts={"control": units // 2, "treatment": units // 2 - lost},
        readings={
            "revenue": Reading(effect=revenue, std_error=error),
            "refunds": Reading(effect=refunds, std_error=error),
        },
    )


def after(*looks: Look, test: RunningTest = TEST) -> Monitor:
    monitor = Monitor(test=test)
    for one in looks:
        monitor = monitor.add(one)
    return monitor


def test_nothing_found_yet_means_go_on() -> None:
    monitor = after(look(1, 2_000, 0.3), look(2, 4_000, 0.2))
    assert monitor.verdict is Verdict.CONTINUE
    assert monitor.paragraph().startswith("Go on: after 2 looks, with 4,000 units and 20% of the planned information")
    assert "So far revenue differs by +0.2" in monitor.paragraph()
    with pytest.raises(InsufficientDataError, match="no final result, its verdict is continue"):
        monitor.result("revenue")
    assert Monitor(test=TEST).verdict is Verdict.CONTINUE
    assert "not been looked at" in Monitor(test=TEST).paragraph()


@pytest.mark.parametrize(("effect", "verdict"), [(0.6, Verdict.GAIN), (-0.6, Verdict.HARM)])
def test_a_crossed_boundary_stops(effect: float, verdict: Verdict) -> None:
    monitor = after(look(1, 5_000, effect / 3), look(4, 10_000, effect))  # z = 6 at half of the information
    assert monitor.verdict is verdict
    assert monitor.paragraph().startswith(str(verdict).capitalize())
    estimate, pvalue = monitor.result("revenue")
    assert pvalue < 0.01
    assert abs(estimate.value) < 0.6  # less than the plain estimate
    assert estimate.ci_lower * estimate.ci_upper > 0.0


def test_a_goal_that_should_fall_gains_by_falling() -> None:
    test = replace(TEST, goals=(Goal(name="revenue", better=Better.LOWER),))
    assert after(look(4, 10_000, -0.6), test=test).verdict is Verdict.GAIN
    assert after(look(4, 10_000, 0.6), test=test).verdict is Verdict.HARM


def test_harm_to_one_goal_outweighs_gain_in_another() -> None:
    test = replace(TEST, goals=(Goal(name="revenue"), Goal(name="refunds", better=Better.LOWER)), guardrails=())
    monitor = after(look(4, 10_000, 0.6, 0.6), test=test)
    assert monitor.verdict is Verdict.HARM
    assert monitor.judged[-1].because == "refunds"


def test_a_violated_guardrail_stops_even_where_the_goal_gains() -> None:
    monitor = after(look(4, 10_000, 0.6, 1.2))
    assert monitor.verdict is Verdict.GUARDRAIL_VIOLATED
    assert "worse by more than the margin of 0.5" in monitor.paragraph()
    assert "Guardrail refunds: violated" in monitor.paragraph()
    assert "Guardrail refunds: safe" in after(look(4, 10_000, 0.1, -0.2)).paragraph()
    assert "Guardrail refunds: not decided" in after(look(4, 10_000, 0.1, 0.4)).paragraph()
    assert after(look(4, 10_000, 0.1, -1.2)).verdict is Verdict.CONTINUE  # fewer refunds are no violation


def test_a_guardrail_may_be_violated_before_a_goal_was_judged() -> None:
    monitor = after(look(1, 1_000, 0.0, 50.0), test=replace(TEST, planned_units=20_000_000))
    assert monitor.judged[-1].boundary is None
    assert monitor.verdict is Verdict.GUARDRAIL_VIOLATED
    assert monitor.paragraph().startswith("Stop: after 1 looks")


def test_guardrail_bounds_are_one_sided_sequences() -> None:
    row = after(look(4, 10_000, 0.1, 0.4)).to_polars().row(1, named=True)
    half = ConfidenceSequence(alpha=0.05, one_sided=True).critical(0.5) * 0.1
    assert (row["ci_lower"], row["ci_upper"], row["limit"]) == pytest.approx((0.4 - half, 0.4 + half, 0.5))


def test_a_broken_split_stops_and_shows_no_figure() -> None:
    monitor = after(look(1, 5_000), look(4, 10_000, 0.6, lost=500))
    assert monitor.verdict is Verdict.RATIO_BROKEN
    assert monitor.judged[-1].ratio_pvalue < RATIO_ALPHA
    assert "use no figure" in monitor.paragraph()
    assert "revenue" not in monitor.paragraph()
    with pytest.raises(InsufficientDataError, match="sample ratio broken"):
        monitor.result("revenue")


@pytest.mark.parametrize("last", [look(10, 12_000, 0.1), look(9, 25_000, 0.05)])
def test_the_end_in_time_or_in_units_spends_the_rest(last: Look) -> None:
    monitor = after(look(3, 6_000, 0.1), last)
    assert monitor.verdict is Verdict.NO_FINDING
    assert "does not prove" in monitor.paragraph()
    known = monitor.judged[-1].boundary
    assert known is not None
    assert known.spent[-1] == 0.05
    assert known.power(0.0) == pytest.approx(0.05, abs=1e-9)
    row = monitor.to_polars().row(-2, named=True)
    estimate, pvalue = monitor.result("revenue")
    assert pvalue > 0.05
    assert estimate.ci_lower < row["effect_size"] < estimate.ci_upper


def test_the_table_holds_boundary_and_intervals() -> None:
    monitor = after(look(1, 2_000, 0.3), look(2, 4_000, 0.2), look(5, 12_000, 0.1))
    goal = monitor.to_polars().filter(pl.col("metric") == "revenue")
    expected = boundary([2_000, 4_000, 12_000], planned=20_000)
    assert goal["critical"].to_list() == list(expected.critical)
    assert goal["alpha_spent"].to_list() == list(expected.spent)
    np.testing.assert_allclose(goal["ci_upper"] - goal["effect_size"], goal["critical"] * goal["std_error"])
    np.testing.assert_allclose(goal["fixed_ci_upper"] - goal["effect_size"], 1.959963985 * goal["std_error"])
    assert (goal["cs_upper"] > goal["fixed_ci_upper"]).all()
    assert goal["information_frac"].to_list() == [0.1, 0.2, 0.6]
    assert goal["at"].dtype == pl.Datetime("us", "UTC")


def test_the_table_can_be_drawn() -> None:
    monitor = after(look(1, 150, 0.3), look(2, 4_000, 0.2), look(4, 10_000, 0.6))
    goal = monitor.to_polars().filter(pl.col("metric") == "revenue")
    found = charts.sequential_boundary(goal, metric="revenue").to_dict()["title"]["text"]
    assert found == "The upper boundary is crossed at look 3, 50% of the way"
    found = charts.intervals_over_time(goal, metric="revenue").to_dict()["title"]["text"]
    assert found == "An increase is proved since 2026-03-05, however often one looked"


def test_few_units_say_nothing_of_guardrails() -> None:
    monitor = after(look(1, 150, 0.0, 50.0))
    assert monitor.verdict is Verdict.CONTINUE
    assert "Too few units" in monitor.paragraph()
    assert monitor.to_polars()["cs_lower"].null_count() == 2


def test_a_second_look_at_the_same_information_judges_no_goal_anew() -> None:
    monitor = after(look(1, 2_000, 0.3), look(2, 2_000, 3.0))
    assert monitor.verdict is Verdict.CONTINUE
    assert monitor.judged[-1].boundary is None
    assert monitor.to_polars().row(-2, named=True)["critical"] is None
    assert "not judged at this look" in monitor.paragraph()
    assert after(look(1, 2_000, 0.3), look(2, 2_000, 0.3), look(3, 4_000, 3.0)).verdict is Verdict.GAIN


def test_an_end_that_taught_nothing_still_spends_the_rest() -> None:
    monitor = after(look(1, 6_000, 0.3), look(10, 6_000, 0.3))  # z = 2.3; 2.2 at a single look of this level
    assert monitor.verdict is Verdict.GAIN
    known = monitor.judged[-1].boundary
    assert known is not None
    assert known.critical[-1] == pytest.approx(scipy_stats.norm.ppf(0.975), abs=0.01)  # as if it had been one look


def test_information_may_be_stated_where_all_units_come_at_once() -> None:
    test = replace(TEST, planned_information=800.0)
    looks = [replace(look(day, 6_000, 0.1), information=orders) for day, orders in ((1, 100.0), (3, 300.0))]
    goal = after(*looks, test=test).to_polars().filter(pl.col("metric") == "revenue")
    assert goal["critical"].to_list() == list(boundary([100, 300], planned=800).critical)
    fallen = after(*looks, replace(look(4, 6_000, 9.0), information=200.0), test=test)
    assert fallen.verdict is Verdict.CONTINUE
    assert fallen.judged[-1].boundary is None
    assert fallen.add(replace(look(5, 6_000, 9.0), information=400.0)).verdict is Verdict.GAIN


@pytest.mark.parametrize(
    ("looks", "message"),
    [
        ([look(-1, 100)], "before the test began at 2026-03-01"),
        ([look(2, 200), look(1, 300)], "order of time"),
        ([look(2, 200), look(2, 300)], "order of time"),
        ([look(2, 300), look(3, 200)], "units of control fell from 150"),
        ([look(4, 10_000, 0.6), look(5, 12_000, 0.6)], "over since 2026-03-05 00:00 .stop for gain."),
        ([look(10, 10_000), look(11, 12_000)], "over since 2026-03-11 00:00 .ended without a finding."),
        ([replace(look(1, 200), readings={})], "lacks the metrics"),
        ([replace(look(1, 200), counts={"control": 100})], "counts the arms"),
    ],
)
def test_looks_that_make_no_sense_are_refused(looks: list[Look], message: str) -> None:
    with pytest.raises(InputError, match=message):
        after(*looks)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"goals": ()}, "needs a goal"),
        ({"goals": (Goal(name="refunds"),)}, "each metric once"),
        ({"end": START}, "end after it starts"),
        ({"planned_units": 0}, "planned units above 0"),
        ({"treatment_frac": 1.0}, "treatment share"),
        ({"guardrails": (Guardrail(name="x", margin=-1.0),)}, "margin of 'x' is below 0"),
    ],
)
def test_definitions_that_make_no_sense_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        replace(TEST, **change)


def test_readings_and_looks_that_cannot_be_judged_are_refused() -> None:
    with pytest.raises(InputError, match="cannot be judged"):
        Reading(effect=0.0, std_error=0.0)
    with pytest.raises(InputError, match="information of nan"):
        replace(look(1, 200), information=float("nan"))
    with pytest.raises(InputError, match="no time zone"):
        Look(at=datetime(2026, 3, 2), counts={}, readings={})


def test_state_survives_as_text() -> None:
    monitor = after(look(1, 2_000, 0.3), look(4, 10_000, 0.6))
    again = Monitor.from_json(monitor.to_json())
    assert again == monitor
    assert again.judged == monitor.judged
    assert again.to_polars().equals(monitor.to_polars())
    student = replace(
        look(1, 2_000), readings={name: Reading(effect=1.0, std_error=2.0, degrees=7.5) for name in TEST.metrics}
    )
    assert Monitor.from_json(after(student).to_json()).looks == (student,)
    stated = after(replace(look(1, 2_000), information=5.0), test=replace(TEST, planned_information=9.0))
    assert Monitor.from_json(stated.to_json()) == stated


@pytest.mark.parametrize("damage", ["", "{}", '{"layout": 2}', '{"layout": 1, "test": {}, "looks": []}'])
def test_damaged_state_is_refused(damage: str) -> None:
    with pytest.raises(ArtifactError, match="damaged or of another version"):
        Monitor.from_json(damage)
    state = json.loads(after(look(1, 2_000)).to_json())
    state["looks"][0]["at"] = "yesterday"
    with pytest.raises(ArtifactError, match="yesterday"):
        Monitor.from_json(json.dumps(state))


def made_log(rng: np.random.Generator, units: int, effect: float = 0.0) -> pl.DataFrame:
    """An exposure for each unit at a random instant, an order an hour later for some, and no row before the start."""
    treated = rng.random(units) < 0.5
    joined = rng.uniform(0.0, 9.9, units)
    spent = rng.gamma(1.0, 5.0, units) + effect * treated
    shown = pl.DataFrame(
        {
            "unit_id": [f"u{k}" for k in range(units)],
            "variant": np.where(treated, "treatment", "control"),
            "at": [START + DAY * float(d) for d in joined],
            "revenue": [None] * units,
            "refunds": rng.poisson(0.5, units).astype(float),
        },
        schema_overrides={"revenue": pl.Float64},
    )
    bought = shown.filter(rng.random(units) < 0.6)
    orders = bought.with_columns(
        pl.col("at") + timedelta(hours=1),
        revenue=pl.Series(spent[: bought.height]) + effect * (pl.col("variant") == "treatment"),
        refunds=pl.lit(None, pl.Float64),
    )
    return pl.concat([shown, orders]).sample(fraction=1.0, shuffle=True, seed=int(rng.integers(1000)))


def test_looks_are_recomputed_from_the_log() -> None:
    log = made_log(np.random.default_rng(1), 3_000)
    test = replace(TEST, planned_units=3_000)
    times = [START + day * DAY for day in (2, 5, 10)]
    monitor = Monitor(test=test).replay(look_at(log, test, at=at) for at in times)
    assert Monitor(test=test, looks=tuple(look_at(log.reverse(), test, at=at) for at in times)).judged == monitor.judged
    two = log.filter(pl.col("at") <= times[1])
    units = two.group_by("unit_id", "variant").agg(pl.col("revenue").sum())
    arms = [units.filter(variant=name)["revenue"].to_numpy() for name in ("control", "treatment")]
    found = scipy_stats.ttest_ind(arms[1], arms[0], equal_var=False)
    reading = monitor.looks[1].readings["revenue"]
    assert reading.effect / reading.std_error == pytest.approx(found.statistic, rel=1e-9)
    assert reading.degrees == pytest.approx(found.df, rel=1e-9)
    assert monitor.looks[1].counts == {"control": len(arms[0]), "treatment": len(arms[1])}
    stated = look_at(log, replace(test, planned_information=1.0), at=times[1]).information
    assert stated == pytest.approx(sum(len(arm) * arm.var(ddof=1) for arm in arms), rel=1e-9)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("u1").alias("unit_id"), "units are in two arms"),
        (pl.lit("b").alias("variant"), "holds the variants"),
        (pl.col("at") - timedelta(days=20), "older than the test"),
    ],
)
def test_broken_logs_are_refused(change: pl.Expr, message: str) -> None:
    log = made_log(np.random.default_rng(1), 100).with_columns(change)
    with pytest.raises(InputError, match=message):
        look_at(log, TEST, at=TEST.end)
    with pytest.raises(InputError, match="lacks the columns"):
        look_at(log.drop("refunds"), TEST, at=TEST.end)


def test_a_metric_that_is_zero_everywhere_is_told() -> None:
    log = made_log(np.random.default_rng(1), 100).with_columns(revenue=pl.lit(0.0))
    with pytest.raises(InsufficientDataError, match="Neither arm varies"):
        look_at(log, TEST, at=TEST.end)


def test_replay_stops_where_the_test_stopped() -> None:
    looks = [look(day, 2_000 * day, 0.6) for day in range(1, 10)]
    monitor = Monitor(test=TEST).replay(looks)
    assert monitor.verdict is Verdict.GAIN
    assert len(monitor.looks) == len(monitor.judged) < 9
    assert monitor == after(*looks[: len(monitor.looks)])


def test_false_alarms_stay_within_the_level_over_all_looks() -> None:
    """Ten looks at nothing: alarms of the goal are binomial(200, at most 5 %), of guardrails and split rarer."""
    rng, runs = np.random.default_rng(9), 200
    test = replace(TEST, planned_units=4_000)
    verdicts = []
    for _ in range(runs):
        treated = rng.random(4_000) < 0.5
        y, x = rng.gamma(0.3, 3.0, 4_000), rng.gamma(0.3, 3.0, 4_000)
        looks = []
        for day in range(1, 11):
            n = 400 * day
            on, off = treated[:n], ~treated[:n]
            readings = {
                name: Reading(
                    effect=v[:n][on].mean() - v[:n][off].mean() + shift,
                    std_error=(v[:n][on].var() / on.sum() + v[:n][off].var() / off.sum()) ** 0.5,
                )
                for name, v, shift in (("revenue", y, 0.0), ("refunds", x, 0.5))  # exactly at the margin
            }
            counts = {"control": int(off.sum()), "treatment": int(on.sum())}
            looks.append(Look(at=START + day * DAY, counts=counts, readings=readings))
        verdicts.append(Monitor(test=test).replay(looks).verdict)
    count = {verdict: verdicts.count(verdict) for verdict in Verdict}
    most = scipy_stats.binom.ppf(0.9995, runs, 0.05)
    assert count[Verdict.GAIN] + count[Verdict.HARM] <= most
    assert count[Verdict.GUARDRAIL_VIOLATED] <= most
    assert count[Verdict.RATIO_BROKEN] <= scipy_stats.binom.ppf(0.9995, runs, RATIO_ALPHA)
    assert count[Verdict.CONTINUE] == 0
