"""A plan as a table to print."""

from __future__ import annotations

import polars as pl

from flashlift.domain import Campaign, Goal, Offer, Plan
from flashlift.planning.solution import BESIDE
from flashlift.schema import SaleItems

__all__ = ["offers_frame", "plan_table"]


def offers_frame(offers: tuple[Offer, ...]) -> pl.DataFrame:
    """Offers as they are, one row each."""
    schema = {
        "item_id": pl.String,
        "slot_id": pl.String,
        "discount_frac": pl.Float64,
        "price": pl.Float64,
        "quota": pl.Int64,
        "expected_units": pl.Float64,
        "expected_value": pl.Float64,
        "per_customer": pl.Int64,
        "propensity": pl.Float64,
        **dict.fromkeys((*BESIDE, "shadow_cost"), pl.Float64),
    }
    return pl.DataFrame({name: [getattr(offer, name) for offer in offers] for name in schema}, schema=schema)


def plan_table(plan: Plan, campaign: Campaign, items: pl.DataFrame) -> pl.DataFrame:
    """One row for each offer, in the order of the plan.

    Args:
        plan: the plan.
        campaign: its campaign, for the times of the slots (UTC).
        items: table SaleItems, for titles, categories and list prices.
    """
    times = pl.DataFrame(
        {
            "slot_id": [slot.slot_id for slot in campaign.slots],
            "start": [slot.start for slot in campaign.slots],
            "end": [slot.end for slot in campaign.slots],
        },
        schema={"slot_id": pl.String, "start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")},
    )
    about = items.select(
        SaleItems.item_id.name, SaleItems.title.name, SaleItems.category.name, SaleItems.list_price.name
    )
    joined = (
        offers_frame(plan.offers)
        .join(times, on="slot_id", how="left", maintain_order="left")
        .join(about, on="item_id", how="left", maintain_order="left")
    )
    first = ["slot_id", "start", "end", "item_id", "title", "category", "list_price", "price", "discount_frac"]
    stated = ["per_customer"] if any(offer.per_customer is not None for offer in plan.offers) else []
    drawn = ["propensity"] if any(offer.propensity != 1.0 for offer in plan.offers) else []
    beside = [*(BESIDE if campaign.goal != Goal() else ()), *(["shadow_cost"] if campaign.next_sale else [])]
    return joined.select(*first, "quota", *stated, "expected_units", "expected_value", *beside, *drawn)
