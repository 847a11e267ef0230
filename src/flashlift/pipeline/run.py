"""The way on one page: ingest -> train (behavior, demand) -> plan -> report."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from flashlift.pipeline.ingest import ingest
from flashlift.pipeline.plan import plan
from flashlift.pipeline.planned import Planned
from flashlift.pipeline.report import report
from flashlift.pipeline.train import train
from flashlift.protocols import Progress, silent
from flashlift.settings import Settings

__all__ = ["Run", "run"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """What a whole run left: the report, the plan if there is one, and why a stage was skipped."""

    report: Path
    planned: Planned | None
    skipped: dict[str, str] = field(default_factory=dict)


def run(settings: Settings, progress: Progress = silent) -> Run:
    """All stages in order; what is up to date is not repeated, and what the data cannot feed is skipped."""
    ingest(settings, progress)
    skipped = train(settings, progress).skipped
    planned = None if "demand" in skipped else plan(settings, progress)
    return Run(report=report(settings, progress), planned=planned, skipped=skipped)
