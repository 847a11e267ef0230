"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import Result, Summary, analyze, summarize
from flashlift.experiments.assign import HashAssigner, Namespace
from flashlift.experiments.design import design, sell_out_probability
from flashlift.experiments.designed import Design
from flashlift.experiments.effect import SaleEffect
from flashlift.experiments.exposures import ExposureLog, Recomputed, recompute
from flashlift.experiments.facts import Facts, Kind, Lever, Rules
from flashlift.experiments.history import customer_history, window_history
from flashlift.experiments.paired_units import paired_units
from flashlift.experiments.stock_split import stock_split
from flashlift.experiments.switchback import switchback

__all__ = [
    "Design",
    "ExposureLog",
    "Facts",
    "HashAssigner",
    "Kind",
    "Lever",
    "Namespace",
    "Recomputed",
    "Result",
    "Rules",
    "SaleEffect",
    "Summary",
    "analyze",
    "customer_history",
    "design",
    "paired_units",
    "recompute",
    "sell_out_probability",
    "stock_split",
    "summarize",
    "switchback",
    "window_history",
]
