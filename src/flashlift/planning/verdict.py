"""What the checker says of a plan."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from flashlift.domain import Estimate
from flashlift.planning.finding import Broken

__all__ = ["Claims", "Verdict", "findings_frame"]

Claims = Literal["exact", "sampled", "unchecked"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a plan is worth on the draws given, and what is wrong with it. Money in shop currency.

    The figures are null where no draws were given or the campaign's costs are no costs. Offers that cannot run (unknown
    item or slot, no price below list price, no quota, demand that is no number) are findings and have no value.

    Args:
        value: mean of V over the draws; the interval is the central `level` share of V's distribution, that is the
            uncertainty of the outcome, not of the mean.
        mean_error: standard error of the mean of V over the draws; null for a single draw.
        gross_sales: expected revenue of the offers.
        units: expected units sold in the offers.
        sell_through: expected units / quotas; null for a plan without quota.
        discount_cost: expected (list price - price) x units.
        revenue: expected incremental gross sales, of all items over the sale and the days after it.
        buyers: expected distinct buyers in the offers; who buys several items is counted with each.
        shadow_cost: what the offers lose in the campaign's next sale through a lower reference price; null without one.
        stock_cleared: expected stock that leaves because of the sale, at unit cost.
        claims: how the stated units and values were judged: `exact` on the plan's own draws, `sampled` on fresh ones,
            or `unchecked`, because there were no draws or no plan.
        broken: limits the plan breaks and figures it states wrongly; empty for a sound plan.
        soft: soft limits that it breaks, which is allowed.
        penalties: what that costs in the plan's objective; no part of `value`.
    """

    value: Estimate | None = None
    mean_error: float | None = None
    gross_sales: float | None = None
    units: float | None = None
    sell_through: float | None = None
    discount_cost: float | None = None
    revenue: float | None = None
    buyers: float | None = None
    stock_cleared: float | None = None
    shadow_cost: float | None = None
    claims: Claims = "unchecked"
    broken: tuple[Broken, ...] = ()
    soft: tuple[Broken, ...] = ()
    penalties: float = 0.0

    @property
    def sentence(self) -> str:
        """The verdict in one line."""
        if not self.broken:
            figures = {
                "exact": ", and the stated figures are true on the draws the plan was made on",
                "sampled": ", and the stated figures agree with fresh draws",
                "unchecked": "; the stated units and values were not checked, for want of draws",
            }
            kept = "every limit kept"
            if self.soft:
                named = ", ".join(dict.fromkeys(finding.limit for finding in self.soft))
                kept = f"every limit kept but soft ones ({named}, at penalties of {self.penalties:,.2f})"
            return f"{kept}{figures[self.claims]}"
        named = ", ".join(dict.fromkeys(finding.limit for finding in self.broken))
        return f"{len(self.broken)} finding{'s' * (len(self.broken) > 1)}: {named}"

    def to_polars(self) -> pl.DataFrame:
        """One row for each figure: `figure`, `value`, `ci_lower`, `ci_upper` (null where there is no interval)."""
        value = self.value
        interval = (None, None, None) if value is None else (value.value, value.ci_lower, value.ci_upper)
        rows = [
            ("incremental profit", *interval),
            ("standard error of its mean", self.mean_error, None, None),
            ("gross sales", self.gross_sales, None, None),
            ("units", self.units, None, None),
            ("sell-through", self.sell_through, None, None),
            ("discount cost", self.discount_cost, None, None),
            ("incremental gross sales", self.revenue, None, None),
            ("buyers", self.buyers, None, None),
            ("stock cleared, at cost", self.stock_cleared, None, None),
            *([] if self.shadow_cost is None else [("shadow cost", self.shadow_cost, None, None)]),
            ("findings", float(len(self.broken)), None, None),
        ]
        if self.soft:
            rows.append(("penalties of soft limits", self.penalties, None, None))
        columns = ("figure", "value", "ci_lower", "ci_upper")
        return pl.DataFrame(rows, schema=dict(zip(columns, [pl.String, *[pl.Float64] * 3], strict=True)), orient="row")


def findings_frame(broken: tuple[Broken, ...]) -> pl.DataFrame:
    """One row for each finding: `limit`, `where`, `amount`, `unit`."""
    schema = {"limit": pl.String, "where": pl.String, "amount": pl.Float64, "unit": pl.String}
    return pl.DataFrame({name: [getattr(one, name) for one in broken] for name in schema}, schema=schema)
