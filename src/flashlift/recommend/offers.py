"""The planned offers of a sale, ranked for each customer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.domain import Offer, Plan
from flashlift.errors import InputError
from flashlift.protocols import Recommender
from flashlift.schema import Events

__all__ = ["audience", "rank_offers"]


def rank_offers(
    recommender: Recommender, events: pl.DataFrame, plan: Plan, customers: Sequence[str], at: datetime, *, k: int = 10
) -> pl.DataFrame:
    """The first `k` offers of each slot for each customer, as of `at`.

    The price is the same for everybody; only the order is personal. Equal scores rank in the plan's order.

    Returns:
        customer_id, slot_id, rank (from 1), item_id, price, score; ordered by customer as given, slot, rank.

    Raises:
        InputError: `k` is not positive.
    """
    if k < 1:
        raise InputError(f"Cannot rank the first {k} offers. Ask for one or more.")
    key, item = Events.customer_id.name, Events.item_id.name
    offers = pl.DataFrame(
        [(place, offer.slot_id, offer.item_id, offer.price) for place, offer in enumerate(plan.offers)],
        schema={"place": pl.Int64, "slot_id": pl.String, item: pl.String, "price": pl.Float64},
        orient="row",
    )
    item_ids = offers[item].unique(maintain_order=True).to_list()
    scores = recommender.score(events, customers, at, item_ids) if item_ids else np.zeros((len(customers), 0))
    scored = pl.DataFrame(
        {
            "row": np.repeat(np.arange(len(customers)), len(item_ids)),
            key: np.repeat(np.array(customers, dtype=object), len(item_ids)).tolist(),
            item: item_ids * len(customers),
            "score": scores.ravel(),
        },
        schema={"row": pl.Int64, key: pl.String, item: pl.String, "score": pl.Float64},
    )
    slots = offers.group_by("slot_id").agg(first=pl.col("place").min())
    return (
        scored.join(offers, on=item, how="inner")
        .join(slots, on="slot_id", how="inner")
        .sort("row", "first", "score", "place", descending=[False, False, True, False])
        .with_columns(rank=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("row", "slot_id"))
        .filter(pl.col("rank") <= k)
        .select(key, "slot_id", "rank", item, "price", "score")
    )


def audience(ranked: pl.DataFrame, offer: Offer) -> list[str]:
    """Customers who see `offer` among their first ones in `ranked` (from `rank_offers`), the keenest ranks first.

    Scores compare within a customer only, so the audience follows from ranks.
    """
    seen = ranked.filter((pl.col("slot_id") == offer.slot_id) & (Events.item_id.col == offer.item_id))
    return seen.sort("rank", maintain_order=True)[Events.customer_id.name].to_list()
