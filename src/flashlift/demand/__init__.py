"""How many units at this price in this slot, and how many of them are new."""

from flashlift.demand.backtest import Backtest, backtest
from flashlift.demand.basis import offer_basis
from flashlift.demand.config import DemandConfig
from flashlift.demand.examine import Examination, examine, fit_and_examine
from flashlift.demand.fit import fit
from flashlift.demand.gap_response import gap_sentence
from flashlift.demand.model import FittedDemand
from flashlift.demand.placebo import room_for_error
from flashlift.demand.scores import by_metric, by_origin
from flashlift.demand.sensitivity import (
    HiddenShock,
    Robustness,
    depth_sentence,
    robustness_value,
    tipping_factor,
    tipping_sentence,
)
from flashlift.demand.statistical import has_statsforecast, missing_peer
from flashlift.demand.stock import SaleOffers, stock_to_order
from flashlift.demand.storage import LAYOUT
from flashlift.demand.traffic import expect_traffic, traffic_origins
from flashlift.demand.traffic_effect import TrafficEffect

__all__ = [
    "LAYOUT",
    "Backtest",
    "DemandConfig",
    "Examination",
    "FittedDemand",
    "HiddenShock",
    "Robustness",
    "SaleOffers",
    "TrafficEffect",
    "backtest",
    "by_metric",
    "by_origin",
    "depth_sentence",
    "examine",
    "expect_traffic",
    "fit",
    "fit_and_examine",
    "gap_sentence",
    "has_statsforecast",
    "missing_peer",
    "offer_basis",
    "robustness_value",
    "room_for_error",
    "stock_to_order",
    "tipping_factor",
    "tipping_sentence",
    "traffic_origins",
]
