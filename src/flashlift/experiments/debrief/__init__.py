"""After the sale: planned against actual, why they differ, and what the next plan should learn."""

from flashlift.experiments.debrief.happened import whole_until
from flashlift.experiments.debrief.judge import Ran, debrief
from flashlift.experiments.debrief.reasons import REASONS, Gap
from flashlift.experiments.debrief.result import Debrief
from flashlift.experiments.debrief.tables import Calibration

__all__ = ["REASONS", "Calibration", "Debrief", "Gap", "Ran", "debrief", "whole_until"]
