"""No sale at all: the zero of the account."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.profit_captured.case import Case, Estimated
from flashlift.domain import Offer

__all__ = ["ESTIMATOR", "NAME", "plan"]

NAME = "no sale"
ESTIMATOR = None


def plan(case: Case, estimated: Estimated | None) -> Sequence[Offer]:
    """Nothing."""
    return ()
