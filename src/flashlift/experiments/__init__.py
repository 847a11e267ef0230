"""Proof: design a test of the plan, assign its units, watch it while it runs, analyze it when it is finished."""

from flashlift.experiments.analyze import Result, Summary, analyze, summarize
from flashlift.experiments.assign import HashAssigner
from flashlift.experiments.design import Design, Facts, Lever, Rules, design, sell_out_probability
from flashlift.experiments.history import customer_history
from flashlift.experiments.looks import Look, Reading, look_at
from flashlift.experiments.monitor import Monitor
from flashlift.experiments.running_test import Better, Goal, Guardrail, RunningTest
from flashlift.experiments.verdicts import Verdict

__all__ = [
    "Better",
    "Design",
    "Facts",
    "Goal",
    "Guardrail",
    "HashAssigner",
    "Lever",
    "Look",
    "Monitor",
    "Reading",
    "Result",
    "Rules",
    "RunningTest",
    "Summary",
    "Verdict",
    "analyze",
    "customer_history",
    "design",
    "look_at",
    "sell_out_probability",
    "summarize",
]
