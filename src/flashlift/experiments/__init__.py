"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import Result, Summary, analyze, summarize
from flashlift.experiments.assign import HashAssigner
from flashlift.experiments.design import Design, Facts, Lever, Rules, design, sell_out_probability
from flashlift.experiments.history import customer_history

__all__ = [
    "Design",
    "Facts",
    "HashAssigner",
    "Lever",
    "Result",
    "Rules",
    "Summary",
    "analyze",
    "customer_history",
    "design",
    "sell_out_probability",
    "summarize",
]
