"""The nouns of a flash sale: immutable values that hold no data frame and no behavior of a stage."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from flashlift.limits import Limit

__all__ = [
    "BEYOND_FRAC",
    "OPTIMAL_GAP_FRAC",
    "SHOWN_ASSUMED",
    "Campaign",
    "Costs",
    "Estimate",
    "Goal",
    "NextSale",
    "Offer",
    "Plan",
    "PlanStatus",
    "Slot",
    "Split",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """A figure with its interval; `level` is the probability that the interval claims (0.9 = 90 %)."""

    value: float
    ci_lower: float
    ci_upper: float
    level: float = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Global time split, UTC: train before `train_end`, validation before `valid_end`, test before `test_end`.

    An event at exactly a border belongs to the later part.
    """

    train_end: datetime
    valid_end: datetime
    test_end: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A window of time [start, end), UTC, that shows at most `positions` offers."""

    slot_id: str
    start: datetime
    end: datetime
    positions: int

    @property
    def hours(self) -> float:
        """Length of the window in hours."""
        return (self.end - self.start) / timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Costs:
    """What a unit costs beside its purchase cost, in shop currency; the same for all items.

    Args:
        return_frac: share of sold units that come back, in [0, 1).
        return_cost: handling cost of one returned unit.
        holding_cost: cost of one unit still in stock when the horizon ends.
    """

    return_frac: float = 0.0
    return_cost: float = 0.0
    holding_cost: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """What a plan is for: the units of incremental profit that one unit of each figure is worth, none negative.

    The planner maximizes the sum of weight x figure, the plan's worth; profit alone unless others are given a weight.
    The figures themselves are never mixed: whatever the goal, a plan tells each of them by itself.

    Args:
        profit: of incremental profit (`flashlift.account`).
        revenue: of incremental gross sales: units x price paid of all items over the sale and the days after it,
            returns not subtracted, less the same without the sale.
        buyers: of participation: expected distinct buyers in the offers, units sold / the item's units per purchase.
        stock_cleared: of stock that leaves because of the sale, valued at unit cost; what comes back is not cleared.
    """

    profit: float = 1.0
    revenue: float = 0.0
    buyers: float = 0.0
    stock_cleared: float = 0.0

    @property
    def words(self) -> str:
        """The weighted sum, such as `profit + 0.1 x gross sales`."""
        weights = {
            "profit": self.profit,
            "gross sales": self.revenue,
            "buyers": self.buyers,
            "stock cleared": self.stock_cleared,
        }
        return " + ".join(name if w == 1.0 else f"{w:g} x {name}" for name, w in weights.items() if w)


@dataclass(frozen=True, slots=True, kw_only=True)
class NextSale:
    """A sale planned within the days that the legal reference price looks back on.

    Its announced discount is quoted from the lowest price of those days, so a deep price now lowers its prices too.
    What that loses is the shadow cost of an offer: units x (1 - discount) x (reference price - sale price), where the
    sale price is below the reference price, on units that are kept.

    Args:
        units: of each item expected in it; the column `next_sale_units` of the items holds better ones, where known.
        discount_frac: discount below the reference price that will be announced, in [0, 1).
    """

    units: float
    discount_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What may run and what must hold. Positions per slot and stock per item are limits by their nature.

    Args:
        slots: the windows, in order of start.
        ladder: the discounts allowed, as fractions of the list price, each in (0, 1).
        limits: rules every plan keeps.
        costs: costs that enter the account of profit.
        quota_quantile: an offer's quota is this quantile of its drawn units, rounded up, within stock. A tight quota
            turns buyers away who would have paid; lower it where scarcity is the point.
        price_ending: fractional ending of a sale price (0.99, 0.95 ...), or several, of which the nearest is taken;
            None rounds to the cent.
        goal: what the plan is for.
        next_sale: whose loss through lower reference prices counts against the offers; None: none does.
    """

    slots: tuple[Slot, ...]
    ladder: tuple[float, ...]
    limits: tuple[Limit, ...] = ()
    costs: Costs = Costs()
    quota_quantile: float = 0.999
    price_ending: float | tuple[float, ...] | None = None
    goal: Goal = Goal()
    next_sale: NextSale | None = None

    @property
    def profit_alone(self) -> bool:
        """Whether an offer's worth is its incremental profit and nothing else."""
        return self.goal == Goal() and self.next_sale is None

    @property
    def endings(self) -> tuple[float, ...]:
        """Endings of a sale price; none: any cent."""
        ending = self.price_ending
        return () if ending is None else ending if isinstance(ending, tuple) else (ending,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One (item, slot, discount): at most `quota` units at `price` during the slot.

    `expected_units` (units sold within the quota) and `expected_value` (incremental profit) are means
    over demand draws. The sum of `expected_value` over a plan is what the optimizer maximized, unless the campaign has
    another goal: then the other figures of `Goal` are stated too, each by itself, and their weighted sum is the offer's
    worth. Where the campaign knows a next sale, `shadow_cost` is what the offer loses there; it is subtracted from the
    worth and part of no other figure. A customer may buy at most `per_customer` units; None: any number. `propensity`
    is the probability with which this price was drawn, below 1 where it was by lot (`flashlift.planning.explore`).
    """

    item_id: str
    slot_id: str
    discount_frac: float
    price: float
    quota: int
    expected_units: float
    expected_value: float
    per_customer: int | None = None
    propensity: float = 1.0
    expected_revenue: float | None = None
    expected_buyers: float | None = None
    expected_stock_cleared: float | None = None
    shadow_cost: float | None = None


BEYOND_FRAC = 0.005
"""A discount deeper than past sales by less than this is not told as deeper."""

SHOWN_ASSUMED = "the lift of being shown is assumed"
"""Part of the basis of an offer where the log records no sale that would tell it."""

OPTIMAL_GAP_FRAC = 0.01
"""The largest gap of a plan that may be called optimal, whatever tolerance its solver was given."""


class PlanStatus(StrEnum):
    """How a plan relates to the optimum of its problem.

    `OPTIMAL`: proved, with a gap within the solver's tolerance and at most `OPTIMAL_GAP_FRAC`. `TIME_LIMITED`: a search
    that ended before that; the bound is finite and true. `HEURISTIC`: a rule of thumb; nothing is known of the optimum,
    so bound and gap may be infinite.
    """

    OPTIMAL = "optimal"
    TIME_LIMITED = "time_limited"
    HEURISTIC = "heuristic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The chosen offers and how good they are known to be, in shop currency.

    Args:
        offers: chosen offers, ordered by slot and then by value.
        status: what is known of the optimum.
        objective: sum of the offers' worth for the campaign's goal (their expected values where that is profit alone),
            each alone in the plan, on the draws the plan was made on, less the penalties of the soft limits that it
            breaks.
        bound: no plan can have a larger objective on those draws; infinite where nothing is known.
        gap_frac: (bound - objective) / max(|objective|, 1).
        limit_prices: limit name -> what one more unit of the limit would add to the objective (dual of the relaxation).
    """

    offers: tuple[Offer, ...]
    status: PlanStatus
    objective: float
    bound: float
    gap_frac: float
    limit_prices: dict[str, float]
