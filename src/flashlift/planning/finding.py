"""What a check found, and comparisons that nothing slips through because it is no number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from flashlift.domain import Offer

__all__ = ["Broken", "Unit", "excess", "number", "place"]

Unit = Literal["offers", "units", "hours", "currency", "fraction", "limits"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A limit that the plan breaks, or a figure that it states wrongly.

    Args:
        limit: name of the limit or figure; `flashlift.planning.check` lists them.
        where: the offer, item, slot, or `campaign`.
        amount: by how much, in `unit`; infinite where the figure or the limit is no finite number. For a figure that
            is stated wrongly: as stated less what is true.
        unit: of `amount`.
    """

    limit: str
    where: str
    amount: float
    unit: Unit


def number(value: object) -> float:
    """A figure as it is written, or NaN where it is no number."""
    if not isinstance(value, Real):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def excess(value: float, most: float, tolerance: float = 0.0) -> float | None:
    """By how much `value` is above `most`, or None where it is not; infinite where either is NaN."""
    if value <= most + tolerance:
        return None
    above = value - most
    return above if math.isfinite(above) else math.inf


def place(offer: Offer) -> str:
    """An offer in words."""
    return f"{offer.item_id} in {offer.slot_id}"
