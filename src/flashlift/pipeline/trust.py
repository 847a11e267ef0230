"""What a plan rests on: the basis of its offers, the hidden cause that would turn it; and the stock it asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from flashlift import demand, planning
from flashlift.domain import SHOWN_ASSUMED, Campaign, Costs, Offer, Plan
from flashlift.limits import Nominations
from flashlift.protocols import DemandDraws, FloatArray, IntArray
from flashlift.schema import SaleItems
from flashlift.settings import Settings

__all__ = ["basis", "sensitivity", "stock"]


def basis(best: Plan, items: pl.DataFrame, draws: DemandDraws, *, shown_assumed: bool) -> pl.DataFrame:
    """`beyond_frac` and `basis` of each offer, in the order of the plan; see `demand.offer_basis`.

    Where the log holds no sales but price cuts alone, `basis` says that the lift of being shown is assumed.
    """
    rows, discount = _rows(best, items), np.array([offer.discount_frac for offer in best.offers])
    found = demand.offer_basis(draws, rows, discount)
    if not shown_assumed:
        return found
    known = pl.col("beyond_frac").is_not_null()  # else all of the response is assumed, and said to be
    return found.with_columns(basis=pl.when(known).then(pl.col("basis") + f"; {SHOWN_ASSUMED}").otherwise("basis"))


def sensitivity(
    best: Plan, campaign: Campaign, items: pl.DataFrame, draws: DemandDraws, placebo: pl.DataFrame
) -> pl.DataFrame:
    """How strong a hidden cause would turn a plan: `tipping_factor` of its value, `depth_factor` of its depth, `text`.

    The depth turns where one step less of the ladder, wherever there is one, is worth more; nominated items have none.
    Factors are null for an empty plan, and for a plan whose offers are all on the lowest step.
    """

    def value(offers: Sequence[Offer], world: DemandDraws) -> float:
        judged = planning.check(offers, campaign, items, world).value
        return np.nan if judged is None else judged.value

    tips, depth, text = None, None, ""
    if best.offers and np.isfinite(value(best.offers, draws)):
        tips = demand.tipping_factor(draws, lambda world: value(best.offers, world))
        text = demand.tipping_sentence(tips, demand.room_for_error(placebo))
        fixed = {one.item_id for limit in campaign.limits if isinstance(limit, Nominations) for one in limit.offers}
        less = [o if o.item_id in fixed else _shallower(o, campaign.ladder) for o in best.offers]
        if less != list(best.offers):
            depth = demand.tipping_factor(draws, lambda world: value(best.offers, world) - value(less, world))
            text = f"{text} {demand.depth_sentence(depth)}"
    schema = {"tipping_factor": pl.Float64, "depth_factor": pl.Float64, "text": pl.String}
    return pl.DataFrame({"tipping_factor": [tips], "depth_factor": [depth], "text": [text]}, schema=schema)


def _shallower(offer: Offer, ladder: Sequence[float]) -> Offer:
    """The offer one step of the ladder less deep; itself on the lowest step."""
    at = min(range(len(ladder)), key=lambda k: abs(ladder[k] - offer.discount_frac))  # endings move prices off steps
    if at == 0:
        return offer
    list_price, less = offer.price / (1.0 - offer.discount_frac), ladder[at - 1]
    return replace(offer, discount_frac=less, price=list_price * (1.0 - less))


def stock(settings: Settings, best: Plan, campaign: Campaign, items: pl.DataFrame, draws: DemandDraws) -> pl.DataFrame:
    """Units to order of each item in the plan, with its title; see `demand.stock_to_order`."""
    rows, slots = _rows(best, items), {slot.slot_id: k for k, slot in enumerate(campaign.slots)}
    cost = items[SaleItems.unit_cost.name].to_numpy()[rows]
    price = np.array([offer.price for offer in best.offers])
    list_price = items[SaleItems.list_price.name].to_numpy()[rows]
    paid = price + planning.funded(campaign, items)[rows] * (list_price - price)
    offers = demand.SaleOffers(
        item_id=tuple(offer.item_id for offer in best.offers),
        item=rows,
        slot=np.array([slots[offer.slot_id] for offer in best.offers], dtype=np.int64),
        discount=1.0 - price / list_price,
        price=_kept(paid, cost, campaign.costs),
        unit_cost=cost,
        salvage=settings.assumptions.salvage_frac * cost - campaign.costs.holding_cost,
    )
    titles = items.select(SaleItems.item_id.name, SaleItems.title.name, SaleItems.cost_assumed.name)
    found = demand.stock_to_order(draws, offers).join(titles, on="item_id", how="left", maintain_order="left")
    first = ("item_id", "title", "offers")
    return found.select(*first, pl.exclude(*first, "price"))


def _kept(price: FloatArray, cost: FloatArray, costs: Costs) -> FloatArray:
    """What a sold unit brings after returns: a unit that comes back costs its handling and is sold again."""
    margin = (1.0 - costs.return_frac) * (price - cost) - costs.return_frac * costs.return_cost
    return np.maximum(cost + margin, 1e-6)  # a price at which every unit loses; nothing is ordered then


def _rows(best: Plan, items: pl.DataFrame) -> IntArray:
    row = {item_id: k for k, item_id in enumerate(items[SaleItems.item_id.name])}
    return np.array([row[offer.item_id] for offer in best.offers], dtype=np.int64)
