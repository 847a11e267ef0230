"""The plan of a shop as its work folder holds it, with the evidence beside it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from flashlift import artifacts, planning
from flashlift.domain import Campaign, Estimate, Plan
from flashlift.errors import ArtifactError, InsufficientDataError, SettingsError
from flashlift.pipeline.shop import evidence_of

__all__ = ["APPROVED", "FORECAST", "Planned", "expected", "read_planned"]

FORECAST = "forecast"  # folder within a plan's: the demand model that it was made on
APPROVED = "approved"  # folder of the shop's work: a copy of every plan that was approved


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """The plan, its verdict, the rules of thumb beside it, and the test that will judge it.

    Args:
        saved: chosen offers, bound and gap; the campaign, the items, and what the independent checker says of it.
        decision: who approved or rejected exactly this plan; None for a draft.
        table: the offers with titles, times and prices.
        comparison: plan, value, ci_lower, ci_upper, gross_sales, units, sell_through, revenue, buyers, stock_cleared;
            the plan is the first row.
        curves: lift against discount of the chosen items.
        design: the test, in words.
        sensitivity: how strong a hidden cause would turn the plan, in words; empty for an empty plan.
        stock: units to order of each item; None where the campaign does not ask for it.
        exploration: prices drawn by lot (`flashlift.planning.Explored.lots`); no rows where none was.
        picks: what people pinned and forbade (`flashlift.pipeline.picks`), a row each.
        nominations: what became of each nomination (`flashlift.planning.answers`); None where there are none.
    """

    saved: planning.SavedPlan
    decision: planning.Decision | None
    table: pl.DataFrame
    comparison: pl.DataFrame
    curves: pl.DataFrame
    design: str
    sensitivity: str
    stock: pl.DataFrame | None
    exploration: pl.DataFrame
    picks: pl.DataFrame
    nominations: pl.DataFrame | None = None

    @property
    def plan(self) -> Plan:
        """Chosen offers, bound and gap."""
        return self.saved.plan

    @property
    def campaign(self) -> Campaign:
        """What the plan keeps."""
        return self.saved.campaign

    @property
    def items(self) -> pl.DataFrame:
        """Table SaleItems that it chose from."""
        return self.saved.items

    @property
    def verdict(self) -> planning.Verdict:
        """What the independent checker says of it, valued on fresh draws."""
        return self.saved.verdict

    @property
    def value(self) -> Estimate:
        """Expected incremental profit on fresh draws, with the interval of its outcome."""
        return expected(self.verdict)

    @property
    def funding(self) -> float:
        """Expected discount that funders and sellers pay, in shop currency."""
        return planning.expected_funding(self.plan, self.campaign, self.items)

    @property
    def broken(self) -> pl.DataFrame:
        """What the independent checker found wrong, a row each; empty for a sound plan."""
        return planning.findings_frame(self.verdict.broken)

    @property
    def soft(self) -> pl.DataFrame:
        """Soft limits that the plan breaks, a row each."""
        return planning.findings_frame(self.verdict.soft)


def read_planned(work: Path) -> Planned:
    """Read the plan made last, whatever the settings say by now.

    Args:
        work: the shop's work folder.

    Raises:
        ArtifactError: no plan was made, or it is damaged.
        InsufficientDataError: the log cannot feed a plan.
    """
    done = evidence_of(work, "plan")
    if done is None:
        raise ArtifactError(f"There is no plan in {work}. Run `flashlift plan` first.")
    if done.manifest["skipped"]:
        raise InsufficientDataError(done.manifest["skipped"])
    folder, frames = work / "plan", done.frames
    head = artifacts.read_manifest(folder)
    if head is not None and head.get("inputs") != done.inputs:
        raise ArtifactError(f"{folder} is not the plan that {work} has evidence of. Run `flashlift plan` again.")
    saved = planning.load_plan(folder)
    return Planned(
        saved=saved,
        decision=planning.standing(folder, saved),
        table=frames["table"],
        comparison=frames["comparison"],
        curves=frames["curves"],
        design=frames["design"]["text"].item(),
        sensitivity=frames["sensitivity"]["text"].item(),
        stock=frames.get("stock"),
        exploration=frames["exploration"],
        picks=frames["picks"],
        nominations=frames.get("nominations"),
    )


def expected(verdict: planning.Verdict) -> Estimate:
    """The value of a verdict.

    Raises:
        SettingsError: it has none, because the costs of the settings are no costs.
    """
    if verdict.value is None:
        raise SettingsError(f"The plan has no value ({verdict.sentence}). Correct the costs in the settings.")
    return verdict.value
