"""Plan and evidence as one HTML file that opens anywhere, without a network."""

from flashlift.report.debrief_page import write_debrief
from flashlift.report.evidence import Evidence
from flashlift.report.page import write_report

__all__ = ["Evidence", "write_debrief", "write_report"]
