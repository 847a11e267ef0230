"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import Result, Summary, analyze, summarize
from flashlift.experiments.assign import HashAssigner, Namespace
from flashlift.experiments.design import Design, Facts, Lever, Rules, design, sell_out_probability
from flashlift.experiments.exposures import ExposureLog, Recomputed, recompute
from flashlift.experiments.history import customer_history

__all__ = [
    "Design",
    "ExposureLog",
    "Facts",
    "HashAssigner",
    "Lever",
    "Namespace",
    "Recomputed",
    "Result",
    "Rules",
    "Summary",
    "analyze",
    "customer_history",
    "design",
    "recompute",
    "sell_out_probability",
    "summarize",
]
