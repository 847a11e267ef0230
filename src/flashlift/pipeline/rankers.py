"""The ways to rank items for a customer that a shop is offered; which one it uses is decided on its validation days."""

from __future__ import annotations

from datetime import datetime

from flashlift import behavior, events, recommend
from flashlift.pipeline.shop import Shop
from flashlift.protocols import Recommender

__all__ = ["rankers"]


def rankers(model: behavior.BehaviorModel, shop: Shop, at: datetime) -> dict[str, Recommender]:
    """Name -> recommender; nothing at or after `at` is read."""
    popular = recommend.Popularity.fit(events.before(shop.tables.events, at), shop.tables.customers)
    return {
        "popular in the last 28 days": popular,
        "own history, then popular": recommend.OwnHistory(otherwise=popular),
        "behavior model": model,
    }
