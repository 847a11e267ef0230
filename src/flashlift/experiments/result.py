"""What a finished test says: a table, and a paragraph per metric in words for whoever ran the campaign."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from flashlift.domain import Estimate
from flashlift.experiments.metric import Metric
from flashlift.stats.comparison import Comparison
from flashlift.stats.ratio_check import RatioCheck

__all__ = ["Answer", "Result"]

FIGURES = (  # null where a metric could not be compared
    *("control", "treatment", "effect_size", "ci_lower", "ci_upper", "rel_effect_size", "rel_ci_lower"),
    *("rel_ci_upper", "pvalue", "pvalue_holm", "variance_reduction_frac"),
)
DOUBTFUL_PVALUE = 0.01  # of the split; below 0.001 it is broken
FEW = 30  # units or clusters of an arm under which t intervals of skewed figures are rough


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One metric of a test.

    Args:
        metric: what was measured.
        control: name of the control variant.
        comparisons: each other variant against control.
        undefined: variant -> why it could not be compared, a sentence.
        holm: adjusted p-value of each comparison, over its family.
        counts: units (clusters) of each variant.
        strata, cluster: columns whose cells were compared, or whose values were assigned; "" where there is none.
        changes: whether it is a difference in differences.
    """

    metric: Metric
    control: str
    comparisons: Mapping[str, Comparison]
    undefined: Mapping[str, str]
    holm: Sequence[float]
    counts: Mapping[str, int]
    strata: str = ""
    cluster: str = ""
    changes: bool = False

    def with_holm(self, pvalues: Sequence[float]) -> Answer:
        """The same with p-values adjusted over a larger family."""
        return replace(self, holm=tuple(pvalues))

    def rows(self) -> list[dict[str, object]]:
        """One row per variant, as `Result.to_polars` gives them; null where it could not be compared."""
        found = [self._row(name, one, p) for (name, one), p in zip(self.comparisons.items(), self.holm, strict=True)]
        return [*found, *(self._row(name, None, None) for name in self.undefined)]

    def _row(self, name: str, found: Comparison | None, adjusted: float | None) -> dict[str, object]:
        relative = found.relative if found else None
        return {
            "metric": self.metric.name,
            "role": "guardrail" if self.metric.guardrail else "goal",
            "variant": name,
            "n": self.counts[name],
            "n_control": self.counts[self.control],
            "control": found.control if found else None,
            "treatment": found.treatment if found else None,
            "effect_size": found.effect.value if found else None,
            "ci_lower": found.effect.ci_lower if found else None,
            "ci_upper": found.effect.ci_upper if found else None,
            "rel_effect_size": relative.value if relative else None,
            "rel_ci_lower": relative.ci_lower if relative else None,
            "rel_ci_upper": relative.ci_upper if relative else None,
            "pvalue": found.pvalue if found else None,
            "pvalue_holm": adjusted,
            "variance_reduction_frac": found.variance_reduction_frac if found else None,
        }

    def paragraph(self) -> str:
        """Estimand, interval, p-value and what the figure still rests on."""
        sentences = [
            self._sentence(name, found, p) for (name, found), p in zip(self.comparisons.items(), self.holm, strict=True)
        ]
        gaps = [f"No answer on {why}" for why in self.undefined.values()]
        return " ".join([*sentences, *gaps, *([self._basis()] if sentences else [])])

    def _sentence(self, name: str, found: Comparison, adjusted: float) -> str:
        effect, relative = found.effect, found.relative
        share = "" if relative is None else f", {relative.value:+.1%} ({_span(relative, '+.1%')})"
        per = f"per {self.metric.unit} on average" if self.metric.denominator is None else "over the whole arm"
        pvalue = f"p = {found.pvalue:.2g}" + (f", adjusted {adjusted:.2g}" if adjusted > found.pvalue else "")
        return (
            f"Being in {name} rather than {self.control} changed {self.metric.name} by {effect.value:+,.4g} {per} "
            f"({100 * effect.level:.4g}% interval {_span(effect, '+,.4g')}){share}; {pvalue}. {self._meaning(found)}"
        )

    def _meaning(self, found: Comparison) -> str:
        effect = found.effect
        if effect.ci_lower <= 0.0 <= effect.ci_upper:
            said = "The interval includes zero: the test does not tell whether there is an effect."
            worst = effect.ci_upper if self.metric.lower_is_better else effect.ci_lower
            return said + (f" Harm of up to {abs(worst):,.4g} is not excluded." if self.metric.guardrail else "")
        better = (effect.value < 0.0) == self.metric.lower_is_better
        kind = "is a change for the better" if better else "is a change for the worse"
        alarm = " The guardrail is broken." if self.metric.guardrail and not better else ""
        return f"An effect of this size is unlikely to be chance; it {kind}.{alarm}"

    def _basis(self) -> str:
        metric, one = self.metric, self.cluster or self.metric.unit
        ratio = f", as the sum of {metric.numerator} over the sum of {metric.denominator}" if metric.denominator else ""
        smallest = min(self.counts[name] for name in (self.control, *self.comparisons))
        said = [self._estimand(one, ratio)]
        if metric.covariates:
            said.append("Figures are adjusted for what was known of each before the test (CUPED).")
        if self.strata:
            said.append(f"Arms are compared among those alike in {self.strata}, weighted by their share of all units.")
        if self.cluster:
            said.append(f"Rows of one {one} count as one observation, because they share what happens to it.")
        if smallest < FEW:
            said.append(f"The smallest arm has {smallest} of them: the interval is rough.")
        return " ".join(said)

    def _estimand(self, one: str, ratio: str) -> str:
        if self.changes:
            return (
                f"The estimand is the average effect on the treated, for the duration of the test{ratio}: their change "
                "less the change of control. It assumes that without the sale both would have changed alike, which "
                f"the data cannot prove, and that the sale in one {one} does not move the sales of another."
            )
        return (
            f"The estimand is the average effect over the units in the test, for its duration{ratio}. It assumes that "
            f"each {one} was assigned by lot, that the variant of one does not change the outcome of another (no "
            "shared scarce stock), and that the test was analyzed once, at its planned end."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a finished test says.

    Args:
        control: name of the control variant.
        answers: by name of the metric.
        ratio: the sample-ratio check.
        trusted: False on a sample-ratio mismatch: then no figure of the test may be used.
        level: joint probability that the intervals of the goals claim.
    """

    control: str
    answers: Mapping[str, Answer]
    ratio: RatioCheck
    trusted: bool
    level: float

    def to_polars(self) -> pl.DataFrame:
        """One row per metric and variant."""
        rows = [row | {"trusted": self.trusted} for answer in self.answers.values() for row in answer.rows()]
        return pl.DataFrame(rows, schema_overrides=dict.fromkeys(FIGURES, pl.Float64))

    def __str__(self) -> str:
        tables = [_table(answer) for answer in self.answers.values() if answer.rows()]
        return "\n".join([self.verdict(), *tables])

    def paragraph(self, metric: str | None = None) -> str:
        """The result for a campaign manager, of one metric or of all: what is estimated, how surely, on what basis."""
        if not self.trusted:
            return self.verdict()
        wanted = self.answers.values() if metric is None else [self.answers[metric]]
        return "\n\n".join(answer.paragraph() for answer in wanted)

    def verdict(self) -> str:
        """Whether the split may be trusted."""
        counts = ", ".join(f"{name} {n:,}" for name, n in self.ratio.counts.items())
        if self.trusted and self.ratio.pvalue < DOUBTFUL_PVALUE:
            return (
                f"The split is doubtful: {counts} (sample-ratio p = {self.ratio.pvalue:.2g}); one sound test in "
                f"{1.0 / self.ratio.pvalue:,.0f} is as uneven. Look for units that were lost before you act on it."
            )
        if self.trusted:
            return f"The split is sound: {counts} (sample-ratio p = {self.ratio.pvalue:.2g})."
        return (
            f"Do not trust this test: the arms hold {counts}, an imbalance that chance alone gives with probability "
            f"{self.ratio.pvalue:.1g}. Units were lost or added on one side, so the difference between the arms is not "
            "the effect of the sale. Find out where the units went and run the test again."
        )


def _span(estimate: Estimate, form: str) -> str:

    return f"{estimate.ci_lower:{form}} to {estimate.ci_upper:{form}}"


def _table(answer: Answer) -> str:
    width = max(len(name) for name in [*answer.counts, "variant"])
    head = f"{'variant':<{width}}  {'n':>9}  {'mean':>10}  {'effect':>10}  {'interval':>24}  {'p':>8}  {'Holm':>8}"
    rows = [
        f"{name:<{width}}  {answer.counts[name]:>9,}  {found.treatment:>10.4g}  {found.effect.value:>+10.4g}  "
        f"{f'[{found.effect.ci_lower:+.4g}, {found.effect.ci_upper:+.4g}]':>24}  {found.pvalue:>8.2g}  {adjusted:>8.2g}"
        for (name, found), adjusted in zip(answer.comparisons.items(), answer.holm, strict=True)
    ]
    means = [f"{found.control:>10.4g}" for found in answer.comparisons.values()][:1]
    base = f"{answer.control:<{width}}  {answer.counts[answer.control]:>9,}  {''.join(means)}".rstrip()
    return "\n".join(
        [f"{answer.metric.name}, against {answer.control}:", head, base, *rows, *answer.undefined.values()]
    )
