"""The whole way: a log becomes tables, tables become models, models become a plan with its evidence."""

from __future__ import annotations

from flashlift.pipeline.analysis import analyze
from flashlift.pipeline.curves import AskedCurves, Curves, curves
from flashlift.pipeline.ingest import ingest
from flashlift.pipeline.language import adapt
from flashlift.pipeline.plan import Planned, plan
from flashlift.pipeline.predict import Asked, Predicted, predict
from flashlift.pipeline.report import report
from flashlift.pipeline.run import Run, run
from flashlift.pipeline.simulation import judge, simulate
from flashlift.pipeline.train import Trained, train

__all__ = [
    "Asked",
    "AskedCurves",
    "Curves",
    "Planned",
    "Predicted",
    "Run",
    "Trained",
    "adapt",
    "analyze",
    "curves",
    "ingest",
    "judge",
    "plan",
    "predict",
    "report",
    "run",
    "simulate",
    "train",
]
