"""Slots of which only one may be taken, because they are live at one moment or too near to each other."""

from __future__ import annotations

from collections.abc import Sequence

from flashlift.domain import Slot

__all__ = ["cliques"]


def cliques(slots: Sequence[Slot], pause_hours: float) -> list[list[int]]:
    """Maximal sets of slots of which pairs are less than a pause apart.

    Slots lengthened by the pause are intervals, two slots clash where these overlap, and every clique of an interval
    graph shares the start of one of its members (Golumbic, 1980, ch. 8); so one set for each start will do.
    """
    busy = [(slot.start.timestamp(), slot.end.timestamp() + 3600.0 * max(pause_hours, 0.0)) for slot in slots]
    sets = {frozenset(i for i, (a, b) in enumerate(busy) if a <= start < b) for start, _ in busy}
    return sorted(sorted(one) for one in sets if not any(one < other for other in sets))
