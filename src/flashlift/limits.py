"""The rules that a plan keeps: immutable values, each a limit of its own, that hold no data frame."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "Appearances",
    "Budget",
    "CategoryCount",
    "Excluded",
    "Limit",
    "MarginFloor",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryCount:
    """Between `minimum` and `maximum` offers of one category, in each slot or in the whole campaign.

    `category` matches a category path itself and everything below it (`home` matches `home/kitchen`).
    """

    category: str
    minimum: int = 0
    maximum: int | None = None
    per_slot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """At most `amount` of expected discount: the sum of (list price - price) x expected units sold."""

    amount: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MarginFloor:
    """Every offer keeps (price - unit cost) / price >= `margin_frac`."""

    margin_frac: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Appearances:
    """An item appears at most `maximum` times, with at least `cool_down_hours` from one end to the next start."""

    maximum: int = 1
    cool_down_hours: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """These items are never offered."""

    item_ids: tuple[str, ...]


Limit = CategoryCount | Budget | MarginFloor | Appearances | Excluded
