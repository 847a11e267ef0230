"""Approve or reject the plan of a shop; its files say so from then on."""

from __future__ import annotations

import shutil

from flashlift import planning
from flashlift.errors import OutputError
from flashlift.pipeline.plan_files import write_plan_files
from flashlift.pipeline.planned import APPROVED, Planned, read_planned
from flashlift.settings import Settings

__all__ = ["approve", "reject"]


def approve(settings: Settings, *, by: str, note: str = "", despite_broken: bool = False) -> Planned:
    """Approve the plan made last, and keep a copy for the debrief. Raises as `flashlift.planning.approve`.

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
    planned = _told(settings)
    _keep(planned, settings)
    return planned


def _keep(planned: Planned, settings: Settings) -> None:
    """Keep a copy of an approved plan: the next one replaces its folder, and the debrief comes after the sale."""
    first, saved = planned.campaign.slots[0], planned.saved
    place = settings.shop.work / APPROVED / f"{first.start:%Y-%m-%d}-{saved.digest[:8]}"
    if place.exists():
        return
    try:
        shutil.copytree(settings.shop.work / "plan", place)
    except OSError as error:
        raise OutputError(f"Cannot write {place}: {error.strerror}. Choose a work folder you may write to.") from error


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
