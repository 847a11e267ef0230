"""Approve or reject the plan of a shop; its files say so from then on."""

from __future__ import annotations

from flashlift import planning
from flashlift.pipeline.plan_files import write_plan_files
from flashlift.pipeline.planned import Planned, read_planned
from flashlift.settings import Settings

__all__ = ["approve", "reject"]


def approve(settings: Settings, *, by: str, note: str = "", despite_broken: bool = False) -> Planned:
    """Approve the plan made last. Raises as `flashlift.planning.approve`.

    Args:
        settings: of the shop.
        by: who approves.
        note: why.
        despite_broken: approve a plan that breaks limits; the note must say why.

    Returns:
        The plan with the decision.
    """
    read_planned(settings.shop.work)  # nothing is decided on a plan whose evidence is another's
    planning.approve(settings.shop.work / "plan", by=by, note=note, despite_broken=despite_broken)
    return _told(settings)


def reject(settings: Settings, *, by: str, note: str = "") -> Planned:
    """Reject the plan made last. Raises as `flashlift.planning.reject`.

    Args:
        settings: of the shop.
        by: who rejects.
        note: why.

    Returns:
        The plan with the decision.
    """
    read_planned(settings.shop.work)
    planning.reject(settings.shop.work / "plan", by=by, note=note)
    return _told(settings)


def _told(settings: Settings) -> Planned:
    planned = read_planned(settings.shop.work)
    write_plan_files(planned, settings)
    return planned
