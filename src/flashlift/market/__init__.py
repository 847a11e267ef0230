"""The simulated shop: seeded, of any size, writing the product's own tables, and with its truth known."""

from flashlift.market.config import MarketConfig
from flashlift.market.run import Outcome
from flashlift.market.shop import SimulatedShop, simulate
from flashlift.market.truth import Truth

__all__ = ["MarketConfig", "Outcome", "SimulatedShop", "Truth", "simulate"]
