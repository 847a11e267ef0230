"""The items that sell most without a sale, all at 20 % off."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.profit_captured.case import Case, Estimated
from flashlift import planning
from flashlift.domain import Offer

__all__ = ["NAME", "plan"]

NAME = "best sellers at 20 %"


def plan(case: Case, estimated: Estimated) -> Sequence[Offer]:
    """Best sellers by the estimator's forecast."""
    return planning.best_sellers(case.campaign, case.items, estimated.draws, discount=0.2).offers
