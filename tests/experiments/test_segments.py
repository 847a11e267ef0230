"""Effects by segment: they are those of the segment's own rows, and looking at many keeps its level."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy import stats as scipy_stats

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments import Metric, analyze, effects_by_segment, summarize

SPEND = Metric(name="spend", numerator="spend", covariates=("past",))


def rows(rng: np.random.Generator, lift: float = 0.0, n: int = 3000) -> pl.DataFrame:
    """Ten segments, of which the first has an effect."""
    segment, treated, past = rng.integers(0, 10, n), rng.random(n) < 0.5, rng.gamma(2.0, 5.0, n)
    return pl.DataFrame(
        {
            "unit_id": np.arange(n),
            "variant": np.where(treated, "treatment", "control"),
            "region": [f"r{s}" for s in segment],
            "past": past,
            "spend": past + segment + rng.normal(size=n) * 3.0 + lift * treated * (segment == 0),
        }
    )


def test_each_segment_is_the_analysis_of_its_rows() -> None:
    frame = rows(np.random.default_rng(1))
    found = effects_by_segment(frame, SPEND, treatment="treatment", segment="region")
    assert list(found.comparisons) == [f"r{k}" for k in range(10)]
    for name, one in found.comparisons.items():
        alone = analyze(frame.filter(pl.col("region") == name), [SPEND]).answers["spend"].comparisons["treatment"]
        assert (one.effect.value, one.std_error) == pytest.approx((alone.effect.value, alone.std_error), rel=1e-9)
    shards = [summarize(frame.filter(pl.col("unit_id") % 3 == k), [SPEND], segment="region") for k in range(3)]
    again = effects_by_segment(shards[0] + shards[1] + shards[2], SPEND, treatment="treatment")
    np.testing.assert_allclose(again.to_polars()["pvalue_bh"], found.to_polars()["pvalue_bh"], rtol=1e-6)


def test_many_segments_keep_their_level_and_find_the_one_that_differs() -> None:
    rng, runs = np.random.default_rng(2), 100
    alarms, differ, hits, seen = 0, 0, 0, 0
    for _ in range(runs):
        none = effects_by_segment(rows(rng), SPEND, treatment="treatment", segment="region")
        alarms += min(none.holm) < 0.05
        differ += none.difference_pvalue < 0.05
        some = effects_by_segment(rows(rng, lift=2.0), SPEND, treatment="treatment", segment="region")
        hits += some.holm[0] < 0.05
        seen += some.difference_pvalue < 0.05
    most = scipy_stats.binom.ppf(0.9995, runs, 0.05)
    assert alarms <= most
    assert differ <= most
    assert hits > 0.7 * runs
    assert seen > 0.6 * runs


def test_the_paragraph_names_the_segments() -> None:
    text = effects_by_segment(rows(np.random.default_rng(3), 5.0), SPEND, treatment="treatment", segment="region")
    assert "10 groups by region differ" in text.paragraph()
    assert "an effect is shown in: r0 (Holm)" in text.paragraph()
    assert "known before the test" in text.paragraph()


def test_refusals() -> None:
    frame = rows(np.random.default_rng(1))
    with pytest.raises(InputError, match="without segments"):
        effects_by_segment(frame, SPEND, treatment="treatment")
    with pytest.raises(InputError, match="no variant 'b'"):
        effects_by_segment(frame, SPEND, treatment="b", segment="region")
    with pytest.raises(InsufficientDataError, match="Only 1 segments"):
        effects_by_segment(frame.filter(pl.col("region") == "r1"), SPEND, treatment="treatment", segment="region")
    one = frame.filter((pl.col("region") != "r3") | (pl.col("variant") == "control"))
    found = effects_by_segment(one, SPEND, treatment="treatment", segment="region")
    assert list(found.undefined) == ["r3"]
    assert "No answer on r3" in found.paragraph()
