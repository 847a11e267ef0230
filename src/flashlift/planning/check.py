"""An independent opinion on a plan: what its offers are worth together, which limits it breaks, and whether it is true.

The checker shares no code with the planner and trusts nothing of the plan: limits are judged from the offers as
written and the raw tables, values are recomputed from the draws, and what the plan says of itself is compared with
both. A broken plan never makes it fail; whatever is wrong becomes a finding (`Broken`) with its place and its amount.
A soft limit that is broken is no fault of the plan, and is told apart, with what it costs.

| finding | unit | what is wrong |
|---|---|---|
| offer | offers | an entry of the plan that is no offer |
| known item | offers | the table does not have the item, or not with one sound price, cost and stock |
| known slot | offers | the campaign does not have the slot, or not with one sound window |
| known limit | limits | a limit that the checker does not understand, so that nobody can say it is kept |
| price | currency | no number, or less than a cent |
| price ending | currency | distance to the nearest price that ends so |
| ladder | currency | distance to the nearest step |
| below list price | currency | how far above list price; 0 at list price |
| discount | fraction | stated less 1 - price / list price |
| quota | units | no number, less than one, or not whole |
| nominated | currency or offers | distance to the price that a seller nominated; an item that nobody nominated |
| funding | fraction | what others pay of an item's discount, less than none or more than all of it |
| per customer | units | stated less what the campaign allows |
| sell-through | fraction | of the quota missing, on the units stated |
| change[new], change[kept] | offers | of new items beyond the maximum; missing of the approved plan's items |
| quota quantile | units | quota less the quantile of demand that the campaign asks for; on the plan's own draws only |
| stock | units | quotas of the item together beyond its stock less the reserve |
| positions | offers | beyond the positions of the slot |
| listed twice | offers | the same item, slot and price again |
| one price | offers | two offers of one item at the same moment |
| appearances | offers | beyond the maximum |
| cool-down | hours | missing between two appearances |
| category[...] minimum, maximum | offers | missing or too many |
| brand[...] minimum, maximum | offers | missing or too many |
| pinned | offers or currency | not in the plan; distance to the step it is pinned at |
| budget, budget[funder] | currency | beyond the amount: on units as stated, on the plan's own draws, on fresh draws |
| margin floor | fraction | margin missing |
| excluded | offers | an excluded item |
| reference price | fraction | reduction on it missing or too much; no reference known |
| competitor | currency | above the competitor's price |
| rest | hours | missing between the offer and another sale of the item |
| never together | offers | two items of a set at one moment |
| always together | offers | an item missing where others of its set run |
| blackout | hours | of the slot within a window that is closed to the item |
| demand | units | the draws give no finite number of units for the offer |
| costs | fraction | the campaign's costs are no costs, so that no plan has a value |
| expected units, expected value | units, currency | stated less recomputed |
| expected revenue, buyers, stock cleared | currency, units | the same; no number where the goal asks for one |
| propensity | fraction | of the price drawn by lot: no number, or no probability |
| shadow cost | currency | stated less recomputed |
| goal | fraction | a weight that is no number, below 0, or nothing but 0 |
| objective | currency | stated less the offers' worth for the goal (their values) less the penalties of soft limits |
| bound | currency | how far the objective is above it |
| gap | fraction | stated less (bound - objective) / scale, the scale being the objective's size and at least 1 |
| status | fraction | gap beyond what the status promises |
| limit price | currency | no number |
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Costs, Estimate, Offer, Plan
from flashlift.errors import SettingsError
from flashlift.limits import Budget, FunderBudget
from flashlift.planning.check_claims import (
    claims_broken,
    means_broken,
    quotas_broken,
    sampling_tolerance,
    shadow_broken,
    shadow_cost,
)
from flashlift.planning.check_facts import Facts, can_run, free_stock, read_facts
from flashlift.planning.check_limits import budget_broken, funded_share, limits_broken, penalty_of, soft_broken
from flashlift.planning.check_value import Cells, gain_alone, gain_together, read_cells
from flashlift.planning.finding import Broken, number, place
from flashlift.planning.verdict import Claims, Verdict
from flashlift.protocols import DemandDraws

__all__ = ["check"]


def check(
    plan: Plan | Sequence[Offer],
    campaign: Campaign,
    items: pl.DataFrame,
    draws: DemandDraws | None = None,
    *,
    planned_on: DemandDraws | None = None,
    level: float = 0.9,
) -> Verdict:
    """Judge a plan as it is written.

    Limits need no draws. The value is told from `draws`, which should be fresh ones: on the draws that a plan was
    chosen on it is too good. What the plan says of its units and values must be exact on `planned_on` where those are
    given; without them it must agree with `draws` within the sampling error of both, where the plan is taken to rest
    on at least as many draws (`flashlift.planning.check_claims.sampling_tolerance`). On the plan's own draws the joint
    value equals the objective for one appearance per item, save where effects on one item from several sides meet the
    end of its stock.

    Args:
        plan: the plan. Offers alone claim nothing, so only their limits and their value are judged.
        campaign: the limits.
        items: table SaleItems, in the row order of the draws.
        draws: fresh draws of these items in the campaign's slots; without them the verdict has no value.
        planned_on: the draws that the plan was made on.
        level: probability of the value's interval, in (0, 1).

    Raises:
        SettingsError: `level` is no probability.
        InputError: the draws, or prices, costs and stock of items that the offers touch, are not finite numbers.
    """
    if not 0.0 < level < 1.0:
        raise SettingsError(f"The level of an interval is {level}. Choose a value between 0 and 1, such as 0.9.")
    written = plan.offers if isinstance(plan, Plan) else tuple(plan)
    offers = tuple(offer for offer in written if isinstance(offer, Offer))
    facts = read_facts(offers, campaign, items)
    unsound = [*_costs(campaign.costs), *_funding(facts)]
    broken = [*_strangers(written), *limits_broken(offers, campaign, facts), *unsound]
    soft = list(soft_broken(offers, campaign, facts))
    penalties = float(sum(cost for _, cost in soft))
    case = _Case(offers=offers, facts=facts, campaign=campaign, items=items)
    claims: Claims = "unchecked"
    figures: dict[str, Any] = {}
    if isinstance(plan, Plan):
        broken += claims_broken(replace(plan, offers=offers), campaign.goal, penalties)
        broken += shadow_broken(offers, facts, campaign)
        if not unsound and (planned_on is not None or draws is not None):
            claims = "sampled" if planned_on is None else "exact"
    if planned_on is not None and not unsound:
        broken += _findings(case.read(planned_on), case, exact=True, claims=claims == "exact")
    if draws is not None and not unsound:
        sample = case.read(draws)
        broken += _findings(sample, case, exact=False, claims=claims == "sampled")
        figures = _figures(sample, case, level)
    return Verdict(
        **figures,
        claims=claims,
        broken=tuple(dict.fromkeys(broken)),
        soft=tuple(finding for finding, _ in soft),
        penalties=penalties,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sample:
    """The offers that can run, on some draws, and those whose demand is no number."""

    draws: DemandDraws
    offers: Sequence[Offer]
    cells: Cells
    lost: Sequence[Offer]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """What is judged, beside the draws."""

    offers: Sequence[Offer]
    facts: Facts
    campaign: Campaign
    items: pl.DataFrame

    def read(self, draws: DemandDraws) -> _Sample:
        offers = [offer for offer in self.offers if can_run(offer, self.facts)]
        cells = read_cells(offers, self.facts, draws)
        finite = np.asarray(np.isfinite(cells.wanted + cells.replaced).all(axis=1))
        return _Sample(
            draws=draws,
            offers=[offer for offer, kept in zip(offers, finite, strict=True) if kept],
            cells=cells.take(finite),
            lost=[offer for offer, kept in zip(offers, finite, strict=True) if not kept],
        )


def _strangers(written: Sequence[object]) -> list[Broken]:
    """Entries of a plan that are no offers."""
    return [
        Broken(limit="offer", where=f"entry {k}", amount=1.0, unit="offers")
        for k, one in enumerate(written)
        if not isinstance(one, Offer)
    ]


def _costs(costs: Costs) -> list[Broken]:
    """Costs that cannot enter an account: not finite, or more returned than sold."""
    figures = [number(costs.return_frac), number(costs.return_cost), number(costs.holding_cost)]
    if not all(map(math.isfinite, figures)):
        return [Broken(limit="costs", where="campaign", amount=math.inf, unit="fraction")]
    wrong = max(-figures[0], figures[0] - 1.0)
    return [Broken(limit="costs", where="campaign", amount=wrong, unit="fraction")] if wrong > 0.0 else []


def _funding(facts: Facts) -> Iterator[Broken]:
    """Shares of a discount that are no shares, so that nobody can say what the shop is paid."""
    for item_id, item in facts.items.items():
        if not 0.0 <= item.funded <= 1.0 + 1e-9:
            wrong = max(-item.funded, item.funded - 1.0) if math.isfinite(item.funded) else math.inf
            yield Broken(limit="funding", where=item_id, amount=wrong, unit="fraction")


def _findings(sample: _Sample, case: _Case, *, exact: bool, claims: bool) -> Iterator[Broken]:
    """What the draws show: demand that is no number, budgets, and where asked for the figures of the plan."""
    for offer in sample.lost:
        yield Broken(limit="demand", where=place(offer), amount=math.inf, unit="units")
    where = "campaign, on the plan's own draws" if exact else "campaign, on fresh draws"
    for limit in case.campaign.limits:
        if isinstance(limit, Budget | FunderBudget) and penalty_of(limit) is None:
            known = [(offer, case.facts.items[offer.item_id]) for offer in sample.offers]
            given = sample.cells.given * np.array([funded_share(limit, *pair) for pair in known])
            cost = given @ sample.cells.sold
            reach = (given * sample.cells.quota).max(initial=0.0)  # rare outcomes come offer by offer
            noise = 0.0 if exact else float(sampling_tolerance(cost, reach))
            yield from budget_broken(float(cost.mean()), limit, where, noise)
    if claims:
        gain = gain_alone(sample.cells, case.items, sample.draws, case.campaign.costs)
        yield from means_broken(sample.offers, sample.cells, gain, exact=exact)
    if claims and exact:
        items = [case.facts.items[offer.item_id] for offer in sample.offers]
        stock = np.array([free_stock(item.stock, item.nominations, case.campaign) for item in items])
        yield from quotas_broken(sample.offers, sample.cells, stock, number(case.campaign.quota_quantile))


def _figures(sample: _Sample, case: _Case, level: float) -> dict[str, Any]:
    """The figures of a verdict."""
    cells = sample.cells
    gain = gain_together(cells, case.items, sample.draws, case.campaign.costs)
    value = gain.profit[0]
    tail = (1.0 - level) / 2.0
    units, quota = float(cells.sold.sum(axis=0).mean()), float(cells.quota.sum())
    return {
        "value": Estimate(
            value=float(value.mean()),
            ci_lower=float(np.quantile(value, tail)),
            ci_upper=float(np.quantile(value, 1.0 - tail)),
            level=level,
        ),
        "mean_error": float(value.std(ddof=1)) / len(value) ** 0.5 if len(value) > 1 else None,
        "gross_sales": float((cells.price @ cells.sold).mean()),
        "units": units,
        "sell_through": units / quota if quota > 0.0 else None,
        "discount_cost": float(cells.discount_cost.mean()),
        "revenue": float(gain.revenue.mean()),
        "buyers": float(cells.buyers.sum(axis=0).mean()),
        "stock_cleared": float(gain.stock_cleared.mean()),
        "shadow_cost": None if case.campaign.next_sale is None else _shadow(sample.offers, case),
    }


def _shadow(offers: Sequence[Offer], case: _Case) -> float:
    """What the offers lose in the next sale: of each item, its lowest price sets the reference there."""
    lost: dict[str, float] = {}
    for offer in offers:
        here = shadow_cost(float(offer.price), case.facts.items[offer.item_id], case.campaign)
        lost[offer.item_id] = max(lost.get(offer.item_id, 0.0), here)
    return sum(lost.values())
