"""Whether what a plan says of itself is true: its units, its values, its objective, its bound and its status.

Two kinds of draws can judge the stated means. On the draws that the plan was made on they must be exact. On fresh
draws of the same model they must agree within the sampling error of both, `sampling_tolerance`.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Sequence

import numpy as np

from flashlift.domain import OPTIMAL_GAP_FRAC, Campaign, Goal, Offer, Plan, PlanStatus
from flashlift.planning.check_facts import Facts, ItemFacts
from flashlift.planning.check_value import Cells, Gain
from flashlift.planning.finding import Broken, Unit, excess, number, place
from flashlift.protocols import FloatArray

__all__ = [
    "claims_broken",
    "means_broken",
    "quotas_broken",
    "sampling_tolerance",
    "shadow_broken",
    "shadow_cost",
    "worth_stated",
]

EXACT = 1e-6  # relative to the figure, at least of one unit or one unit of currency
SIGMAS = 6.0  # a planner picks the luckiest of up to millions of offers: P(Z > 6) = 1e-9
RARE = 20.0  # an outcome of share 20 / n or more is missed by n draws with probability e^-20 = 2e-9 at most


BESIDE: dict[str, Unit] = {"revenue": "currency", "buyers": "units", "stock cleared": "currency"}


def claims_broken(plan: Plan, goal: Goal, penalties: float = 0.0) -> list[Broken]:
    """What contradicts itself, without any draws.

    Args:
        plan: the plan.
        goal: of the campaign.
        penalties: of the soft limits that it breaks, in shop currency.
    """
    return [
        *_goal(goal),
        *(b for offer in plan.offers for b in _offer(offer, goal)),
        *_objective(plan, goal, penalties),
        *_bound(plan),
        *(
            Broken(limit="limit price", where=name, amount=math.inf, unit="currency")
            for name, price in plan.limit_prices.items()
            if not math.isfinite(number(price))
        ),
    ]


def _goal(goal: Goal) -> Iterator[Broken]:
    weights = [number(goal.profit), number(goal.revenue), number(goal.buyers), number(goal.stock_cleared)]
    if not (all(0.0 <= weight < math.inf for weight in weights) and any(weights)):
        yield Broken(limit="goal", where="campaign", amount=math.inf, unit="fraction")


def _offer(offer: Offer, goal: Goal) -> Iterator[Broken]:
    """Units within the quota, figures that are numbers where the goal asks for them, a propensity that is one."""
    for what, unit in BESIDE.items():
        said = getattr(offer, _field(what))
        if (said is not None or goal != Goal()) and not math.isfinite(number(said)):
            yield Broken(limit=f"expected {what}", where=place(offer), amount=math.inf, unit=unit)
    units, quota = number(offer.expected_units), number(offer.quota)
    low, high = excess(0.0, units, EXACT), excess(units, quota, EXACT * max(1.0, abs(quota)))
    if low is not None:
        amount = -low if math.isfinite(low) else math.inf
        yield Broken(limit="expected units", where=place(offer), amount=amount, unit="units")
    elif high is not None and math.isfinite(quota):
        yield Broken(limit="expected units", where=place(offer), amount=high, unit="units")
    if not math.isfinite(number(offer.expected_value)):
        yield Broken(limit="expected value", where=place(offer), amount=math.inf, unit="currency")
    if not 0.0 < (chance := number(offer.propensity)) <= 1.0:
        amount = max(-chance, chance - 1.0) if math.isfinite(chance) else math.inf
        yield Broken(limit="propensity", where=place(offer), amount=amount, unit="fraction")


def _field(what: str) -> str:
    return f"expected_{what.replace(' ', '_')}"


def shadow_cost(price: float, item: ItemFacts, campaign: Campaign) -> float:
    """What a price below the reference price loses in the campaign's next sale; nan where that is no number."""
    sale = campaign.next_sale
    if sale is None:
        return 0.0
    units = number(sale.units) if math.isnan(item.next_sale_units) else item.next_sale_units
    reference = item.list_price if math.isnan(item.reference_price) else item.reference_price
    lower = (1.0 - number(sale.discount_frac)) * max(reference - price, 0.0)
    return units * lower * (1.0 - number(campaign.costs.return_frac))


def shadow_broken(offers: Sequence[Offer], facts: Facts, campaign: Campaign) -> Iterator[Broken]:
    """Shadow costs that are stated wrongly, or without a next sale, or not at all where there is one."""
    for offer in offers:
        if offer.shadow_cost is None and campaign.next_sale is None:
            continue
        right, item = math.nan, facts.items.get(offer.item_id) if isinstance(offer.item_id, str) else None
        if item is not None and campaign.next_sale is not None and math.isfinite(number(offer.price)):
            right = shadow_cost(offer.price, item, campaign)
        wrong = number(offer.shadow_cost) - right
        if not abs(wrong) <= EXACT * max(1.0, abs(right)):
            amount = wrong if math.isfinite(wrong) else math.inf
            yield Broken(limit="shadow cost", where=place(offer), amount=amount, unit="currency")


def worth_stated(offer: Offer, goal: Goal) -> float:
    """What the goal makes of the figures that an offer states, less its shadow cost; nan where one is not stated.

    Figures without a weight do not enter, whatever is stated of them.
    """
    weighted = (
        (goal.profit, offer.expected_value),
        (goal.revenue, offer.expected_revenue),
        (goal.buyers, offer.expected_buyers),
        (goal.stock_cleared, offer.expected_stock_cleared),
    )
    later = 0.0 if offer.shadow_cost is None else number(offer.shadow_cost)
    return sum(weight * number(figure) for weight, figure in weighted if weight) - later


def _objective(plan: Plan, goal: Goal, penalties: float) -> Iterator[Broken]:
    values = [*(worth_stated(offer, goal) for offer in plan.offers), -penalties]
    wrong = number(plan.objective) - sum(values)
    if not abs(wrong) <= EXACT * max(1.0, sum(map(abs, values))):
        amount = wrong if math.isfinite(wrong) else math.inf
        yield Broken(limit="objective", where="campaign", amount=amount, unit="currency")


def _bound(plan: Plan) -> Iterator[Broken]:
    """The bound is above the objective, the gap is theirs, and the status claims no more than both."""
    objective, bound, gap = number(plan.objective), number(plan.bound), number(plan.gap_frac)
    scale = max(abs(objective), 1.0)
    low = excess(objective, bound, EXACT * scale)
    if low is not None:
        yield Broken(limit="bound", where="campaign", amount=low, unit="currency")
    true_gap = (bound - objective) / scale
    if gap != true_gap and not abs(gap - true_gap) <= EXACT * max(1.0, abs(true_gap)):
        amount = gap - true_gap if math.isfinite(gap - true_gap) else math.inf
        yield Broken(limit="gap", where="campaign", amount=amount, unit="fraction")
    over = excess(true_gap, _largest_gap(plan.status), EXACT)
    if over is not None:
        yield Broken(limit="status", where="campaign", amount=over, unit="fraction")


def _largest_gap(status: PlanStatus) -> float:
    match status:
        case PlanStatus.OPTIMAL:
            return OPTIMAL_GAP_FRAC
        case PlanStatus.TIME_LIMITED:
            return sys.float_info.max  # a search has a bound, however far
        case PlanStatus.HEURISTIC:
            return math.inf
        case _:
            return -math.inf  # a word that is no status


def means_broken(offers: Sequence[Offer], cells: Cells, gain: Gain, *, exact: bool) -> Iterator[Broken]:
    """Stated units, values and other figures that are not the means over draws; one not stated is no claim.

    Args:
        offers: those of `cells`; figures that are no number are left to `claims_broken`.
        cells: the offers on the draws.
        gain: of each offer alone.
        exact: whether the plan was made on these very draws.
    """
    never_sold = cells.quota - cells.sold.max(axis=1)
    unseen = never_sold * (cells.price + cells.given)  # a list price for each unit

    def reach(seen: FloatArray) -> FloatArray:
        return np.asarray(np.ptp(seen, axis=1) + unseen)

    yield from _means("expected units", "units", offers, cells.sold, cells.quota, exact)
    yield from _means("expected value", "currency", offers, gain.profit, reach(gain.profit), exact)
    yield from _means("expected revenue", "currency", offers, gain.revenue, reach(gain.revenue), exact)
    yield from _means("expected buyers", "units", offers, cells.buyers, cells.quota / cells.per_purchase, exact)
    cleared = gain.stock_cleared
    yield from _means("expected stock cleared", "currency", offers, cleared, reach(cleared), exact)


def _means(
    limit: str, unit: Unit, offers: Sequence[Offer], samples: FloatArray, reach: FloatArray, exact: bool
) -> Iterator[Broken]:
    mean = samples.mean(axis=1)
    tolerance = EXACT * np.maximum(1.0, np.abs(mean)) if exact else sampling_tolerance(samples, reach)
    name = limit.replace(" ", "_")
    wrong = np.array([number(getattr(offer, name)) for offer in offers]) - mean
    for k in np.flatnonzero(np.isfinite(wrong) & (np.abs(wrong) > tolerance)).tolist():
        yield Broken(limit=limit, where=place(offers[k]), amount=float(wrong[k]), unit=unit)


def sampling_tolerance(samples: FloatArray, reach: FloatArray | float) -> FloatArray:
    """How far a mean stated from other draws may be from the mean of these, (n,); infinite for a single draw.

    A part for the spread seen and a part for rare large outcomes that one of the samples may have missed, the two parts
    of Bernstein's inequality (Boucheron, Lugosi and Massart, Concentration Inequalities, 2013, sec. 2.8). The stated
    mean is taken to come from at least as many draws.

    Args:
        samples: one row for each figure, (n, n_draws).
        reach: how far apart two outcomes of a figure may be, (n,).
    """
    n = samples.shape[-1]
    if n < 2:
        return np.full(samples.shape[:-1], np.inf)
    spread = samples.std(axis=-1, ddof=1)
    tolerance: FloatArray = SIGMAS * np.sqrt(2.0 / n) * spread + RARE / n * np.asarray(reach)
    return tolerance


def quotas_broken(offers: Sequence[Offer], cells: Cells, stock: FloatArray, quantile: float) -> Iterator[Broken]:
    """Quotas that are not the campaign's quantile of the units demanded, rounded up, within stock.

    Args:
        offers: those of `cells`.
        cells: the offers on the draws that the plan was made on.
        stock: stock of the item of each offer, (n_offers,).
        quantile: share of draws whose demand the quota covers, in (0, 1].
    """
    share = np.arange(1, cells.wanted.shape[1] + 1) / cells.wanted.shape[1]
    covers = np.flatnonzero(share >= quantile - 1e-9)
    for k, offer in enumerate(offers):
        right = math.nan
        if len(covers):
            right = min(math.ceil(np.sort(cells.wanted[k])[covers[0]] - 1e-9), stock[k])
        wrong = number(offer.quota) - right
        if wrong != 0.0:
            amount = float(wrong) if math.isfinite(wrong) else math.inf
            yield Broken(limit="quota quantile", where=place(offer), amount=amount, unit="units")
