"""flashlift's exact planner."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.profit_captured.case import Case, Estimated
from flashlift import planning
from flashlift.domain import Offer

__all__ = ["NAME", "plan"]

NAME = "optimal"


def plan(case: Case, estimated: Estimated) -> Sequence[Offer]:
    """Solve to proven optimality on the draws."""
    return planning.solve(case.campaign, case.items, estimated.draws).offers
