"""The fair rule of thumb: 20 % off, the margin floor kept, most expected additional units first."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.profit_captured.case import Case, Estimated
from flashlift import planning
from flashlift.domain import Offer

__all__ = ["NAME", "plan"]

NAME = "fair rule"


def plan(case: Case, estimated: Estimated) -> Sequence[Offer]:
    """What a careful merchant does with the estimator's forecast at hand."""
    return planning.fair_rule(case.campaign, case.items, estimated.draws, discount=0.2).offers
