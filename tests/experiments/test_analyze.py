"""The analysis keeps its promises on simulated tests, is the same from shards, and meets known results on real data."""

from __future__ import annotations

import doctest
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests

from flashlift.errors import InputError, InsufficientDataError, SettingsError
from flashlift.experiments import Metric, Result, Summary, analyze, assign, metric, summarize
from flashlift.experiments.summary import Cell
from flashlift.stats.comparison import Comparison
from flashlift.stats.moments import Moments


def simulated(rng: np.random.Generator, n: int = 400, effect: float = 0.0) -> pl.DataFrame:
    past = rng.gamma(1.0, 10.0, n)
    treated = rng.random(n) < 0.5
    return pl.DataFrame(
        {
            "unit_id": [f"u{k}" for k in range(n)],
            "variant": np.where(treated, "treatment", "control"),
            "metric": past + rng.gamma(1.0, 5.0, n) + effect * treated,
            "covariate": past,
        }
    )


PLAIN = Metric(name="spend", numerator="metric")
CUPED = Metric(name="spend", numerator="metric", covariates=("covariate",))


def comparison(result: Result, name: str = "spend", variant: str = "treatment") -> Comparison:
    return result.answers[name].comparisons[variant]


@pytest.mark.parametrize("metric", [PLAIN, CUPED])
def test_false_positives_and_coverage_hold(metric: Metric) -> None:
    rng, runs, rejected, missed = np.random.default_rng(8), 400, 0, 0
    for _ in range(runs):
        frame = simulated(rng, effect=2.0)
        effect = comparison(analyze(frame, [metric])).effect
        missed += not effect.ci_lower <= 2.0 <= effect.ci_upper
        aa = frame.with_columns(metric=pl.col("metric") - 2.0 * (pl.col("variant") == "treatment"))
        rejected += comparison(analyze(aa, [metric])).pvalue < 0.05
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert low <= rejected <= high
    assert low <= missed <= high


@pytest.mark.parametrize("options", [{}, {"strata": ["region", "new"]}, {"cluster": "town"}])
def test_shards_equal_the_whole(options: dict[str, object]) -> None:
    frame = simulated(np.random.default_rng(1), n=901, effect=3.0).with_columns(
        region=pl.int_range(pl.len()) % 3, new=pl.int_range(pl.len()) % 2, orders=pl.int_range(pl.len()) % 4 + 1
    )
    towns = pl.col("variant").str.head(1) + (pl.int_range(pl.len()) % 60).cast(pl.String)
    frame = frame.with_columns(town=towns)
    metrics = [CUPED, Metric(name="spend per order", numerator="metric", denominator="orders")]
    shard = pl.col("town").str.slice(1).cast(pl.Int64) % 4
    parts = [summarize(frame.filter(shard == k).lazy(), metrics, **options) for k in range(4)]
    whole, sharded = (
        analyze(s, metrics) for s in (summarize(frame, metrics, **options), parts[0] + parts[1] + (parts[2] + parts[3]))
    )
    text = ("metric", "role", "variant", "trusted")
    a, b = (r.to_polars().drop(text).to_numpy() for r in (whole, sharded))
    np.testing.assert_allclose(a, b, rtol=1e-9)


def test_a_broken_split_is_not_trusted() -> None:
    frame = simulated(np.random.default_rng(1), n=5000)
    lost = frame.filter((pl.col("variant") == "control") | (pl.int_range(pl.len()) % 5 > 0))
    found = analyze(lost, [PLAIN])
    assert not found.trusted
    assert not found.to_polars()["trusted"].any()
    assert found.paragraph().startswith("Do not trust this test")
    assert str(found).startswith("Do not trust this test")
    assert analyze(frame, [PLAIN]).trusted


def test_a_doubtful_split_says_so() -> None:
    """The arms of the published Cookie Cats test, 44,700 and 45,489 players: p = 0.0086, one sound test in 116."""
    arms = {Cell("gate_30"): 44_700, Cell("gate_40"): 45_489}
    cells = {cell: Moments.given(count=n, mean=0.2, var=0.16) for cell, n in arms.items()}
    found = analyze(Summary(columns=("metric",), cells=cells), [PLAIN], control="gate_30")
    assert found.trusted
    assert "The split is doubtful: gate_30 44,700, gate_40 45,489 (sample-ratio p = 0.0086)" in str(found)
    assert "one sound test in 116" in found.verdict()


def test_an_arm_that_never_arrived_is_not_trusted() -> None:
    only = simulated(np.random.default_rng(1)).with_columns(variant=pl.lit("control"))
    found = analyze(only, [PLAIN], weights={"control": 1, "treatment": 1})
    assert not found.trusted
    assert str(found).startswith("Do not trust")
    with pytest.raises(InsufficientDataError, match="two arms"):
        analyze(only, [PLAIN])


def test_the_paragraph_names_estimand_interval_and_assumptions() -> None:
    spend = replace(CUPED, name="spend (EUR)")
    text = analyze(simulated(np.random.default_rng(1), effect=9.0), [spend]).paragraph("spend (EUR)")
    for words in ("changed spend (EUR) by +", "95% interval", "p = ", "estimand", "assumes", "scarce stock", "CUPED"):
        assert words in text
    assert "for the better" in text
    null = analyze(simulated(np.random.default_rng(1)), [PLAIN]).paragraph()
    assert "includes zero" in null
    assert "CUPED" not in null


def test_a_guardrail_says_what_harm_it_found_or_leaves_open() -> None:
    harm = Metric(name="refunds", numerator="metric", guardrail=True, lower_is_better=True)
    broken = analyze(simulated(np.random.default_rng(1), effect=9.0), [harm])
    assert "for the worse. The guardrail is broken." in broken.paragraph()
    quiet = analyze(simulated(np.random.default_rng(1)), [harm])
    upper = comparison(quiet, "refunds").effect.ci_upper
    assert f"Harm of up to {upper:,.4g} is not excluded" in quiet.paragraph()


def test_several_variants_and_goals_hold_their_level_together() -> None:
    frame = simulated(np.random.default_rng(1), n=900).with_columns(
        variant=pl.Series(np.array(["control", "a", "b"])[np.arange(900) % 3]), bought=pl.col("metric") > 10
    )
    found = analyze(frame, [PLAIN])
    assert list(found.answers["spend"].comparisons) == ["a", "b"]
    assert comparison(found, variant="a").effect.level == pytest.approx(0.975)
    assert found.to_polars()["n_control"].to_list() == [300, 300]
    bought = Metric(name="buyers", numerator="bought")
    table = analyze(frame, [PLAIN, bought, replace(PLAIN, name="watched", guardrail=True)])
    levels = [answer.comparisons["a"].effect.level for answer in table.answers.values()]
    assert levels == pytest.approx([0.9875, 0.9875, 0.975])
    p = table.to_polars()
    goals, watched = p.filter(pl.col("role") == "goal"), p.filter(pl.col("role") == "guardrail")
    for family in (goals, watched):  # statsmodels.stats.multitest, four goals and two guardrail comparisons
        expected = multipletests(family["pvalue"].to_numpy(), method="holm")[1]
        np.testing.assert_allclose(family["pvalue_holm"].to_numpy(), expected, atol=1e-12)


def test_a_metric_of_zeros_has_no_answer_and_leaves_the_others_theirs() -> None:
    frame = simulated(np.random.default_rng(1)).with_columns(refunds=0.0)
    refunds = Metric(name="refunds", numerator="refunds", guardrail=True, lower_is_better=True)
    found = analyze(frame, [CUPED, refunds])
    row = found.to_polars().filter(pl.col("metric") == "refunds")
    assert row["pvalue"].to_list() == row["effect_size"].to_list() == [None]
    assert "No answer on refunds in treatment: Neither arm varies (means 0 and 0)" in found.paragraph("refunds")
    assert comparison(found).pvalue > 0
    with pytest.raises(InsufficientDataError, match="Neither arm varies"):
        analyze(frame, [refunds])


def test_an_arm_of_one_unit_has_no_answer() -> None:
    frame = simulated(np.random.default_rng(1)).with_columns(
        variant=pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("treatment")).otherwise(pl.lit("control"))
    )
    with pytest.raises(InsufficientDataError, match="at least 2 units, and there are 1"):
        analyze(frame, [PLAIN], weights={"control": 399, "treatment": 1})


def test_strata_sharpen_and_small_ones_are_refused() -> None:
    rng = np.random.default_rng(2)
    frame = simulated(rng).with_columns(region=pl.Series(rng.integers(0, 3, 400)))
    frame = frame.with_columns(metric=pl.col("metric") + 50.0 * pl.col("region"))
    plain, sharp = (comparison(analyze(frame, [PLAIN], strata=strata)) for strata in ([], ["region"]))
    assert sharp.std_error < 0.5 * plain.std_error
    assert sharp.variance_reduction_frac > 0.75
    assert "alike in region" in analyze(frame, [PLAIN], strata=["region"]).paragraph()
    tiny = frame.with_columns(region=pl.when(pl.int_range(pl.len()) == 3).then(9).otherwise("region"))
    with pytest.raises(InsufficientDataError, match="stratum '9' holds 0 units"):
        analyze(tiny, [PLAIN], strata=["region"])


def test_clusters_are_counted_and_not_their_rows() -> None:
    rng = np.random.default_rng(3)
    town = rng.integers(0, 40, 2000)
    frame = pl.DataFrame(
        {
            "town": town,
            "variant": np.where(town % 2, "treatment", "control"),
            "metric": rng.normal(size=40)[town] + rng.normal(size=2000),
            "covariate": rng.normal(size=2000),
        }
    )
    found = analyze(frame, [CUPED], cluster="town")
    assert found.ratio.counts == {"control": 20, "treatment": 20}
    assert "Rows of one town count as one observation" in found.paragraph()
    assert "smallest arm has 20 of them" in found.paragraph()
    mean = frame.filter(pl.col("variant") == "control")["metric"].mean()
    assert comparison(analyze(frame, [PLAIN], cluster="town")).control == pytest.approx(mean)
    mixed = frame.with_columns(variant=pl.Series(np.where(rng.random(2000) < 0.5, "treatment", "control")))
    with pytest.raises(InputError, match="a town lies in several"):
        analyze(mixed, [CUPED], cluster="town")
    with pytest.raises(InputError, match="rows have no metric"):
        analyze(frame.with_columns(metric=pl.when(pl.col("town") > 3).then("metric")), [CUPED], cluster="town")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (pl.lit("u1").alias("unit_id"), "399 rows repeat a unit, and 1 units are in several variants"),
        (pl.lit(None, pl.String).alias("unit_id"), "400 rows have no unit_id"),
        (pl.lit(None, pl.String).alias("variant"), "400 rows have no variant"),
        (pl.lit(None, pl.Float64).alias("metric"), "400 rows have no metric"),
        (pl.lit("much").alias("metric"), "must be numbers"),
        (pl.lit("b").alias("variant"), "no variant 'control'"),
        (pl.lit(float("nan")).alias("covariate"), r"covariate is missing \(NaN\)"),
    ],
)
def test_bad_rows_are_refused(change: pl.Expr, message: str) -> None:
    with pytest.raises(InputError, match=message):
        analyze(simulated(np.random.default_rng(1)).with_columns(change), [CUPED])


def test_units_whose_hashes_meet_are_still_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pl.Expr, "hash", lambda self: self.str.len_bytes())
    frame = simulated(np.random.default_rng(1))
    assert analyze(frame, [PLAIN]).trusted
    with pytest.raises(InputError, match="1 rows repeat a unit, and 0 units"):
        analyze(pl.concat([frame, frame.head(1)]), [PLAIN])


def test_missing_columns_and_mixed_shards_are_refused() -> None:
    frame = simulated(np.random.default_rng(1))
    with pytest.raises(InputError, match="variant"):
        analyze(frame.drop("variant"), [PLAIN])
    with pytest.raises(InputError, match="same metrics"):
        summarize(frame, [PLAIN]) + summarize(frame, [CUPED])
    with pytest.raises(InputError, match="no column"):
        analyze(summarize(frame, [PLAIN]), [CUPED])
    with pytest.raises(InputError, match="no rows"):
        analyze(frame.clear(), [PLAIN])
    with pytest.raises(InputError, match="a name of its own"):
        analyze(frame, [PLAIN, CUPED])
    with pytest.raises(SettingsError, match="not its own columns"):
        Metric(name="spend", numerator="metric", covariates=("metric",))


def test_examples_in_docstrings() -> None:
    assert [doctest.testmod(module) for module in (assign, metric)] == [(0, 4), (0, 1)]


def real(name: str) -> pl.DataFrame:
    folder = os.environ.get("FLASHLIFT_DATA")
    if folder is None:
        pytest.skip("Set FLASHLIFT_DATA to the folder with the public data sets.")
    return pl.read_parquet(Path(folder) / name)


def test_cookie_cats_split_is_doubtful() -> None:
    frame = real("cookie_cats/cookie_cats.parquet").select(unit_id="userid", variant="version", metric="retention_7")
    found = analyze(frame, [PLAIN], control="gate_30")
    assert found.ratio.pvalue == pytest.approx(0.0086, abs=5e-5)  # published chi-square p
    assert found.trusted  # above the alarm threshold of 0.001
    assert "doubtful" in found.verdict()
    # published means: 19.02 % and 18.20 %
    effect = comparison(found, variant="gate_40")
    assert (effect.control, effect.treatment) == pytest.approx((0.1902, 0.1820), abs=5e-5)
    assert effect.effect.ci_upper < 0.0


def test_hillstrom_mail_brings_visits() -> None:
    frame = real("hillstrom/hillstrom_half.parquet").with_row_index("unit_id")
    frame = frame.select("unit_id", variant="segment", metric="visit", covariate="history")
    found = analyze(frame, [CUPED], control="No E-Mail")
    assert found.trusted
    # arms of the whole data: 18.28 / 15.14 / 10.62 %; half of it has a standard error of 0.4 points per arm
    for name, visits in (("Mens E-Mail", 0.1828), ("Womens E-Mail", 0.1514)):
        effect = comparison(found, variant=name)
        assert effect.treatment == pytest.approx(visits, abs=0.012)
        assert effect.effect.ci_lower < visits - 0.1062 < effect.effect.ci_upper
        assert effect.effect.ci_lower > 0.0
