"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import analyze
from flashlift.experiments.assign import HashAssigner
from flashlift.experiments.design import Design, Facts, Lever, Rules, design, sell_out_probability
from flashlift.experiments.history import customer_history
from flashlift.experiments.metric import Metric
from flashlift.experiments.result import Answer, Result
from flashlift.experiments.summary import Summary, summarize

__all__ = [
    "Answer",
    "Design",
    "Facts",
    "HashAssigner",
    "Lever",
    "Metric",
    "Result",
    "Rules",
    "Summary",
    "analyze",
    "customer_history",
    "design",
    "sell_out_probability",
    "summarize",
]
