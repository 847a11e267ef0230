"""A small share of a plan's prices drawn by lot, where that teaches most for what it costs.

What a shop never randomizes it can only guess from confounded logs. For a chosen offer the price is drawn among steps
of the ladder that its item may run at in that slot; each has the same propensity, and it is written down. With units
that are Poisson with mean u(p) = exp(a - e ln p), the information about the elasticity e at an unknown level a is

    sum over p of w(p) u(p) (ln p - m)^2,   m the mean of ln p weighted by w(p) u(p),  w(p) the propensity

(Fisher information of a log-linear Poisson model, McCullagh and Nelder, Generalized Linear Models, 2nd ed. 1989, sec.
6.3). Its cost is the plan's price's profit less the mean profit over the draw. Offers are taken in the order of
information per cost while the share of the places and, whatever is drawn, every limit of the campaign allow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from flashlift.domain import OPTIMAL_GAP_FRAC, Campaign, Offer, Plan, PlanStatus
from flashlift.errors import SettingsError
from flashlift.planning.certificate import Certificate
from flashlift.planning.check import check
from flashlift.planning.finding import place
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["Explored", "explore"]

MOST = 0.03  # of the places


@dataclass(frozen=True, slots=True, kw_only=True)
class Explored:
    """A plan with some prices drawn by lot.

    Args:
        plan: the plan as drawn; its gap includes what the exploration costs.
        lots: `item_id`, `slot_id`, `price`, `propensity`, `planned` (the best plan's own price), `drawn`,
            `expected_units`, `expected_value`: a row for each price that could have been drawn.
        cost: expected profit given up, the mean over the draws, in shop currency.
    """

    plan: Plan
    lots: pl.DataFrame
    cost: float


def explore(
    plan: Plan,
    campaign: Campaign,
    items: pl.DataFrame,
    certificate: Certificate,
    *,
    share: float,
    n_prices: int = 2,
    rng: np.random.Generator,
) -> Explored:
    """Draw prices by lot for at most `share` of the campaign's places.

    Args:
        plan: the best plan.
        campaign: its limits; they hold whatever is drawn.
        items: table SaleItems.
        certificate: its proof, which holds every offer that could run.
        share: of all places, in [0, 0.03].
        n_prices: prices to draw from, the plan's own among them, at least 2.
        rng: draws the offers' prices.

    Raises:
        SettingsError: the share is outside its range, there is nothing to draw from, or the campaign's goal is not
            profit alone: a certificate holds no profit then.
    """
    if not 0.0 <= share <= MOST:
        raise SettingsError(f"The share of places to explore is {share:g}. Choose one between 0 and {MOST:g}.")
    if n_prices < 2:
        raise SettingsError(f"A lot among {n_prices} prices draws nothing. Allow 2 or more.")
    if share and not campaign.profit_alone:
        raise SettingsError(
            "Exploration weighs information against profit, and the campaign has another goal or a next sale. "
            "Plan for profit alone, or explore a share of 0."
        )
    most = int(share * sum(slot.positions for slot in campaign.slots) + 1e-9)
    ranked = sorted(
        _lots(plan, campaign, items, certificate, n_prices) if most else [],
        key=lambda lot: (-lot.information / max(lot.cost, 1e-9), lot.prices[0].item_id, lot.prices[0].slot_id),
    )
    taken: list[_Lot] = []
    offers = list(plan.offers)
    for lot in ranked:
        if len(taken) == most:
            break
        if _keeps_limits(offers, [*taken, lot], campaign, items):
            taken.append(lot)
    drawn = {}
    for lot in taken:
        one = lot.prices[int(rng.integers(len(lot.prices)))]
        drawn[lot.prices[0]] = replace(one, propensity=1.0 / len(lot.prices))
    after = tuple(drawn.get(offer, offer) for offer in offers)
    objective = float(sum(offer.expected_value for offer in after)) - check(after, campaign, items).penalties
    gap = max(plan.bound - objective, 0.0) / max(abs(objective), 1.0)
    status = plan.status if gap <= OPTIMAL_GAP_FRAC else PlanStatus.TIME_LIMITED  # near the optimum no more
    return Explored(
        plan=replace(plan, offers=after, objective=objective, gap_frac=gap, status=status) if taken else plan,
        lots=_table(taken, {place(one): one.price for one in drawn.values()}),
        cost=float(sum(lot.cost for lot in taken)),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lot:
    """Offers of one item and slot at several prices, the plan's own first; what they teach and cost."""

    prices: tuple[Offer, ...]
    information: float
    cost: float


def _lots(plan: Plan, campaign: Campaign, items: pl.DataFrame, certificate: Certificate, n: int) -> Iterator[_Lot]:
    """A lot for each offer that has another price in its place."""
    rows = {item: row for row, item in enumerate(items[SaleItems.item_id.name])}
    slots = {one.slot_id: number for number, one in enumerate(campaign.slots)}
    keys = [(rows[offer.item_id], slots[offer.slot_id]) for offer in plan.offers]
    wanted = pl.DataFrame(
        keys, schema={"item": pl.UInt32, "slot": certificate.cells.schema["slot"]}, orient="row"
    ).unique()
    found = certificate.cells.join(wanted, on=["item", "slot"], how="semi")
    found = found.with_columns(pl.col("price").cast(pl.Float64).round(2))
    cells = found.partition_by("item", "slot", as_dict=True)
    list_price = items[SaleItems.list_price.name].to_numpy()
    for offer, key in zip(plan.offers, keys, strict=True):
        lot = _lot(offer, float(list_price[key[0]]), cells[key], n) if key in cells else None
        if lot is not None:
            yield lot


def _lot(offer: Offer, list_price: float, cells: pl.DataFrame, n: int) -> _Lot | None:
    """The prices nearest in profit to the plan's own, or None where there is no other."""
    others = cells.filter((pl.col("price") - offer.price).abs() > 0.005, pl.col("units") > 0.0)
    if not others.height:
        return None
    near = others.sort("value", descending=True).head(n - 1)
    prices = (
        offer,
        *(
            replace(
                offer,
                price=one["price"],
                discount_frac=1.0 - one["price"] / list_price,
                quota=one["quota"],
                expected_units=one["units"],
                expected_value=one["value"],
            )
            for one in near.iter_rows(named=True)
        ),
    )
    cost = offer.expected_value - float(np.mean([one.expected_value for one in prices]))
    return _Lot(prices=prices, information=_information(prices), cost=cost)


def _information(prices: tuple[Offer, ...]) -> float:
    weight: FloatArray = np.array([one.expected_units / len(prices) for one in prices])
    log_price = np.log([one.price for one in prices])
    if weight.sum() <= 0.0:
        return 0.0
    mean = np.average(log_price, weights=weight)
    return float(weight @ (log_price - mean) ** 2)


def _keeps_limits(offers: list[Offer], lots: list[_Lot], campaign: Campaign, items: pl.DataFrame) -> bool:
    """Whether the limits hold whatever the lots draw.

    Budgets and stock are shared, and grow with what each lot takes at most; what else depends on a price (a pinned
    discount) is judged offer by offer, so the prices of the newest lot are tried one by one.
    """
    list_price = dict(zip(items[SaleItems.item_id.name], items[SaleItems.list_price.name], strict=True))

    def kept(drawn: dict[Offer, Offer]) -> bool:
        return not check(tuple(drawn.get(offer, offer) for offer in offers), campaign, items).broken

    worst = {}
    for lot in lots:
        given = [(list_price[one.item_id] - one.price) * one.expected_units for one in lot.prices]
        dearest = lot.prices[int(np.argmax(given))]
        worst[lot.prices[0]] = replace(dearest, quota=max(one.quota for one in lot.prices))
    newest = lots[-1].prices
    return kept(worst) and all(kept({newest[0]: one}) for one in newest)


def _table(lots: list[_Lot], drawn: dict[str, float]) -> pl.DataFrame:
    """Every price of every lot; `drawn` is the price drawn in each place."""
    schema = {
        "item_id": pl.String,
        "slot_id": pl.String,
        "price": pl.Float64,
        "propensity": pl.Float64,
        "planned": pl.Boolean,
        "drawn": pl.Boolean,
        "expected_units": pl.Float64,
        "expected_value": pl.Float64,
    }
    rows = [
        (
            offer.item_id,
            offer.slot_id,
            offer.price,
            1.0 / len(lot.prices),
            offer is lot.prices[0],
            offer.price == drawn[place(offer)],
            offer.expected_units,
            offer.expected_value,
        )
        for lot in lots
        for offer in lot.prices
    ]
    return pl.DataFrame(rows, schema=schema, orient="row")
