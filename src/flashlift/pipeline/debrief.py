"""After the sale: the plan that ran beside the log, told as tables, JSON and a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from flashlift import artifacts, demand, planning
from flashlift.errors import ArtifactError
from flashlift.experiments.debrief import Debrief, Ran, whole_until
from flashlift.experiments.debrief import debrief as judge
from flashlift.pipeline.last_sales import SCHEMA, last_sales, this_sale
from flashlift.pipeline.planned import APPROVED, FORECAST
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.spreadsheet import spreadsheet
from flashlift.planning import Decision, SavedPlan
from flashlift.protocols import FloatArray, Progress, silent
from flashlift.report import write_debrief
from flashlift.schema import Events
from flashlift.settings import Settings

__all__ = ["Debriefed", "debrief"]

STEPS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Debriefed:
    """A debrief with what stands beside it.

    Args:
        found: planned against actual.
        plan: the folder of the plan.
        decision: who approved or rejected it; None for a draft.
        learned: elasticity of each category of the sale before and after it was learned from: category, items, before,
            before_ci_lower, before_ci_upper, after, after_ci_lower, after_ci_upper; no rows before a new training.
        last: this sale and earlier ones (`flashlift.pipeline.last_sales`).
        page: the HTML page.
    """

    found: Debrief
    plan: Path
    decision: Decision | None
    learned: pl.DataFrame
    last: pl.DataFrame
    page: Path


def debrief(settings: Settings, progress: Progress = silent, *, plan: Path | None = None) -> Debriefed:
    """Compare a plan with the log of its sale; writes debrief.json, .csv and .html into the work folder.

    Args:
        settings: of the shop, whose log has been ingested since the sale.
        progress: told how far it is.
        plan: folder of a saved plan; if left out the plan whose sale began last, of the plan made last and of all that
            were approved.

    Raises:
        ArtifactError: nothing was ingested, or there is no plan.
        InsufficientDataError: the log ends before the sale's first slot does.
        InputError: an empty plan, a plan of another shop, or another currency.
    """
    shop = Shop.open(settings)
    until = whole_until(shop.tables.events.select(Events.at.col.max()).collect().item())
    folder, saved = _plan_of(shop.folder, until) if plan is None else (plan, planning.load_plan(plan))
    progress("debrief", 1, STEPS, "the forecast")
    model, notes = _forecast(settings, shop, folder, saved, progress)
    decision = _decision(shop.folder, folder, saved)
    if decision is None or decision.state != "approved":
        notes.append("This plan was never approved: whether it is what ran, the log alone must tell.")
    ran = Ran(
        plan=saved.plan,
        campaign=saved.campaign,
        items=saved.items,
        model=model,
        funded=planning.funded(saved.campaign, saved.items),
        currency=settings.shop.currency,
    )
    progress("debrief", 2, STEPS, "planned against actual")
    fresh = np.random.default_rng(settings.shop.seed).spawn(3)[1]  # that valued the plan
    found = judge(ran, shop.tables, until=until, n_draws=settings.campaign.n_draws, rng=fresh)
    found = replace(found, notes=(*notes, *found.notes))
    progress("debrief", 3, STEPS, "the last sales")
    done = Debriefed(
        found=found,
        plan=folder,
        decision=decision,
        learned=_learned(shop, model, found),
        last=_last(shop, model, saved, found),
        page=shop.folder / "debrief.html",
    )
    _write(done, settings, saved)
    progress("debrief", STEPS, STEPS)
    return done


def _plan_of(work: Path, until: datetime) -> tuple[Path, SavedPlan]:
    """The plan whose sale began last, an approved one before a draft; else the plan made last."""
    folders = [*sorted((work / APPROVED).glob("*/")), *([work / "plan"] if (work / "plan").is_dir() else [])]
    if not folders:
        raise ArtifactError(f"There is no plan in {work}. Run `flashlift plan` first, or name one with --plan.")
    plans = [(folder, planning.load_plan(folder)) for folder in folders]
    begun = [one for one in plans if one[1].plan.offers and _start(one[1]) < until]
    return max(begun, key=lambda one: (_start(one[1]), one[0].parent.name == APPROVED)) if begun else plans[-1]


def _start(saved: SavedPlan) -> datetime:
    used = {offer.slot_id for offer in saved.plan.offers}
    return min(slot.start for slot in saved.campaign.slots if slot.slot_id in used)


def _decision(work: Path, folder: Path, saved: SavedPlan) -> Decision | None:
    """The last word on a plan, kept beside its folder or beside the shop's plan."""
    words = [*planning.decisions(work / "plan"), *(planning.decisions(folder) if folder != work / "plan" else ())]
    mine = [one for one in words if one.plan == saved.digest]
    return max(mine, key=lambda one: one.at) if mine else None


def _forecast(
    settings: Settings, shop: Shop, folder: Path, saved: SavedPlan, progress: Progress
) -> tuple[demand.FittedDemand, list[str]]:
    """The demand model as it was before the sale."""
    kept, first = folder / FORECAST, min(slot.start for slot in saved.campaign.slots)
    if artifacts.read_manifest(kept) is not None:
        return demand.FittedDemand.load(kept), []
    if artifacts.read_manifest(shop.folder / "demand") is not None:
        model = demand.FittedDemand.load(shop.folder / "demand")
        if model.origin_day * 86_400 <= first.timestamp():
            return model, []
    config = demand.DemandConfig(unrecorded_lift=settings.assumptions.shown_lift, country=settings.shop.country)
    midnight = datetime.combine(first.date(), time(), UTC)
    model = demand.fit(
        shop.tables, until=midnight, config=config, rng=np.random.default_rng(settings.shop.seed), progress=progress
    )
    note = (
        "The plan was saved without its forecast, so the demand model was fitted again on the log before "
        f"{midnight:%Y-%m-%d}. Planned figures may differ from those of that time."
    )
    return model, [note]


def _learned(shop: Shop, before: demand.FittedDemand, found: Debrief) -> pl.DataFrame:
    """Elasticities before and after, where the model was trained on the sale since."""
    schema = {"category": pl.String, "items": pl.UInt32} | {
        f"{side}{end}": pl.Float64 for side in ("before", "after") for end in ("", "_ci_lower", "_ci_upper")
    }
    if artifacts.read_manifest(shop.folder / "demand") is None:
        return pl.DataFrame(schema=schema)
    after = demand.FittedDemand.load(shop.folder / "demand")
    if after.origin_day * 86_400 < found.end.timestamp():
        return pl.DataFrame(schema=schema)
    sold = found.offers.select("item_id", "category").unique()
    ends = ("elasticity", "ci_lower", "ci_upper")
    names = {"elasticity": "", "ci_lower": "_ci_lower", "ci_upper": "_ci_upper"}
    sides = [
        model.elasticities().select(
            pl.col("item_id").cast(pl.String), *(pl.col(end).alias(f"{side}{names[end]}") for end in ends)
        )
        for side, model in (("before", before), ("after", after))
    ]
    both = sold.join(sides[0], on="item_id").join(sides[1], on="item_id")
    return (
        both.group_by("category")
        .agg(pl.len().alias("items"), *(pl.col(name).mean() for name in list(schema)[2:]))
        .sort("category")
    )


def _last(shop: Shop, model: demand.FittedDemand, saved: SavedPlan, found: Debrief) -> pl.DataFrame:
    known = set(model.item_ids)

    def lift(ids: Sequence[str], discount: FloatArray) -> FloatArray:
        out = np.full(len(ids), np.nan)
        for depth in np.unique(np.round(discount, 2)):
            rows = [int(k) for k in np.flatnonzero(np.round(discount, 2) == depth) if ids[int(k)] in known]
            if rows:
                out[rows] = model.curves([ids[k] for k in rows], [float(depth)])["lift"].to_numpy()
        return np.asarray(np.nan_to_num(out, nan=1.0))

    ran = found.offers.filter(pl.col("status") != "not run")
    off = (1.0 - ran["price"] / ran["list_price"]).to_numpy()
    new = ran["units"].to_numpy() * (1.0 - 1.0 / np.maximum(lift(ran["item_id"].to_list(), off.clip(0.0, 0.95)), 1.0))
    rows = [this_sale(found, float(new.sum()))]
    before = [row for row in _earlier(shop.folder) if row["start"] < found.start]
    recorded = last_sales(shop.tables, saved.items, lift, before=found.start)
    return pl.concat([pl.DataFrame([*rows, *before], schema=SCHEMA, orient="row"), recorded])


def _earlier(work: Path) -> list[dict[str, Any]]:
    """Rows of earlier debriefs, the newest first."""
    rows = []
    for path in sorted((work / "debriefs").glob("*.json"), reverse=True):
        row = json.loads(path.read_text())["this_sale"]
        start = datetime.fromisoformat(row["start"])
        rows.append(row | {"start": start, "sale": f"sale of {start:%Y-%m-%d}"})
    return rows


def _write(done: Debriefed, settings: Settings, saved: SavedPlan) -> None:
    """debrief.csv, debrief.json, debrief.html, and the JSON once more among all debriefs of the shop."""
    work, found = settings.shop.work, done.found
    artifacts.write_text(work / "debrief.csv", spreadsheet(found.offers))
    text = json.dumps(_document(done, settings, saved), indent=1, default=_plain, allow_nan=False) + "\n"
    artifacts.write_text(work / "debrief.json", text)
    artifacts.write_text(work / "debriefs" / f"{found.start:%Y-%m-%d}-{saved.digest[:8]}.json", text)
    write_debrief(
        found,
        done.page,
        title=settings.shop.name,
        created=datetime.now(UTC),
        learned=done.learned,
        last=done.last,
        decision="draft: nobody approved it" if done.decision is None else done.decision.sentence,
    )


def _document(done: Debriefed, settings: Settings, saved: SavedPlan) -> dict[str, Any]:
    found = done.found
    actual, gap = found.actual, found.difference
    return {
        "shop": settings.shop.name,
        "currency": found.currency,
        "plan": saved.digest,
        "decision": None if done.decision is None else done.decision.sentence,
        "start": found.start,
        "end": found.end,
        "seen_until": found.seen_until,
        "days_after": found.days_after,
        "days_wanted": found.days_wanted,
        "planned_profit": found.planned,
        "actual_profit": {"value": actual.value, "ci_lower": actual.ci_lower, "ci_upper": actual.ci_upper},
        "gap": {"value": gap.value, "ci_lower": gap.ci_lower, "ci_upper": gap.ci_upper},
        "level": actual.level,
        "reasons": _rows(found.reasons),
        "totals": _rows(found.totals),
        "slots": _rows(found.slots),
        "offers": _rows(found.offers),
        "limits": _rows(found.limits),
        "lessons": _rows(found.lessons),
        "learned": _rows(done.learned),
        "this_sale": done.last.row(0, named=True),
        "last_sales": _rows(done.last.slice(1)),
        "calibration": found.calibration.sentence,
        "notes": list(found.notes),
        "paragraph": found.paragraph(),
    }


def _plain(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _rows(frame: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON knows them: what is no number is null."""
    return frame.with_columns(pl.selectors.float().fill_nan(None)).to_dicts()
