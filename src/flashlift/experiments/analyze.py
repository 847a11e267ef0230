"""The finished test: sample-ratio check first, then each metric in each variant against control."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.metric import Metric
from flashlift.experiments.result import Answer, Result
from flashlift.experiments.summary import Summary, summarize
from flashlift.stats.comparison import Comparison, compare, compare_strata
from flashlift.stats.multiplicity import holm
from flashlift.stats.ratio_check import check_ratio

__all__ = ["MISMATCH_PVALUE", "analyze", "comparison"]

MISMATCH_PVALUE = 0.001  # below it the split is held to be broken (Fabijan et al. 2019)


def analyze(
    data: pl.DataFrame | pl.LazyFrame | Summary,
    metrics: Sequence[Metric],
    *,
    control: str = "control",
    weights: Mapping[str, float] | None = None,
    level: float = 0.95,
    strata: Sequence[str] = (),
    cluster: str | None = None,
) -> Result:
    """Analyze a finished test, once, at its planned end.

    Goals share one family: with g goals and k variants each interval is at 1 - (1 - level) / (g k), so that all hold
    together with probability `level` (Bonferroni), and p-values are adjusted over them (Holm). A guardrail shares with
    nobody but its own variants, because a correction would hide harm.

    Args:
        data: rows as `summarize` takes them, or the sum of the summaries of their shards.
        metrics: what is measured, each under a name of its own.
        control: name of the control variant.
        weights: intended share of each variant, any positive scale; equal when not given.
        level: probability that the intervals claim.
        strata: as in `summarize`, of rows.
        cluster: as in `summarize`, of rows.

    Raises:
        InputError: `data` is not as `summarize` wants it, there is no control, or two metrics share a name.
        InsufficientDataError: no metric can be compared: an arm of fewer than 2 units, or nothing that varies.
    """
    summary = data if isinstance(data, Summary) else summarize(data, metrics, strata=strata, cluster=cluster)
    counts = summary.counts
    if control not in counts:
        raise InputError(f"There is no variant {control!r} among {list(counts)}. Name the control variant.")
    if len({metric.name for metric in metrics}) < len(metrics) or not metrics:
        raise InputError(f"Give every metric a name of its own, not {[metric.name for metric in metrics]}.")
    ratio = check_ratio(counts, weights)
    others = [name for name in counts if name != control]
    goals = sum(not metric.guardrail for metric in metrics)
    answers = [
        _answer(summary, metric, control, others, 1.0 - (1.0 - level) / max(len(others) * family, 1))
        for metric in metrics
        for family in [1 if metric.guardrail else goals]
    ]
    if others and not any(answer.comparisons for answer in answers):
        raise InsufficientDataError(" ".join(dict.fromkeys(why for a in answers for why in a.undefined.values())))
    return Result(
        control=control,
        answers={answer.metric.name: answer for answer in _adjusted(answers)},
        ratio=ratio,
        trusted=ratio.pvalue >= MISMATCH_PVALUE,
        level=level,
    )


def comparison(summary: Summary, metric: Metric, control: str, treatment: str, *, level: float) -> Comparison:
    """A metric in two variants of a test, by everything that its summary holds.

    Raises:
        InputError: the summary has no such columns.
        InsufficientDataError: fewer than 2 units in an arm (of a stratum), or a metric that does not vary.
    """
    missing = sorted(set(metric.columns) - set(summary.columns))
    if missing:
        raise InputError(f"The summary has no column {missing} for {metric.name!r}. Summarize with that metric.")
    ratios = metric.ratios(summary.columns)
    arms = summary.by_stratum(control), summary.by_stratum(treatment)
    few = {name: min(arm[name].count for arm in arms) for name in arms[0]}
    short = [name for name, count in few.items() if count < 2 and name]
    if short:
        raise InsufficientDataError(
            f"The stratum {short[0]!r} holds {few[short[0]]} units of {control} or {treatment}, and needs 2. Merge "
            "small strata."
        )
    if len(few) > 1:
        return compare_strata(list(arms[0].values()), list(arms[1].values()), ratios=ratios, level=level)
    return compare(*(next(iter(arm.values())) for arm in arms), ratios=ratios, level=level)


def _answer(summary: Summary, metric: Metric, control: str, others: Sequence[str], level: float) -> Answer:
    found: dict[str, Comparison] = {}
    undefined: dict[str, str] = {}
    for name in others:
        try:
            found[name] = comparison(summary, metric, control, name, level=level)
        except InsufficientDataError as error:
            undefined[name] = f"{metric.name} in {name}: {error}"
    return Answer(
        metric=metric,
        control=control,
        comparisons=found,
        undefined=undefined,
        holm=holm([one.pvalue for one in found.values()]).tolist(),
        counts=summary.counts,
        strata=summary.strata,
        cluster=summary.cluster,
    )


def _adjusted(answers: Sequence[Answer]) -> list[Answer]:
    """The goals' p-values adjusted over all of them."""
    family = [one.pvalue for answer in answers if not answer.metric.guardrail for one in answer.comparisons.values()]
    rest = iter(holm(family).tolist())
    return [a if a.metric.guardrail else a.with_holm([next(rest) for _ in a.comparisons]) for a in answers]
