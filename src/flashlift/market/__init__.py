"""The simulated shop: seeded, of any size, writing the product's own tables, and with its truth known."""

from flashlift.market.config import MarketConfig
from flashlift.market.outcome import Outcome
from flashlift.market.play import Arm, Forward, Stage, Stock
from flashlift.market.shop import SimulatedShop, simulate
from flashlift.market.truth import Truth
from flashlift.market.worlds import WORLDS

__all__ = [
    "WORLDS",
    "Arm",
    "Forward",
    "MarketConfig",
    "Outcome",
    "SimulatedShop",
    "Stage",
    "Stock",
    "Truth",
    "simulate",
]
