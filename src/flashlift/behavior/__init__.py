"""What will this customer do next? One network: next item, and whether, when and what they buy.

torch is imported only when a name that needs it is asked for.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from flashlift.behavior.config import LAYOUT, BehaviorConfig

if TYPE_CHECKING:
    from flashlift.behavior.card import Card
    from flashlift.behavior.orders import order_report
    from flashlift.behavior.predict import BehaviorModel
    from flashlift.behavior.report import intent_report, segment_report, timing_report
    from flashlift.behavior.serving import Live
    from flashlift.behavior.train import fit

__all__ = [
    "LAYOUT",
    "BehaviorConfig",
    "BehaviorModel",
    "Card",
    "Live",
    "fit",
    "intent_report",
    "order_report",
    "segment_report",
    "timing_report",
]

_HOMES = {
    "BehaviorModel": "predict",
    "Card": "card",
    "Live": "serving",
    "fit": "train",
    "intent_report": "report",
    "order_report": "orders",
    "segment_report": "report",
    "timing_report": "report",
}


def __getattr__(name: str) -> Any:
    """Import the file that holds `name` when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
