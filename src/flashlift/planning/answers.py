"""What became of each nomination, in words: taken and where, or why not and by how much."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Offer, Plan
from flashlift.limits import Nomination, Nominations
from flashlift.planning.certificate import Certificate
from flashlift.planning.explain import explain
from flashlift.planning.stock import saleable
from flashlift.planning.windows import windows
from flashlift.schema import SaleItems

__all__ = ["answers"]

ANSWERS = {
    "item_id": pl.String,
    "seller": pl.String,
    "price": pl.Float64,
    "stock": pl.Int64,
    "funding_frac": pl.Float64,
    "taken": pl.Boolean,
    "slots": pl.String,
    "quota": pl.Int64,
    "expected_units": pl.Float64,
    "expected_funding": pl.Float64,
    "why": pl.String,
}


def answers(plan: Plan, campaign: Campaign, items: pl.DataFrame, certificate: Certificate) -> pl.DataFrame:
    """One row for each nomination, in the order of the nominations.

    Returns:
        The nomination (`item_id`, `seller`, `price`, `stock`, `funding_frac`), whether it was `taken`, its `slots`, its
        `quota` and `expected_units` in all of them, `expected_funding` (what the seller pays, in shop currency), and
        `why`, which tells profits of the shop.

    Raises:
        InputError: the certificate is not of this campaign.
    """
    near = explain(plan, campaign, items, certificate).entering(items.height)
    outside = {row["item_id"]: row for row in near.iter_rows(named=True)}
    row_of = {item: row for row, item in enumerate(items[SaleItems.item_id.name])}
    nominations = [one for limit in campaign.limits if isinstance(limit, Nominations) for one in limit.offers]
    closed = _closed(nominations, campaign, items, row_of)
    inside: dict[str, list[Offer]] = defaultdict(list)
    for offer in plan.offers:
        inside[offer.item_id].append(offer)
    rows = []
    for one in nominations:
        mine = inside[one.item_id]
        given = float(items[SaleItems.list_price.name][row_of[one.item_id]]) - one.price
        units = sum(offer.expected_units for offer in mine)
        told = (one.item_id, one.seller, one.price, one.stock, one.funding_frac)
        if mine:
            why = _inside(mine)
        elif one.item_id in outside:
            why = _outside(outside[one.item_id], plan)
        else:
            why = closed[one.item_id]
        funding = (1.0 - campaign.costs.return_frac) * one.funding_frac * given * units
        slots, quota = ", ".join(offer.slot_id for offer in mine), sum(offer.quota for offer in mine)
        rows.append((*told, bool(mine), slots, quota, units, funding, why))
    return pl.DataFrame(rows, schema=ANSWERS, orient="row")


def _inside(mine: list[Offer]) -> str:
    return f"it is expected to earn {sum(offer.expected_value for offer in mine):.2f}"


def _outside(best: dict[str, float], plan: Plan) -> str:
    text = f"its best offer, in {best['slot_id']}, would earn {best['value']:.2f}"
    if best["short"] > 0.0:
        return f"{text}; it would have to earn {best['short']:.2f} more to enter"
    return f"{text}: level with what runs there, within the gap of the plan ({plan.gap_frac:.2%})"


def _closed(
    nominations: list[Nomination], campaign: Campaign, items: pl.DataFrame, row_of: dict[str, int]
) -> dict[str, str]:
    """Why each could not run, if it could not: the limits that its price or its slots break, no stock, or no demand."""
    row = np.array([row_of[one.item_id] for one in nominations], dtype=np.int64)
    price = np.array([one.price for one in nominations], dtype=np.float64)
    broken: list[list[str]] = [[] for _ in nominations]
    for window in windows(campaign, items):
        for k in np.flatnonzero(~window.keeps(row, price)):
            broken[k].append(window.name)
    stock, list_price = saleable(campaign, items)[row], items[SaleItems.list_price.name].to_numpy()[row]
    why = {}
    for one, names, units, dear in zip(nominations, broken, stock.tolist(), price >= list_price, strict=True):
        if dear:
            why[one.item_id] = f"{one.price:.2f} is not below its list price"
        elif names:
            why[one.item_id] = f"it may not run at {one.price:.2f}: {', '.join(dict.fromkeys(names))}"
        elif units <= 0.0:
            why[one.item_id] = "there is no stock of it to sell"
        else:
            why[one.item_id] = f"too little demand is expected for it at {one.price:.2f}"
    return why
