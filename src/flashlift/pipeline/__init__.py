"""The whole way: a log becomes tables, tables become models, models become a plan with its evidence."""

from __future__ import annotations

from flashlift.pipeline.analysis import AskedTest, Logs, analyze, reconcile, show_result
from flashlift.pipeline.assignment import assign
from flashlift.pipeline.curves import AskedCurves, Curves, curves
from flashlift.pipeline.debrief import Debriefed, debrief
from flashlift.pipeline.decide import approve, reject
from flashlift.pipeline.ingest import ingest
from flashlift.pipeline.language import adapt
from flashlift.pipeline.off_policy import AskedValue, value_policy, value_prices
from flashlift.pipeline.pareto import AskedPareto, pareto
from flashlift.pipeline.picks import Picks
from flashlift.pipeline.plan import plan, read_picks_of
from flashlift.pipeline.plan_json import PlanDocument
from flashlift.pipeline.planned import Planned, read_planned
from flashlift.pipeline.predict import Asked, Predicted, predict
from flashlift.pipeline.proof import design
from flashlift.pipeline.report import report
from flashlift.pipeline.run import Run, run
from flashlift.pipeline.running import monitor, show_running
from flashlift.pipeline.simulation import judge, simulate
from flashlift.pipeline.train import Trained, train
from flashlift.pipeline.uplift import AskedUplift, Uplifted, show_uplift, uplift

__all__ = [
    "Asked",
    "AskedCurves",
    "AskedPareto",
    "AskedTest",
    "AskedUplift",
    "AskedValue",
    "Curves",
    "Debriefed",
    "Logs",
    "Picks",
    "PlanDocument",
    "Planned",
    "Predicted",
    "Run",
    "Trained",
    "Uplifted",
    "adapt",
    "analyze",
    "approve",
    "assign",
    "curves",
    "debrief",
    "design",
    "ingest",
    "judge",
    "monitor",
    "pareto",
    "plan",
    "predict",
    "read_picks_of",
    "read_planned",
    "reconcile",
    "reject",
    "report",
    "run",
    "show_result",
    "show_running",
    "show_uplift",
    "simulate",
    "train",
    "uplift",
    "value_policy",
    "value_prices",
]
