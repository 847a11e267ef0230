"""The study of looking: its fast scores are those of the library, its methods reject what they should."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import vl_convert
from benchmarks.experiment_aa import asos, study
from benchmarks.experiment_aa.customers import COLUMNS, Population, drawn, online_retail, scores, shop
from benchmarks.experiment_aa.designs import customer_split, growing_metric, sample_ratio
from benchmarks.experiment_aa.methods import METHODS, NAIVE
from benchmarks.experiment_aa.page import asos_chart, asos_section, markdown, rejection_chart
from scipy import stats

from flashlift.experiments import Verdict
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments
from flashlift.stats.normal import normal_score


@pytest.fixture(scope="module")
def people() -> Population:
    return shop(5_000)


@pytest.mark.parametrize("metric", ["revenue", "revenue, CUPED", "conversion", "orders per visit"])
def test_running_sums_give_the_scores_of_the_library(people: Population, metric: str) -> None:
    rng = np.random.default_rng(1)
    (arms,) = drawn(people, COLUMNS, runs=3, looks=4, batch=200, rng=rng)
    who = np.random.default_rng(1).integers(5_000, size=(6, 800), dtype=np.uint16)
    z, error = scores(arms, metric)
    for run in range(3):
        for look in range(4):
            here = [who[run, : 200 * (look + 1)], who[3 + run, : 200 * (look + 1)]]
            values = {
                "revenue": lambda w: Moments.of(people.spend[w]),
                "revenue, CUPED": lambda w: Moments.of(people.spend[w], people.past[w]),
                "conversion": lambda w: Moments.of(people.spend[w] > 0),
                # the linearized ratio has the mean 0 in each arm; its variance is that of the ratio
                "orders per visit": lambda w: Moments.of(
                    people.orders[w].mean() / people.visits[w].mean()
                    + (people.orders[w] - people.visits[w] * people.orders[w].sum() / people.visits[w].sum())
                    / people.visits[w].mean()
                ),
            }[metric]
            found = compare(values(here[0]), values(here[1]))
            assert error[run, look] == pytest.approx(found.std_error, rel=1e-9)
            expected = normal_score(found.effect.value / found.std_error, found.degrees)
            assert z[run, look] == pytest.approx(float(expected), rel=1e-4 if "CUPED" in metric else 1e-9)


def test_online_retail_is_heavy_tailed() -> None:
    people = online_retail()
    assert len(people.spend) < 2**16  # drawn by 16-bit numbers
    assert stats.skew(people.spend) > 50
    assert 0.05 < (people.spend > 0).mean() < 0.2
    assert np.corrcoef(people.spend, people.past)[0, 1] > 0.2


def test_methods_on_a_random_walk() -> None:
    """Sound ones reject at most 5 %; the naive one far more; each finds a large effect."""
    runs, looks = 4_000, 100
    z = np.random.default_rng(3).normal(size=(runs, looks)).cumsum(axis=1) / np.sqrt(np.arange(1, looks + 1))
    units = 100.0 * np.arange(1, looks + 1)
    for name, rejects in METHODS.items():
        share = rejects(z, units).any(axis=1).mean()
        if name.startswith(NAIVE):
            assert share > 0.2
        else:
            assert share <= stats.binom.ppf(0.9995, runs, 0.05) / runs
        assert rejects(z + 0.6 * np.sqrt(np.arange(1, looks + 1)), units).any(axis=1).mean() > 0.99


def test_designs_count_runs() -> None:
    rng = np.random.default_rng(1)
    growing = growing_metric.measure(100, rng)
    assert max(growing.values()) < 60
    assert len({method for _, method in growing}) == 5
    ratio = sample_ratio.measure(200, rng)
    assert len(ratio) == 9
    for (_, method), count in ratio.items():
        assert count > 50 if method.startswith(NAIVE) else count < 25


def test_every_design_is_found_and_figures_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    assert {"customer_split", "growing_metric", "sample_ratio"} <= set(study.designs_found())

    class Made:
        NAME = "made"

        def measure(self, runs: int, rng: np.random.Generator) -> Counter[tuple[str, str]]:
            return Counter({("m", "good"): 50, ("m", "bad"): 90, ("m", NAIVE + "worse"): 400})

    monkeypatch.setattr(study, "designs_found", lambda: {"made": Made()})
    table = study.false_positives(1_000, told=lambda _: None)
    assert table["most"][0] == stats.binom.ppf(1 - 0.05 / 2, 1_000, 0.05) / 1_000
    assert dict(table.select("method", "passes").iter_rows()) == {"good": True, "bad": False, NAIVE + "worse": False}


def checkpoints(*, effect: float, lost: bool = False, treated: float = 0.5) -> pl.DataFrame:
    """A test of ten checkpoints whose metric grows."""
    k = np.arange(1, 11)
    n = 20_000.0 * k
    n_t = 2.0 * n * treated
    if lost:
        n_t[5] = n_t[4] - 100.0
    noise = np.random.default_rng(2).normal(size=10).cumsum() / k * 0.5
    return pl.DataFrame(
        {
            "experiment_id": "e",
            "variant_id": 1,
            "metric_id": 1,
            "time_since_start": 0.5 * k,
            "count_c": n,
            "count_t": n_t,
            "mean_c": 1.0 * k,
            "mean_t": 1.0 * k + (effect + 0.01 * noise) * k,
            "variance_c": 4.0 * k,
            "variance_t": 4.0 * k,
        }
    )


def test_asos_is_followed_and_judged(tmp_path: Path) -> None:
    frames = [
        checkpoints(effect=0.02),
        checkpoints(effect=-0.02).with_columns(experiment_id=pl.lit("f")),
        checkpoints(effect=0.0).with_columns(experiment_id=pl.lit("g")),
        checkpoints(effect=0.0, lost=True).with_columns(experiment_id=pl.lit("h")),
        checkpoints(effect=0.0, treated=0.48).with_columns(experiment_id=pl.lit("i")),
        checkpoints(effect=0.0, treated=0.8).with_columns(experiment_id=pl.lit("j")),
        checkpoints(effect=0.0).with_columns(metric_id=pl.lit(2), variance_t=pl.lit(None, pl.Float64)),
    ]
    pl.concat(frames, how="vertical_relaxed").write_parquet(tmp_path / "asos.parquet")
    followed = [asos.follow(name, part) for name, part in asos.read(tmp_path / "asos.parquet")]
    verdicts = {one.experiment: one.verdict for one in followed}
    assert len(followed) == 6  # the one without variances cannot be judged
    assert verdicts["e"] is Verdict.GAIN
    assert verdicts["f"] is Verdict.HARM
    assert verdicts["g"] is Verdict.NO_FINDING
    assert verdicts["h"] is None
    assert "fell from" in next(one.refused for one in followed if one.experiment == "h")
    assert verdicts["i"] is Verdict.RATIO_BROKEN
    assert [one.experiment for one in followed if not one.half] == ["j"]
    table = asos.said(followed)
    assert table["comparisons"].unique().to_list() == [4]
    sequential = table.row(2, named=True)
    assert (sequential["gains"], sequential["losses"]) == (1, 1)
    over = asos.found_over_time(followed)
    assert over.filter(pl.col("elapsed") == 1.0)["found"].to_list() == [
        pytest.approx((row["gains"] + row["losses"]) / 4) for row in table.iter_rows(named=True)
    ]
    text = asos_section(followed)
    assert "| sample ratio broken | 1 |" in text
    assert "Refused: 1 tests (h)" in text
    assert "NaN" not in vl_convert.vegalite_to_svg(asos_chart(followed).to_dict())


def test_the_page_says_what_fails(people: Population, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "shop", lambda: people)
    power = study.power(100, told=lambda _: None)
    assert power.filter(pl.col("method") == "one look at the end")["ratio"].to_list() == [1.0] * 4
    fixed = power.filter(pl.col("method") == "one look at the end", pl.col("target") == 0.8)["power"]
    assert fixed.is_between(0.65, 0.95).all()
    rows = [("d", "m", "good", 0.05, True, 0.056, True), ("d", "m", "bad", 0.09, True, 0.056, False)]
    schema = ["design", "metric", "method", "rejects", "sound", "most", "passes"]
    figures = pl.DataFrame([*rows, ("d", "m", NAIVE + "x", 0.3, False, 0.056, False)], schema=schema, orient="row")
    text = markdown(figures, power, "", runs=100, command="c")
    assert "These fail: m, bad." in text
    assert "| m | 5.00% | 9.00% | 30.00% |" in text
    assert max(len(line) for line in text.splitlines() if not line.startswith("|")) <= 120
    assert rejection_chart(figures).to_dict()["title"]["text"].startswith("Sound ways to look reject at most 9.0%")


def test_customer_split_measures_every_metric(monkeypatch: pytest.MonkeyPatch, people: Population) -> None:
    monkeypatch.setattr(customer_split, "LOOKS", 40)
    monkeypatch.setattr(customer_split, "shop", lambda: people)
    found = customer_split.measure(50, np.random.default_rng(1))
    assert len({metric for metric, _ in found}) == 6
    assert {method for _, method in found} == set(METHODS)
