"""The debrief of a sale: planned against actual, the reasons for the gap, and what to learn."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.domain import Estimate
from flashlift.experiments.debrief.reasons import Gap
from flashlift.experiments.debrief.tables import Calibration
from flashlift.protocols import FloatArray

__all__ = ["Debrief"]

_LEVEL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Debrief:
    """What a sale did beside its plan. Money in shop currency; intervals hold with probability 0.9.

    Args:
        currency: of money.
        start: of the first slot judged, UTC.
        end: of the last one.
        seen_until: end of the log.
        days_after: days after the last slot that the log holds, at most `days_wanted`.
        days_wanted: days after the sale that the account counts.
        gap: the gap between planned and actual incremental profit and its parts.
        offers: a row per offer (`by_offer`).
        slots: a row per slot (`by_slot`).
        totals: planned and actual figures (`in_total`).
        limits: what became of the limits (`kept_limits`).
        categories: response by category (`by_category`).
        lessons: what the next plan should learn (`lessons`).
        calibration: how true the forecast's intervals were.
        notes: what this debrief cannot know or had to assume, a sentence each.
    """

    currency: str
    start: datetime
    end: datetime
    seen_until: datetime
    days_after: float
    days_wanted: int
    gap: Gap
    offers: pl.DataFrame
    slots: pl.DataFrame
    totals: pl.DataFrame
    limits: pl.DataFrame
    categories: pl.DataFrame
    lessons: pl.DataFrame
    calibration: Calibration
    notes: tuple[str, ...]

    @property
    def planned(self) -> float:
        """Expected incremental profit of the offers judged."""
        return self.gap.planned

    @property
    def actual(self) -> Estimate:
        """Incremental profit that the sale made."""
        return _estimate(self.gap.actual)

    @property
    def difference(self) -> Estimate:
        """Actual less planned."""
        return _estimate(self.gap.total)

    @property
    def reasons(self) -> pl.DataFrame:
        """The parts of the gap (`Gap.to_polars`)."""
        return self.gap.to_polars()

    @property
    def over(self) -> bool:
        """Whether the log holds the sale and all days that the account counts."""
        return self.days_after >= self.days_wanted

    def to_polars(self) -> pl.DataFrame:
        """A row per offer."""
        return self.offers

    def paragraph(self) -> str:
        """The debrief for a campaign manager: estimand, intervals, reasons, and what remains assumed."""
        actual, gap = self.actual, self.difference
        sure = gap.ci_upper < 0.0 or gap.ci_lower > 0.0
        verdict = "" if sure else " The interval includes the plan: the sale went as planned, as far as the log tells."
        return (
            f"Planned was an incremental profit of {self.planned:,.0f} {self.currency}, made was {actual.value:,.0f} "
            f"(90% interval {actual.ci_lower:,.0f} to {actual.ci_upper:,.0f}), a gap of {gap.value:+,.0f} "
            f"({gap.ci_lower:+,.0f} to {gap.ci_upper:+,.0f}).{verdict} {self._main_reasons()} "
            f"{self.calibration.sentence} Incremental is what all items earned over the sale and the days after it, "
            "less what the demand model says they would have earned without it; no control group measured that. "
            f"{self._aftermath()}"
        )

    def _main_reasons(self) -> str:
        told = self.reasons.filter(pl.col("stands_out")).sort(pl.col("value").abs(), descending=True)
        if told.is_empty():
            return "No single reason stands out from chance."
        words = [
            f"{r['reason']} {r['value']:+,.0f} ({r['ci_lower']:+,.0f} to {r['ci_upper']:+,.0f})"
            for r in told.iter_rows(named=True)
        ]
        return f"Reasons that stand out from chance: {'; '.join(words)}."

    def _aftermath(self) -> str:
        if self.over:
            return f"All {self.days_wanted} days after the sale are in the log."
        return (
            f"The days after the sale are not yet known: {self.days_after:.0f} of {self.days_wanted} seen; for the "
            "rest the forecast stands."
        )


def _estimate(draws: FloatArray) -> Estimate:
    lower, upper = np.quantile(draws, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    return Estimate(value=float(draws.mean()), ci_lower=float(lower), ci_upper=float(upper), level=_LEVEL)
