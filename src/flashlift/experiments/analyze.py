"""The finished test: sample-ratio check first, then the difference in means with CUPED."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from flashlift.errors import InputError
from flashlift.stats.comparison import Comparison, compare
from flashlift.stats.moments import Moments
from flashlift.stats.ratio_check import RatioCheck, check_ratio

__all__ = ["MISMATCH_PVALUE", "Result", "Summary", "analyze", "summarize"]

MISMATCH_PVALUE = 0.001  # below it the split is held to be broken (Fabijan et al. 2019)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Sufficient statistics of a test, per variant; `+` joins shards that share no unit."""

    arms: Mapping[str, Moments]
    adjusted: bool

    def __add__(self, other: Summary) -> Summary:
        if self.adjusted != other.adjusted:
            raise InputError("One shard has a covariate and the other has none. Give it in both or in neither.")
        names = sorted({*self.arms, *other.arms})
        joined = {name: self.arms.get(name, Moments()) + other.arms.get(name, Moments()) for name in names}
        return Summary(arms=joined, adjusted=self.adjusted)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a finished test says.

    Args:
        metric: what was measured, in words.
        control: name of the control variant.
        comparisons: each other variant against control; with k of them each interval is at 1 - (1 - level) / k,
            so that all hold together with probability `level` (Bonferroni).
        ratio: the sample-ratio check.
        trusted: False on a sample-ratio mismatch: then no figure of the test may be used.
        adjusted: whether a covariate was used.
        level: joint probability that the intervals claim.
    """

    metric: str
    control: str
    comparisons: Mapping[str, Comparison]
    ratio: RatioCheck
    trusted: bool
    adjusted: bool
    level: float

    def to_polars(self) -> pl.DataFrame:
        """One row per treatment variant."""
        rows = [
            {
                "variant": name,
                "n": self.ratio.counts[name],
                "n_control": self.ratio.counts[self.control],
                "control": found.control,
                "treatment": found.treatment,
                "effect_size": found.effect.value,
                "ci_lower": found.effect.ci_lower,
                "ci_upper": found.effect.ci_upper,
                "rel_effect_size": found.relative.value if found.relative else None,
                "rel_ci_lower": found.relative.ci_lower if found.relative else None,
                "rel_ci_upper": found.relative.ci_upper if found.relative else None,
                "pvalue": found.pvalue,
                "variance_reduction_frac": found.variance_reduction_frac,
                "trusted": self.trusted,
            }
            for name, found in self.comparisons.items()
        ]
        schema = {"rel_effect_size": pl.Float64, "rel_ci_lower": pl.Float64, "rel_ci_upper": pl.Float64}
        return pl.DataFrame(rows, schema_overrides=schema)

    def __str__(self) -> str:
        width = max(len(name) for name in [*self.comparisons, self.control, "variant"])
        head = f"{'variant':<{width}}  {'n':>9}  {'mean':>10}  {'effect':>10}  {'interval':>24}  {'p':>8}"
        rows = [
            f"{name:<{width}}  {self.ratio.counts[name]:>9,}  {found.treatment:>10.4g}  {found.effect.value:>+10.4g}  "
            f"{f'[{found.effect.ci_lower:+.4g}, {found.effect.ci_upper:+.4g}]':>24}  {found.pvalue:>8.2g}"
            for name, found in self.comparisons.items()
        ]
        if not self.comparisons:  # the other arms never arrived
            return self._verdict()
        first = next(iter(self.comparisons.values()))
        base = f"{self.control:<{width}}  {self.ratio.counts[self.control]:>9,}  {first.control:>10.4g}"
        return "\n".join([self._verdict(), f"{self.metric}, against {self.control}:", head, base, *rows])

    def paragraph(self) -> str:
        """The result for a campaign manager: what is estimated, its interval and what it rests on."""
        if not self.trusted:
            return self._verdict()
        return " ".join([*(self._sentence(name, found) for name, found in self.comparisons.items()), self._basis()])

    def _verdict(self) -> str:
        counts = ", ".join(f"{name} {n:,}" for name, n in self.ratio.counts.items())
        if self.trusted:
            return f"The split is sound: {counts} (sample-ratio p = {self.ratio.pvalue:.2g})."
        return (
            f"Do not trust this test: the arms hold {counts}, an imbalance that chance alone gives with probability "
            f"{self.ratio.pvalue:.1g}. Units were lost or added on one side, so the difference between the arms is not "
            "the effect of the sale. Find out where the units went and run the test again."
        )

    def _sentence(self, name: str, found: Comparison) -> str:
        effect, relative = found.effect, found.relative
        share = (
            ""
            if relative is None
            else f", {relative.value:+.1%} ({relative.ci_lower:+.1%} to {relative.ci_upper:+.1%})"
        )
        clear = effect.ci_lower > 0.0 or effect.ci_upper < 0.0
        meaning = (
            "An effect of this size is unlikely to be chance."
            if clear
            else "The interval includes zero: the test does not tell whether there is an effect."
        )
        return (
            f"Being in {name} rather than {self.control} changed {self.metric} by {effect.value:+,.4g} per unit on "
            f"average ({100 * effect.level:.4g}% interval {effect.ci_lower:+,.4g} to {effect.ci_upper:+,.4g}){share}. "
            f"{meaning}"
        )

    def _basis(self) -> str:
        past = " Means are adjusted for what each unit did before the test (CUPED)." if self.adjusted else ""
        return (
            "The estimand is the average effect over the units in the test, for its duration. It assumes that units "
            "were assigned by lot, that one unit's variant does not change another unit's outcome (no shared scarce "
            f"stock), and that the test was analyzed once, at its planned end.{past}"
        )


def summarize(frame: pl.DataFrame) -> Summary:
    """Sufficient statistics of `frame`, one row per unit.

    Args:
        frame: `unit_id`, `variant`, `metric` and, optionally, `covariate`, measured before the test.

    Raises:
        InputError: a column is missing, empty or not a number, or a unit has several rows.
    """
    missing = [name for name in ("unit_id", "variant", "metric") if name not in frame.columns]
    if missing or frame.is_empty():
        raise InputError(f"A test needs rows with unit_id, variant and metric; missing: {missing or 'all rows'}.")
    adjusted = "covariate" in frame.columns
    numbers = ["metric", "covariate"] if adjusted else ["metric"]
    if frame.select("unit_id", "variant", *numbers).null_count().sum_horizontal().item():
        raise InputError("A unit has no identifier, variant or number. Say what it counts as (0 for no purchase).")
    doubled = frame.height - frame["unit_id"].n_unique()
    if doubled:
        raise InputError(f"{doubled} rows repeat a unit. Sum the metric per unit, and drop units seen in two variants.")
    try:
        data = frame.select(pl.col("variant").cast(pl.String), pl.col(numbers).cast(pl.Float64))
    except pl.exceptions.PolarsError as error:
        what = str(error).splitlines()[0]
        raise InputError(f"The metric and the covariate must be numbers ({what}). Correct those rows.") from error
    parts = data.partition_by("variant", as_dict=True)
    arms = {
        str(name): Moments.of(part["metric"].to_numpy(), part["covariate"].to_numpy() if adjusted else None)
        for (name,), part in sorted(parts.items())
    }
    return Summary(arms=arms, adjusted=adjusted)


def analyze(
    data: pl.DataFrame | Summary,
    *,
    metric: str,
    control: str = "control",
    weights: Mapping[str, float] | None = None,
    level: float = 0.95,
) -> Result:
    """Analyze a finished test, once, at its planned end.

    Args:
        data: one row per unit (see `summarize`), or the sum of the summaries of its shards.
        metric: what was measured, in words.
        control: name of the control variant.
        weights: intended share of each variant, any positive scale; equal when not given.
        level: joint probability that the intervals claim.

    Raises:
        InputError: `data` is not as `summarize` wants it, or there is no control.
        InsufficientDataError: an arm of fewer than 2 units, or a metric that does not vary.
    """
    summary = data if isinstance(data, Summary) else summarize(data)
    if control not in summary.arms:
        raise InputError(f"There is no variant {control!r} among {sorted(summary.arms)}. Name the control variant.")
    ratio = check_ratio({name: arm.count for name, arm in summary.arms.items()}, weights)
    others = [name for name in summary.arms if name != control]
    each = 1.0 - (1.0 - level) / max(len(others), 1)
    return Result(
        metric=metric,
        control=control,
        comparisons={name: compare(summary.arms[control], summary.arms[name], level=each) for name in others},
        ratio=ratio,
        trusted=ratio.pvalue >= MISMATCH_PVALUE,
        adjusted=summary.adjusted,
        level=level,
    )
