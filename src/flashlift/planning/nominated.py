"""What sellers nominated, item by item: the price, the stock and the share of the discount that they pay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Plan
from flashlift.limits import FunderBudget, Nomination, Nominations
from flashlift.protocols import FloatArray
from flashlift.schema import SaleItems

__all__ = ["expected_funding", "funded", "nominated_price", "nominated_stock", "paid_by"]


def nominated_price(campaign: Campaign, items: pl.DataFrame) -> FloatArray:
    """Nominated price of each item, nan where there is none, (n_items,)."""
    return _of_items(campaign, items, "price", np.nan)


def nominated_stock(campaign: Campaign, items: pl.DataFrame) -> FloatArray:
    """Nominated stock of each item, inf where there is none, (n_items,)."""
    return _of_items(campaign, items, "stock", np.inf)


def funded(campaign: Campaign, items: pl.DataFrame) -> FloatArray:
    """Share of each item's discount that funders and sellers pay to the shop, (n_items,)."""
    share = _of_items(campaign, items, "funding_frac", 0.0)
    for limit in campaign.limits:
        if isinstance(limit, FunderBudget):
            share = share + limit.share * paid_by(limit, items)
    return share


def expected_funding(plan: Plan, campaign: Campaign, items: pl.DataFrame) -> float:
    """Expected discount of a plan that funders and sellers pay for units kept, in shop currency."""
    row = {item: k for k, item in enumerate(items[SaleItems.item_id.name])}
    at = np.array([row[offer.item_id] for offer in plan.offers], dtype=np.int64)
    price, units = (np.array([getattr(one, name) for one in plan.offers]) for name in ("price", "expected_units"))
    given = items[SaleItems.list_price.name].to_numpy()[at] - price
    return float((1.0 - campaign.costs.return_frac) * (funded(campaign, items)[at] * given) @ units)


def paid_by(limit: FunderBudget, items: pl.DataFrame) -> FloatArray:
    """Which items a funder pays for, 1 or 0, (n_items,)."""
    paid = items[SaleItems.item_id.name].is_in(list(limit.item_ids))
    if limit.brand is not None:
        paid |= (items[SaleItems.brand.name] == limit.brand).fill_null(value=False)
    return paid.to_numpy().astype(np.float64)


def _of_items(campaign: Campaign, items: pl.DataFrame, field: str, missing: float) -> FloatArray:
    """A field of the nominations, (n_items,)."""
    told = {one.item_id: getattr(one, field) for one in _nominations(campaign)}
    if not told:
        return np.full(items.height, missing)
    ids = items[SaleItems.item_id.name]
    column = ids.replace_strict(list(told), list(told.values()), default=missing, return_dtype=pl.Float64)
    return column.to_numpy()


def _nominations(campaign: Campaign) -> Iterator[Nomination]:
    for limit in campaign.limits:
        if isinstance(limit, Nominations):
            yield from limit.offers
