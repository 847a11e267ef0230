"""Profit against gross sales: the plans between the one that earns most and the one that sells most.

Every offer is valued once, with both figures; each weight w then asks for the plan of the largest
(1 - w) x profit + w x gross sales, from prices of the limits between those of the weights around it. The weights are
found between two plans known, as the one at which both are worth the same: a better plan there lies on the curve, and
none means that the curve is straight between them (Aneja and Nair, Management Science 25, 1979). Plans beneath the
straight line between two others are not found: no weights ask for them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Goal, Plan
from flashlift.errors import SettingsError
from flashlift.planning.check import check
from flashlift.planning.desk import search_again
from flashlift.planning.grid import Grid, build_grids, rounded_up
from flashlift.planning.problem import Problem
from flashlift.planning.solution import Solution, plan_of
from flashlift.planning.solve import why_infeasible
from flashlift.protocols import DemandDraws, Progress, silent

__all__ = ["pareto"]

TASK = "Pareto curve"
BOTH = Goal(profit=1.0, revenue=1.0)
PART = 4_096  # items weighted together
POINTS = {
    "weight": pl.Float64,
    "profit": pl.Float64,
    "revenue": pl.Float64,
    "buyers": pl.Float64,
    "stock_cleared": pl.Float64,
    "offers": pl.Int64,
    "gap_frac": pl.Float64,
    "planned_profit": pl.Float64,
    "planned_revenue": pl.Float64,
}


def pareto(
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws,
    *,
    fresh: DemandDraws,
    points: int = 9,
    time_limit_s: float = 20.0,
    gap_frac: float = 1e-3,
    threads: int = 1,
    seed: int = 0,
    progress: Progress = silent,
) -> pl.DataFrame:
    """Plans within the campaign's limits of which none has both more profit and more gross sales.

    Args:
        campaign: slots, ladder and limits; its own goal and its next sale are left aside.
        items: table SaleItems, in the row order of the draws.
        draws: demand that the plans are made on.
        fresh: draws that they are not made on; what is told comes from them.
        points: plans made at most, at least 2; fewer come back where plans are alike or dominated on the fresh draws.
        time_limit_s: seconds for each plan.
        gap_frac: each plan is within this share of the best for its weight.
        threads: of the solver.
        seed: of the solver.
        progress: told the plans made.

    Returns:
        A row for each plan, profit falling: `weight` w (`profit = 1 - w, revenue = w` in `[campaign.goal]` gives the
        plan), on the fresh draws `profit`, `revenue` (both incremental), `buyers` and `stock_cleared`, `offers` (their
        number), `gap_frac` of the worth, and `planned_profit` and `planned_revenue` on the draws that it was made on.

    Raises:
        SettingsError: fewer than 2 points, or the campaign contradicts itself.
        InfeasibleError: no plan keeps all limits; it names a minimal set that conflicts.
        InputError: the draws hold values that are not finite.
        FlashliftError: the solver failed, or found no plan in the time given.
    """
    if points < 2:
        raise SettingsError(f"A curve of {points} points is none. Ask for 2 or more.")
    campaign = replace(campaign, goal=BOTH, next_sale=None)
    problem = Problem.of(campaign, items, draws)
    grids = build_grids(problem, [Goal(), Goal(profit=0.0, revenue=1.0)], threads=threads, progress=progress)
    search = {"time_limit_s": time_limit_s, "gap_frac": gap_frac, "threads": threads, "seed": seed}
    curve = _Curve(problem=problem, items=items, grids=grids, search=search, progress=progress)
    found = _between(curve, points, gap_frac, progress)
    rows = [_told(point, campaign, items, fresh) for point in found]
    return _undominated(pl.DataFrame(rows, schema=POINTS, orient="row"))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Point:
    """A plan, and its figures on the draws that it was made on; `penalties` of the soft limits that it breaks."""

    weight: float
    plan: Plan
    profit: float
    revenue: float
    prices: dict[str, float]

    @property
    def penalties(self) -> float:
        return (1.0 - self.weight) * self.profit + self.weight * self.revenue - self.plan.objective

    def worth(self, weight: float) -> float:
        return (1.0 - weight) * self.profit + weight * self.revenue - self.penalties


@dataclass(frozen=True, slots=True, kw_only=True)
class _Curve:
    """All that a point needs."""

    problem: Problem
    items: pl.DataFrame
    grids: list[Grid]
    search: dict[str, Any]
    progress: Progress

    def at(self, weight: float, prices: dict[str, float]) -> _Point:
        """The best plan for a weight of gross sales, from prices of the rows that are near; none: from nothing."""
        campaign = replace(self.problem.campaign, goal=Goal(profit=1.0 - weight, revenue=weight))
        found = search_again(
            replace(self.problem, campaign=campaign),
            self.items,
            _weighted(self.grids, weight),
            prices,
            **self.search,
            progress=self.progress,
        )
        if found is None:
            raise why_infeasible(campaign, self.items, self.problem.draws, progress=self.progress)
        near = dict(zip(found.rows, found.price.tolist(), strict=True))
        profit, revenue = self._figures(found)
        plan = plan_of(campaign, self.items, found, self.search["gap_frac"])
        return _Point(weight=weight, plan=plan, profit=profit, revenue=revenue, prices=near)

    def _figures(self, found: Solution) -> tuple[float, float]:
        """Profit and gross sales of the chosen offers; a search for profit alone has not valued the other."""
        chosen = found.columns.take(found.chosen)
        step = np.abs(self.problem.price[chosen.item] - chosen.price[:, None]).argmin(axis=1)
        total = self.problem.value(chosen.item, chosen.slot, step).figures.sum(axis=0)
        return float(total[0]), float(total[1])


def _weighted(grids: list[Grid], weight: float) -> Grid:
    """The worth of every offer, rounded up from figures that are rounded up."""
    profit, revenue = grids[0].value, grids[1].value
    value = np.full_like(profit, -np.inf)
    for first in range(0, len(value), PART):
        part = slice(first, first + PART)
        runs = np.isfinite(profit[part])
        exact = (1.0 - weight) * profit[part][runs].astype(np.float64) + weight * revenue[part][runs]
        value[part][runs] = rounded_up(exact)
    return replace(grids[0], value=value)


def _between(curve: _Curve, points: int, gap_frac: float, progress: Progress) -> list[_Point]:
    """The two ends, and then always between the two neighbors that lie farthest apart."""
    ends = []
    for k, weight in enumerate((0.0, 1.0)):
        ends.append(curve.at(weight, {}))
        progress(TASK, k + 1, points)
    found, gaps = list(ends), [(ends[0], ends[1])]
    wide, high = abs(ends[1].revenue - ends[0].revenue), abs(ends[0].profit - ends[1].profit)

    def apart(pair: tuple[_Point, _Point]) -> float:
        low, up = pair
        return float(np.hypot((up.revenue - low.revenue) / max(wide, 1e-9), (up.profit - low.profit) / max(high, 1e-9)))

    while gaps and len(found) < points:
        low, up = gaps.pop(max(range(len(gaps)), key=lambda k: apart(gaps[k])))
        lost, won = low.profit - up.profit, up.revenue - low.revenue
        if min(lost, won) <= 0.0:
            continue
        weight = min(max((lost + up.penalties - low.penalties) / (lost + won), 0.0), 1.0)  # both are worth the same
        share = (weight - low.weight) / (up.weight - low.weight)  # prices are nearly linear in the weight
        here = curve.at(weight, {row: price + share * (up.prices[row] - price) for row, price in low.prices.items()})
        progress(TASK, len(found) + 1, points)
        if here.worth(weight) > low.worth(weight) + gap_frac * max(abs(low.worth(weight)), 1.0):
            found.append(here)
            gaps += [(low, here), (here, up)]
    progress(TASK, points, points)
    return found


def _told(point: _Point, campaign: Campaign, items: pl.DataFrame, fresh: DemandDraws) -> tuple[object, ...]:
    verdict = check(point.plan.offers, campaign, items, fresh)
    return (
        point.weight,
        None if verdict.value is None else verdict.value.value,
        verdict.revenue,
        verdict.buyers,
        verdict.stock_cleared,
        len(point.plan.offers),
        point.plan.gap_frac,
        point.profit,
        point.revenue,
    )


def _undominated(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows to which no other one has as much of both and more of one; of equal ones the first."""
    best = rows.unique(["profit", "revenue"], keep="first", maintain_order=True)
    best = best.sort("profit", "revenue", descending=True)
    most = pl.col("revenue").cum_max().shift(1)
    return best.filter(most.is_null() | (pl.col("revenue") > most))
