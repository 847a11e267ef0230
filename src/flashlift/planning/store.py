"""Save and load a plan together with the campaign it was made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from flashlift import artifacts
from flashlift.domain import (
    Appearances,
    Budget,
    Campaign,
    CategoryCount,
    Costs,
    Excluded,
    Limit,
    MarginFloor,
    Offer,
    Plan,
    PlanStatus,
    Slot,
)
from flashlift.errors import ArtifactError
from flashlift.planning.table import offers_frame

__all__ = ["load_plan", "save_plan"]

KIND = "plan"
LIMITS: dict[str, Callable[..., Limit]] = {
    kind.__name__: kind for kind in (Appearances, Budget, CategoryCount, Excluded, MarginFloor)
}


def save_plan(plan: Plan, campaign: Campaign, folder: Path, *, inputs: str = "") -> None:
    """Write plan and campaign as one artifact: offers as Parquet, the rest as JSON.

    Args:
        plan: the plan.
        campaign: what it was made for.
        folder: place of the artifact, replaced.
        inputs: digest of everything the plan depends on (`flashlift.artifacts.digest`).

    Raises:
        OutputError: the place cannot be written.
    """
    facts = {name: getattr(plan, name) for name in ("status", "objective", "bound", "gap_frac", "limit_prices")}
    artifacts.save(
        artifacts.Artifact(
            kind=KIND,
            manifest={"plan": facts, "campaign": _campaign_to_json(campaign)},
            inputs=inputs,
            frames={"offers": offers_frame(plan.offers)},
        ),
        folder,
    )


def load_plan(folder: Path) -> tuple[Plan, Campaign]:
    """Read them back, equal to what was saved.

    Raises:
        ArtifactError: missing, damaged, or something else.
    """
    saved = artifacts.load(folder, KIND)
    try:
        facts = dict(saved.manifest["plan"])
        facts["status"] = PlanStatus(facts["status"])
        offers = tuple(Offer(**row) for row in saved.frames["offers"].iter_rows(named=True))
        return Plan(offers=offers, **facts), _campaign_from_json(saved.manifest["campaign"])
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"The plan in {folder} is damaged ({error}). Delete it and plan again.") from error


def _campaign_to_json(campaign: Campaign) -> dict[str, Any]:
    whole = asdict(campaign)
    for slot in whole["slots"]:
        slot["start"], slot["end"] = slot["start"].isoformat(), slot["end"].isoformat()
    whole["limits"] = [{"limit": type(limit).__name__, **asdict(limit)} for limit in campaign.limits]
    return whole


def _campaign_from_json(whole: dict[str, Any]) -> Campaign:
    slots = [
        slot | {"start": datetime.fromisoformat(slot["start"]), "end": datetime.fromisoformat(slot["end"])}
        for slot in whole["slots"]
    ]
    return Campaign(
        **{
            **whole,
            "slots": tuple(Slot(**slot) for slot in slots),
            "ladder": tuple(whole["ladder"]),
            "limits": tuple(_limit_from_json(limit) for limit in whole["limits"]),
            "costs": Costs(**whole["costs"]),
        }
    )


def _limit_from_json(fields: dict[str, Any]) -> Limit:
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in fields.items() if name != "limit"}
    return LIMITS[fields["limit"]](**given)
