"""Does the sale work alike on everybody? The effect in each segment, adjusted for looking at many."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy.special import chdtrc

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.analyze import comparison
from flashlift.experiments.metric import Metric
from flashlift.experiments.summary import Summary, summarize
from flashlift.stats.comparison import Comparison
from flashlift.stats.multiplicity import benjamini_hochberg, holm

__all__ = ["Segments", "effects_by_segment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segments:
    """The effect of one variant on one metric in each segment.

    Args:
        metric: what was measured.
        control, treatment: names of the variants.
        segment: column that tells segments apart.
        comparisons: by segment; each interval holds on its own.
        undefined: segment -> why it could not be compared.
        holm, benjamini_hochberg: adjusted p-values of the comparisons.
        difference_pvalue: of all segments having one effect (Cochran's Q).
        level: probability that each interval claims.
    """

    metric: Metric
    control: str
    treatment: str
    segment: str
    comparisons: Mapping[str, Comparison]
    undefined: Mapping[str, str]
    holm: Sequence[float]
    benjamini_hochberg: Sequence[float]
    difference_pvalue: float
    level: float

    def to_polars(self) -> pl.DataFrame:
        """One row per segment."""
        found = self.comparisons.values()
        return pl.DataFrame(
            {
                self.segment: list(self.comparisons),
                "control": [one.control for one in found],
                "treatment": [one.treatment for one in found],
                "effect_size": [one.effect.value for one in found],
                "ci_lower": [one.effect.ci_lower for one in found],
                "ci_upper": [one.effect.ci_upper for one in found],
                "pvalue": [one.pvalue for one in found],
                "pvalue_holm": list(self.holm),
                "pvalue_bh": list(self.benjamini_hochberg),
            }
        )

    def paragraph(self) -> str:
        """Whether segments differ, and which of them show an effect, for a campaign manager."""
        alpha = 1.0 - self.level
        differ = "differ" if self.difference_pvalue < alpha else "cannot be told apart"
        names = list(self.comparisons)
        sure = [name for name, p in zip(names, self.holm, strict=True) if p < alpha]
        likely = [
            name for name, p in zip(names, self.benjamini_hochberg, strict=True) if p < alpha and name not in sure
        ]
        head = (
            f"The effects of {self.treatment} on {self.metric.name} in {len(names)} groups by {self.segment} {differ} "
            f"(p = {self.difference_pvalue:.2g}). After adjusting for {len(names)} looks an effect is shown in: "
            f"{', '.join(sure) or 'none'} (Holm)."
        )
        more = [f"Also likely, though a few of them may be chance: {', '.join(likely)}."] if likely else []
        gaps = [f"No answer on {name}: {why}" for name, why in self.undefined.items()]
        basis = (
            f"Each {100 * self.level:.4g}% interval holds on its own. The estimand is the average effect over the "
            "units of the segment. It assumes that segments were known before the test and not chosen after looking."
        )
        return " ".join([head, *more, *gaps, basis])


def effects_by_segment(
    data: pl.DataFrame | pl.LazyFrame | Summary,
    metric: Metric,
    *,
    treatment: str,
    control: str = "control",
    segment: str | None = None,
    cluster: str | None = None,
    level: float = 0.95,
) -> Segments:
    """The effect in each segment, with p-values adjusted by Holm and by Benjamini and Hochberg.

    Whether segments differ at all is Cochran's Q over the inverse variances of their effects (Cochran, Biometrics 10,
    1954), chi-square with one degree of freedom less than there are segments.

    Args:
        data: rows as `summarize` takes them, or summaries of shards that were made with `segment`.
        metric: what is measured.
        treatment: name of the variant.
        control: name of the control variant.
        segment: column known before the test, of rows.
        cluster: as in `summarize`, of rows.
        level: probability that each interval claims.

    Raises:
        InputError: no segment is given, or a variant is missing.
        InsufficientDataError: fewer than two segments can be compared.
    """
    summary = data if isinstance(data, Summary) else summarize(data, [metric], segment=segment, cluster=cluster)
    if not summary.segment:
        raise InputError("The test was summarized without segments. Name the column that tells them apart.")
    unknown = [name for name in (control, treatment) if name not in summary.counts]
    if unknown:
        raise InputError(
            f"There is no variant {unknown[0]!r} among {list(summary.counts)}. Name control and treatment."
        )
    found: dict[str, Comparison] = {}
    undefined: dict[str, str] = {}
    for name, part in summary.of_segments().items():
        try:
            found[name] = comparison(part, metric, control, treatment, level=level)
        except InsufficientDataError as error:
            undefined[name] = str(error)
    if len(found) < 2:
        raise InsufficientDataError(f"Only {len(found)} segments can be compared, and it takes 2. Merge small ones.")
    pvalues = [one.pvalue for one in found.values()]
    return Segments(
        metric=metric,
        control=control,
        treatment=treatment,
        segment=summary.segment,
        comparisons=found,
        undefined=undefined,
        holm=holm(pvalues).tolist(),
        benjamini_hochberg=benjamini_hochberg(pvalues).tolist(),
        difference_pvalue=_difference(list(found.values())),
        level=level,
    )


def _difference(found: Sequence[Comparison]) -> float:
    effect = np.array([one.effect.value for one in found])
    weight = np.array([one.std_error for one in found]) ** -2.0
    q = float(weight @ (effect - np.average(effect, weights=weight)) ** 2)
    return float(chdtrc(len(found) - 1, q))
