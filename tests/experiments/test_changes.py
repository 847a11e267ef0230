"""Difference in differences from rows; `stats/test_peers` holds its figures to statsmodels."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from scipy import stats as scipy_stats

from flashlift.errors import InputError
from flashlift.experiments import Metric, difference_in_differences

SALES = Metric(name="sales a day (EUR)", numerator="sales")


def rows(rng: np.random.Generator, lift: float) -> pl.DataFrame:
    """24 regions, 20 days before and 5 after; every region has its level and, in every period, its own shock."""
    region, day = np.repeat(np.arange(24), 25), np.tile(np.arange(25), 24)
    treated, after = region % 3 == 0, day >= 20
    shock = rng.normal(size=(24, 2)) + np.column_stack([np.zeros(24), np.full(24, 5.0)])
    mean = 50.0 + 10.0 * treated + 5.0 * rng.normal(size=24)[region] + shock[region, after.astype(int)]
    return pl.DataFrame(
        {
            "region": region,
            "variant": np.where(treated, "treatment", "control"),
            "after": after,
            "sales": mean + rng.normal(size=len(day)) + lift * (treated & after),
            "visits": rng.integers(5, 20, len(day)),
        }
    )


def test_it_is_the_interaction_of_least_squares() -> None:
    frame = rows(np.random.default_rng(1), 2.0)
    answer = difference_in_differences(frame, SALES, cluster="region")
    found = answer.comparisons["treatment"]
    treated, after = (frame["variant"] == "treatment").to_numpy(), frame["after"].to_numpy()
    design = sm.add_constant(np.column_stack([treated, after, treated & after]).astype(float))
    fit = sm.OLS(frame["sales"].to_numpy(), design).fit()
    assert found.effect.value == pytest.approx(fit.params[3], rel=1e-9)
    text = answer.paragraph()
    for words in ("effect on the treated", "both would have changed alike", "smallest arm has 8 of them"):
        assert words in text


def test_a_ratio_before_and_after() -> None:
    frame = rows(np.random.default_rng(2), 2.0)
    metric = Metric(name="sales per visit", numerator="sales", denominator="visits")
    found = difference_in_differences(frame, metric, cluster="region").comparisons["treatment"]
    sums = frame.group_by("variant", "after").agg(r=pl.col("sales").sum() / pl.col("visits").sum())
    r = {(v, a): x for v, a, x in sums.iter_rows()}
    change = {v: r[v, True] - r[v, False] for v in ("control", "treatment")}
    assert found.effect.value == pytest.approx(change["treatment"] - change["control"], rel=1e-9)


def test_it_covers_the_truth_with_few_regions() -> None:
    rng, runs, missed = np.random.default_rng(3), 150, 0
    for _ in range(runs):
        effect = difference_in_differences(rows(rng, 2.0), SALES, cluster="region").comparisons["treatment"].effect
        missed += not effect.ci_lower <= 2.0 <= effect.ci_upper
    low, high = scipy_stats.binom.ppf([0.0005, 0.9995], runs, 0.05)
    assert low <= missed <= high


def test_refusals() -> None:
    frame = rows(np.random.default_rng(1), 0.0)
    with pytest.raises(InputError, match="tells before from after"):
        difference_in_differences(frame.drop("after"), SALES, cluster="region")
    with pytest.raises(InputError, match="no variant 'control'"):
        difference_in_differences(frame.with_columns(variant=pl.lit("treatment")), SALES, cluster="region")
    past = Metric(name="sales", numerator="sales", covariates=("visits",))
    with pytest.raises(InputError, match="compared already"):
        difference_in_differences(frame, past, cluster="region")
