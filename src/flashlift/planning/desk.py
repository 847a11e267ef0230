"""What if? A campaign valued once, and planned again in a moment whenever its limits change.

Values of offers do not depend on limits, save on a reserve of stock, on nominations and on the shares that funders pay.
So a change of other limits leaves them as they are, and prices of the limits that were right before are nearly right
after: the search starts from them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Plan
from flashlift.limits import FunderBudget, Limit, Nominations, SellThrough, StockReserve
from flashlift.planning.families import families
from flashlift.planning.grid import Grid, build_grid
from flashlift.planning.large import search_large
from flashlift.planning.problem import Problem
from flashlift.planning.schedules import Pricer
from flashlift.planning.solution import Solution, plan_of
from flashlift.planning.solve import why_infeasible
from flashlift.protocols import DemandDraws, Progress, silent

__all__ = ["Desk", "search_again"]


@dataclass(slots=True, kw_only=True)
class Desk:
    """A campaign at hand.

    Attributes:
        campaign: slots, ladder, costs and limits; `plan` may be asked for other limits.
        items: table SaleItems.
    """

    campaign: Campaign
    items: pl.DataFrame
    threads: int
    _draws: DemandDraws
    _grid: Grid
    _kept: tuple[Limit, ...]
    _prices: dict[str, float] = field(default_factory=dict)

    @classmethod
    def open(
        cls,
        campaign: Campaign,
        items: pl.DataFrame,
        draws: DemandDraws,
        *,
        threads: int = 1,
        progress: Progress = silent,
    ) -> Desk:
        """Value every offer of the campaign, those that its limits forbid included.

        Raises:
            SettingsError: the campaign contradicts itself.
            InputError: the draws hold values that are not finite.
        """
        kept = _valued(campaign.limits)
        grid = build_grid(Problem.of(replace(campaign, limits=kept), items, draws), threads=threads, progress=progress)
        return cls(campaign=campaign, items=items, threads=threads, _draws=draws, _grid=grid, _kept=kept)

    def plan(
        self,
        limits: tuple[Limit, ...] | None = None,
        *,
        time_limit_s: float = 20.0,
        gap_frac: float = 5e-4,
        seed: int = 0,
        progress: Progress = silent,
    ) -> Plan:
        """The best plan within `limits`, those of the campaign when left out.

        Another reserve of stock changes quotas, and other nominations or shares of funders change what offers earn, so
        then they are valued again first.

        Raises:
            InfeasibleError: no plan keeps all limits; it names a minimal set that conflicts.
            SettingsError: the limits contradict themselves.
            FlashliftError: the solver failed, or found no plan in the time given.
        """
        campaign = self.campaign if limits is None else replace(self.campaign, limits=limits)
        if _valued(campaign.limits) != self._kept:
            self._kept = _valued(campaign.limits)
            self._grid = build_grid(
                Problem.of(replace(campaign, limits=self._kept), self.items, self._draws),
                threads=self.threads,
                progress=progress,
            )
        problem = Problem.of(campaign, self.items, self._draws)
        least = max([0.0, *(limit.minimum_frac for limit in campaign.limits if isinstance(limit, SellThrough))])
        sells = self._grid.units >= least * self._grid.quota * (1.0 + 1e-6)  # the grid rounds
        value = np.where(problem.allowed.transpose(0, 2, 1) & sells, self._grid.value, np.float32(-np.inf))
        grid = replace(self._grid, value=value)
        search: dict[str, Any] = {"time_limit_s": time_limit_s, "gap_frac": gap_frac, "threads": self.threads}
        found = search_again(problem, self.items, grid, self._prices, **search, seed=seed, progress=progress)
        if found is None:
            raise why_infeasible(campaign, self.items, self._draws, progress=progress)
        self._prices = dict(zip(found.rows, found.price.tolist(), strict=True))
        return plan_of(campaign, self.items, found, gap_frac)


def search_again(
    problem: Problem,
    items: pl.DataFrame,
    grid: Grid,
    prices: dict[str, float],
    *,
    threads: int,
    progress: Progress,
    **search: Any,
) -> Solution | None:
    """Search from prices of the rows that were right for a campaign much like this one; none: from nothing.

    `search` goes to `flashlift.planning.large.search_large`.
    """
    pricer = Pricer.of(problem.campaign, grid, families(problem.campaign, items), threads=threads)
    start = np.array([prices.get(name, 0.0) for name in pricer.names]) if prices else None
    return search_large(problem, items, pricer, threads=threads, start=start, progress=progress, **search)


def _valued(limits: tuple[Limit, ...]) -> tuple[Limit, ...]:
    """The limits that change what offers are worth."""
    kept = (limit for limit in limits if isinstance(limit, StockReserve | Nominations | FunderBudget))
    return tuple(replace(limit, amount=math.inf) if isinstance(limit, FunderBudget) else limit for limit in kept)
