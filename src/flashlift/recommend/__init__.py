"""Which offers should this customer see? Baseline, full-rank evaluation, and planned offers ranked per customer."""

from flashlift.recommend.evaluate import evaluate
from flashlift.recommend.offers import audience, rank_offers
from flashlift.recommend.own_history import OwnHistory
from flashlift.recommend.popularity import Popularity

__all__ = ["OwnHistory", "Popularity", "audience", "evaluate", "rank_offers"]
