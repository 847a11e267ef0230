"""How many units at this price in this slot, and how many of them are new."""

from flashlift.demand.backtest import Backtest, backtest
from flashlift.demand.config import DemandConfig
from flashlift.demand.fit import fit
from flashlift.demand.model import FittedDemand

__all__ = ["Backtest", "DemandConfig", "FittedDemand", "backtest", "fit"]
