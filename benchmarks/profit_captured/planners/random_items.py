"""Random items at random steps of the ladder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.profit_captured.case import Case, Estimated
from flashlift import planning
from flashlift.domain import Offer

__all__ = ["NAME", "plan"]

NAME = "random"


def plan(case: Case, estimated: Estimated) -> Sequence[Offer]:
    """Draw by lot what the limits allow."""
    rng = np.random.default_rng((case.seed, 2))
    return planning.random_plan(case.campaign, case.items, estimated.draws, rng=rng).offers
