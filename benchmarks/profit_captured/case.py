"""What the rows of the scoreboard are given, and what they give back.

An estimator is a file in `estimators` with a `NAME` and a function `estimate(case) -> Estimated`; a planner is a file
in `planners` with a `NAME` and a function `plan(case, estimated) -> Sequence[Offer]`. A new file is found by itself: a
new estimator is paired with the exact planner, a new planner with flashlift's estimator.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import polars as pl

from flashlift.domain import Campaign, Offer
from flashlift.market import SimulatedShop
from flashlift.protocols import DemandDraws
from flashlift.schema import Tables

__all__ = ["Case", "Estimated", "Estimator", "Planner"]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One shop on the eve of its sale.

    Args:
        tables: its log up to `now`.
        items: table SaleItems at `now`.
        campaign: slots, ladder, limits.
        now: time of decision, end of the log.
        n_draws: draws of demand to make.
        seed: of everything random in the row.
        shop: the world itself, for the rows that are told the truth or a part of it; no other row may look.
    """

    tables: Tables
    items: pl.DataFrame
    campaign: Campaign
    now: datetime
    n_draws: int
    seed: int
    shop: SimulatedShop


@dataclass(frozen=True, kw_only=True)
class Estimated:
    """What an estimator believes.

    Args:
        draws: demand of `case.items` in `case.campaign.slots`, in their order.
        elasticities: item_id, elasticity (own-price arc from list price to the median step of the ladder), ci_lower,
            ci_upper (of 90 %; null without interval); None where the estimator has no notion of it. Items it knows
            nothing of are left out.
    """

    draws: DemandDraws
    elasticities: pl.DataFrame | None = None


class Estimator(Protocol):
    """A file in `estimators`."""

    NAME: str

    def estimate(self, case: Case) -> Estimated:
        """Learn from the log."""
        ...


class Planner(Protocol):
    """A file in `planners`."""

    NAME: str

    def plan(self, case: Case, estimated: Estimated) -> Sequence[Offer]:
        """Choose offers within the campaign's limits."""
        ...
