"""What a test of a whole sale says, in words and as a row."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from flashlift.stats.totals import TotalEffect

__all__ = ["SaleEffect"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SaleEffect:
    """Effect of the treatment on the whole sale.

    Args:
        metric: what was measured, in words.
        estimand: what the effect is the effect on, in a sentence.
        assumes: what remains to be believed, in a sentence.
        found: totals, stated for the whole sale, with the interval.
        units: what chance was judged by: number of substitution groups, items, regions.
        lot_pvalue: p-value of the sharp null that the treatment changed no unit at all, from the lot alone (Fisher
            1935); None where the arms of units are not drawn one by one.
    """

    metric: str
    estimand: str
    assumes: str
    found: TotalEffect
    units: int
    lot_pvalue: float | None = None

    def to_polars(self) -> pl.DataFrame:
        """One row."""
        effect, whole = self.found.effect, self.found.control
        return pl.DataFrame(
            {
                "metric": [self.metric],
                "units": [self.units],
                "control": [whole],
                "effect_size": [effect.value],
                "ci_lower": [effect.ci_lower],
                "ci_upper": [effect.ci_upper],
                "rel_effect_size": [effect.value / whole if whole > 0.0 else None],
                "pvalue": [self.found.pvalue],
                "lot_pvalue": [self.lot_pvalue],
                "level": [effect.level],
            },
            schema_overrides={"rel_effect_size": pl.Float64, "lot_pvalue": pl.Float64},
        )

    def paragraph(self) -> str:
        """For a campaign manager: effect, interval, estimand and what remains to be believed."""
        effect, whole = self.found.effect, self.found.control
        share = f", {effect.value / whole:+.1%} of control" if whole > 0.0 else ""
        clear = effect.ci_lower > 0.0 or effect.ci_upper < 0.0
        meaning = "" if clear else " The interval includes zero: the test does not tell whether there is an effect."
        lot = "" if self.lot_pvalue is None else f" By the lot alone, p = {self.lot_pvalue:.2g}."
        return (
            f"The treatment changed {self.metric} of the whole sale by {effect.value:+,.4g}{share} "
            f"({effect.level:.0%} interval {effect.ci_lower:+,.4g} to {effect.ci_upper:+,.4g}, judged by "
            f"{self.units} units).{meaning}{lot} {self.estimand} {self.assumes}"
        )

    def __str__(self) -> str:
        return self.paragraph()
