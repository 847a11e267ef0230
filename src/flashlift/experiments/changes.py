"""A sale that some regions (stores, accounts) had and others had not: before against after, against the others."""

from __future__ import annotations

import polars as pl

from flashlift.errors import InputError
from flashlift.experiments.metric import Metric
from flashlift.experiments.result import Answer
from flashlift.experiments.summary import summarize
from flashlift.stats.comparison import compare_changes
from flashlift.stats.moments import Moments

__all__ = ["difference_in_differences"]


def difference_in_differences(
    rows: pl.DataFrame | pl.LazyFrame,
    metric: Metric,
    *,
    cluster: str,
    after: str = "after",
    treatment: str = "treatment",
    control: str = "control",
    level: float = 0.95,
) -> Answer:
    """How much more the treatment changed than control, with errors clustered by what was treated.

    Args:
        rows: `variant`, `cluster`, `after` and the metric's columns; any number of rows of each cluster, before and
            after. A metric without a denominator is a mean over rows.
        metric: what is measured; without covariates, because what was before is one already.
        cluster: column of what was treated or not as a whole.
        after: column of truth values, true from the begin of the sale.
        treatment: name of the treated variant.
        control: name of the other.
        level: probability that the interval claims.

    Raises:
        InputError: a column is missing or no number, a cluster in two variants, a variant is missing.
        InsufficientDataError: fewer than 2 clusters in an arm, or no rows before or after.
    """
    if metric.covariates:
        raise InputError(f"{metric.name!r} has covariates, and before and after are compared already. Leave them out.")
    if after not in rows.lazy().collect_schema().names():
        raise InputError(f"There is no column {after!r} that tells before from after. Name it.")
    below = pl.col(metric.denominator) if metric.denominator else pl.lit(1.0)
    parts = {metric.numerator: pl.col(metric.numerator), metric.denominator or "rows": below}
    split = {
        f"{name} {period} the begin": value.cast(pl.Float64) * on.cast(pl.Float64)
        for period, on in (("after", pl.col(after)), ("before", ~pl.col(after)))
        for name, value in parts.items()
    }
    sums = [Metric(name=name, numerator=name) for name in split]
    summary = summarize(rows.lazy().with_columns(**split), sums, cluster=cluster)
    missing = [name for name in (control, treatment) if name not in summary.counts]
    if missing:
        raise InputError(
            f"There is no variant {missing[0]!r} among {list(summary.counts)}. Name control and treatment."
        )
    arms = [_four(summary.by_stratum(name)[""]) for name in (control, treatment)]
    found = compare_changes(*arms, level=level)
    return Answer(
        metric=metric,
        control=control,
        comparisons={treatment: found},
        undefined={},
        holm=[found.pvalue],
        counts=summary.counts,
        cluster=cluster,
        changes=True,
    )


def _four(moments: Moments) -> Moments:
    """Without the number of rows, which stands last."""
    return Moments(count=moments.count, means=moments.means[:4], m2=moments.m2[:4, :4])
