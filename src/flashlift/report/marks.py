"""Marks beside figures that rest on an assumption, and the line that explains them."""

from __future__ import annotations

from flashlift.report.evidence import Evidence

__all__ = ["COST", "STOCK", "legend", "mark"]

COST = "†"
STOCK = "‡"


def mark(text: str, *, cost: bool = False, stock: bool = False) -> str:
    """The figure with its marks."""
    return text + COST * cost + STOCK * stock


def legend(evidence: Evidence) -> str:
    """What the marks mean; empty where nothing is assumed."""
    parts = []
    if evidence.cost_assumed:
        parts.append(f"{COST} depends on an assumed unit cost")
    if evidence.stock_assumed:
        parts.append(f"{STOCK} depends on an assumed stock")
    return "; ".join(parts) + "." if parts else ""
