"""Plan and evidence as one HTML file that opens anywhere, without a network."""

from flashlift.report.debrief_page import write_debrief
from flashlift.report.evidence import Evidence
from flashlift.report.experiment_pages import relative_effects, write_result, write_running, write_uplift
from flashlift.report.page import write_report

__all__ = [
    "Evidence",
    "relative_effects",
    "write_debrief",
    "write_report",
    "write_result",
    "write_running",
    "write_uplift",
]
