"""Save and load a plan together with its campaign, its items and the verdict of the independent checker."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_args

import polars as pl

from flashlift import artifacts
from flashlift.domain import Campaign, Costs, Estimate, Goal, NextSale, Offer, Plan, PlanStatus, Slot
from flashlift.errors import ArtifactError
from flashlift.limits import Limit, MaxChange, Nomination, Nominations
from flashlift.planning.certificate import Certificate, load_certificate, save_certificate
from flashlift.planning.check import check
from flashlift.planning.explain import Explained, explain
from flashlift.planning.finding import Broken
from flashlift.planning.table import offers_frame
from flashlift.planning.verdict import Verdict, findings_frame
from flashlift.planning.verify import Proof, verify
from flashlift.protocols import DemandDraws

__all__ = ["SavedPlan", "campaign_to_json", "explain_saved", "load_plan", "recheck", "reprove", "save_plan"]

KIND = "plan"
CERTIFICATE = "certificate"
LIMITS: dict[str, Callable[..., Limit]] = {kind.__name__: kind for kind in get_args(Limit)}


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan with all that is needed to judge it again.

    Args:
        plan: the plan.
        campaign: what it was made for.
        items: table SaleItems that it was chosen from.
        verdict: what the checker said of it when it was written.
        planned_at: when it was written, UTC.
    """

    plan: Plan
    campaign: Campaign
    items: pl.DataFrame
    verdict: Verdict
    planned_at: datetime

    @property
    def digest(self) -> str:
        """Names what a decision is about: the offers, the campaign and the verdict, 32 hexadecimal digits.

        When it was planned, what the optimizer proved and how near an earlier plan it had to stay do not enter: the
        same sale found again is the same sale.
        """
        offers = [asdict(offer) for offer in self.plan.offers]
        rules = tuple(limit for limit in self.campaign.limits if not isinstance(limit, MaxChange))
        return artifacts.digest(offers, campaign_to_json(replace(self.campaign, limits=rules)), asdict(self.verdict))


def save_plan(
    plan: Plan,
    campaign: Campaign,
    items: pl.DataFrame,
    folder: Path,
    *,
    fresh: DemandDraws,
    planned_on: DemandDraws | None = None,
    certificate: Certificate | None = None,
    inputs: str = "",
) -> Verdict:
    """Judge the plan and write it with its verdict as one artifact: tables as Parquet, the rest as JSON.

    A broken plan is written too, and its verdict says what is wrong.

    Args:
        plan: the plan.
        campaign: what it was made for.
        items: table SaleItems that it was chosen from, in the row order of the draws.
        folder: place of the artifact, replaced.
        fresh: draws that the plan was not made on; its value is told from them.
        planned_on: the draws that it was made on.
        certificate: what proves it, kept in the folder's `certificate`.
        inputs: digest of everything the plan depends on (`flashlift.artifacts.digest`).

    Returns:
        The verdict written (`flashlift.planning.check`).

    Raises:
        InputError: the draws cannot value the plan.
        OutputError: the place cannot be written.
    """
    verdict = check(plan, campaign, items, fresh, planned_on=planned_on)
    facts = {name: getattr(plan, name) for name in ("status", "objective", "bound", "gap_frac", "limit_prices")}
    said = {name: figure for name, figure in asdict(verdict).items() if name not in {"broken", "soft"}}
    artifacts.save(
        artifacts.Artifact(
            kind=KIND,
            manifest={
                "plan": facts,
                "campaign": campaign_to_json(campaign),
                "verdict": said,
                "planned_at": datetime.now(UTC).isoformat(),
            },
            inputs=inputs,
            frames={
                "offers": offers_frame(plan.offers),
                "items": items,
                "findings": findings_frame(verdict.broken),
                "soft": findings_frame(verdict.soft),
            },
        ),
        folder,
    )
    if certificate is not None:
        save_certificate(certificate, folder / CERTIFICATE, inputs=inputs)
    return verdict


def load_plan(folder: Path) -> SavedPlan:
    """Read it back, equal to what was saved. The verdict is the one of that time; `recheck` gives a new one.

    Raises:
        ArtifactError: missing, damaged, or something else.
    """
    saved = artifacts.load(folder, KIND)
    try:
        facts = dict(saved.manifest["plan"])
        facts["status"] = PlanStatus(facts["status"])
        offers = tuple(Offer(**row) for row in saved.frames["offers"].iter_rows(named=True))
        said = dict(saved.manifest["verdict"])
        said["value"] = None if said["value"] is None else Estimate(**said["value"])
        broken, soft = (
            tuple(Broken(**row) for row in saved.frames[name].iter_rows(named=True)) for name in ("findings", "soft")
        )
        return SavedPlan(
            plan=Plan(offers=offers, **facts),
            campaign=_campaign_from_json(saved.manifest["campaign"]),
            items=saved.frames["items"],
            verdict=Verdict(broken=broken, soft=soft, **said),
            planned_at=datetime.fromisoformat(saved.manifest["planned_at"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"The plan in {folder} is damaged ({error}). Delete it and plan again.") from error


def recheck(folder: Path, *, items: pl.DataFrame | None = None, draws: DemandDraws | None = None) -> Verdict:
    """Judge a saved plan again, without solving anything and without trusting the verdict saved with it.

    Limits and the plan's word about itself need nothing but the folder. Give your own `items` to judge it on prices,
    costs and stock from another source, and `draws` from any demand model to value it.

    Args:
        folder: what `save_plan` wrote.
        items: table SaleItems, in the row order of `draws`; the saved one when left out.
        draws: demand of these items in the campaign's slots; without them the verdict has no value.

    Raises:
        ArtifactError: missing, damaged, or something else.
        InputError: the draws cannot value the plan.
    """
    saved = load_plan(folder)
    return check(saved.plan, saved.campaign, saved.items if items is None else items, draws)


def reprove(folder: Path) -> Proof:
    """What the certificate of a saved plan proves (`flashlift.planning.verify`).

    Raises:
        ArtifactError: plan or certificate missing, damaged, or something else.
    """
    saved, certificate = load_plan(folder), load_certificate(folder / CERTIFICATE)
    return verify(saved.plan, saved.campaign, saved.items, certificate.prices, certificate.cells)


def explain_saved(folder: Path) -> Explained:
    """A saved plan explained from its certificate.

    Raises:
        ArtifactError: plan or certificate missing, damaged, or something else.
    """
    saved = load_plan(folder)
    return explain(saved.plan, saved.campaign, saved.items, load_certificate(folder / CERTIFICATE))


def campaign_to_json(campaign: Campaign) -> dict[str, Any]:
    """A campaign as JSON: times in ISO 8601, each limit with the name of its class as `limit`."""
    whole = asdict(campaign)
    for slot in whole["slots"]:
        slot["start"], slot["end"] = slot["start"].isoformat(), slot["end"].isoformat()
    whole["limits"] = [
        {"limit": type(limit).__name__}
        | {name: given.isoformat() if isinstance(given, datetime) else given for name, given in asdict(limit).items()}
        for limit in campaign.limits
    ]
    return whole


def _campaign_from_json(whole: dict[str, Any]) -> Campaign:
    ending = whole["price_ending"]
    slots = [
        slot | {"start": datetime.fromisoformat(slot["start"]), "end": datetime.fromisoformat(slot["end"])}
        for slot in whole["slots"]
    ]
    return Campaign(
        **{
            **whole,
            "slots": tuple(Slot(**slot) for slot in slots),
            "ladder": tuple(whole["ladder"]),
            "price_ending": tuple(ending) if isinstance(ending, list) else ending,
            "limits": tuple(_limit_from_json(limit) for limit in whole["limits"]),
            "costs": Costs(**whole["costs"]),
            "goal": Goal(**whole.get("goal", {})),
            "next_sale": NextSale(**later) if (later := whole.get("next_sale")) else None,
        }
    )


def _limit_from_json(fields: dict[str, Any]) -> Limit:
    given: dict[str, Any] = {
        name: tuple(v) if isinstance(v, list) else v for name, v in fields.items() if name != "limit"
    }
    if fields["limit"] == Nominations.__name__:
        given["offers"] = tuple(Nomination(**one) for one in fields["offers"])
    given |= {name: datetime.fromisoformat(given[name]) for name in ("start", "end") if name in given}
    return LIMITS[fields["limit"]](**given)
