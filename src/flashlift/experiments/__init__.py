"""Proof: design a test of the plan, assign its units, analyze it when it is finished."""

from flashlift.experiments.analyze import analyze
from flashlift.experiments.assign import HashAssigner
from flashlift.experiments.changes import difference_in_differences
from flashlift.experiments.cupac import cupac
from flashlift.experiments.design import Design, Facts, Lever, Rules, design, sell_out_probability
from flashlift.experiments.history import customer_history
from flashlift.experiments.metric import Metric
from flashlift.experiments.reconcile import reconcile
from flashlift.experiments.reconciliation import Consequence, Mismatch, Reconciliation
from flashlift.experiments.result import Answer, Result
from flashlift.experiments.segments import Segments, effects_by_segment
from flashlift.experiments.summary import Summary, summarize

__all__ = [
    "Answer",
    "Consequence",
    "Design",
    "Facts",
    "HashAssigner",
    "Lever",
    "Metric",
    "Mismatch",
    "Reconciliation",
    "Result",
    "Rules",
    "Segments",
    "Summary",
    "analyze",
    "cupac",
    "customer_history",
    "design",
    "difference_in_differences",
    "effects_by_segment",
    "reconcile",
    "sell_out_probability",
    "summarize",
]
