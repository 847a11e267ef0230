"""Everything the stages left, as one HTML page."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from flashlift import demand, events
from flashlift.account import HORIZON_DAYS
from flashlift.domain import Estimate
from flashlift.pipeline.pareto import pareto_of
from flashlift.pipeline.picks import Picks
from flashlift.pipeline.plan import plan
from flashlift.pipeline.planned import Planned
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.traffic import forecast_notes
from flashlift.protocols import Progress, silent
from flashlift.report import Evidence, write_report
from flashlift.settings import Settings

__all__ = ["report"]

REASONS = {
    "behavior": "The behavior model has not been trained. Run `flashlift train`.",
    "demand": "The demand model has not been trained. Run `flashlift train`.",
    "plan": "No sale has been planned. Run `flashlift plan`.",
}


def report(settings: Settings, progress: Progress = silent) -> Path:
    """Write `report.html` into the work folder, from whatever stages were done, and return its path."""
    shop = Shop.open(settings)
    quality = events.quality(shop.folder / "shop")
    stages = {name: shop.evidence(name) for name in REASONS}
    frames: dict[str, pl.DataFrame] = {}
    skipped: dict[str, str] = {}
    for name, done in stages.items():
        if done is None or done.manifest["skipped"]:
            skipped[name] = REASONS[name] if done is None else done.manifest["skipped"]
        else:
            frames |= done.frames
    if "demand" in skipped:
        skipped["plan"] = skipped["demand"]
    made = frames.get("picks")  # of the plan made last: a report does not take back what was pinned for it
    planned = None if "plan" in skipped else plan(settings, picks=None if made is None else Picks.of(made))
    judged = "forecast_metrics" in frames
    path = shop.folder / "report.html"
    write_report(
        Evidence(
            title=settings.shop.name,
            created=datetime.now(UTC),
            settings=_summary(settings, shop),
            currency=settings.shop.currency,
            data_start=quality.first,
            data_end=quality.last,
            quality=quality.sources.rename({"rows": "rows_read"}),
            rules=quality.rules.rename({"share": "share_frac"}),
            intent_metrics=frames.get("intent_metrics"),
            reliability=frames.get("reliability"),
            learning_curves=frames.get("learning_curves"),
            model_card=frames.get("model_card"),
            segments=frames.get("segments"),
            recommend_metrics=frames.get("recommendation_metrics"),
            forecast_daily=frames.get("daily"),
            forecast_metrics=demand.by_metric(frames["forecast_metrics"]) if judged else None,
            forecast_origins=demand.by_origin(frames["forecast_origins"]) if judged else None,
            forecast_note=" ".join(forecast_notes(frames)) or None,
            held_out_start=shop.split.valid_end.date(),
            elasticities=frames.get("elasticities"),
            placebo=frames.get("placebo"),
            lots=frames.get("lots"),
            lost_sales=frames.get("lost_sales"),
            sensitivity=_sensitivity(planned, frames),
            pareto=None if planned is None else pareto_of(settings, shop),
            assumptions=_assumptions(settings, planned, frames),
            stages_skipped=skipped,
            **({} if planned is None else _of_plan(planned)),
        ),
        path,
        progress=progress,
    )
    return path


def _of_plan(planned: Planned) -> dict[str, Any]:
    return {
        "plan": planned.plan,
        "campaign": planned.campaign,
        "plan_table": planned.table,
        "value": planned.value,
        "comparison": planned.comparison,
        "broken": planned.broken,
        "soft": planned.soft,
        "nominations": planned.nominations,
        "exploration": planned.exploration,
        "decision": "draft" if planned.decision is None else planned.decision.sentence,
        "curves": planned.curves,
        "test_design": planned.design,
        "stock": planned.stock,
    }


def _sensitivity(planned: Planned | None, frames: dict[str, pl.DataFrame]) -> tuple[str, ...]:
    """How strong hidden causes would have to be, a sentence each."""
    said = [] if planned is None else [planned.sensitivity]
    robust = frames.get("robustness")
    if robust is not None:
        said += [demand.Robustness(**row).sentence for row in robust.iter_rows(named=True)]
    return tuple(sentence for sentence in said if sentence)


def _summary(settings: Settings, shop: Shop) -> dict[str, str]:
    split = shop.split
    return {
        "Trained on events before": f"{split.train_end:%Y-%m-%d}",
        "Validated on": f"{split.train_end:%Y-%m-%d} to {split.valid_end:%Y-%m-%d}",
        "Judged on": f"{split.valid_end:%Y-%m-%d} to {split.test_end:%Y-%m-%d}",
        "Demand draws": f"{settings.campaign.n_draws} to optimize, as many fresh ones for the value reported",
        "Seed": str(settings.shop.seed),
        "Data": shop.data_hash[:12],
    }


def _assumptions(settings: Settings, planned: Planned | None, frames: dict[str, pl.DataFrame]) -> tuple[str, ...]:
    if planned is None:
        return ()
    a, table = settings.assumptions, planned.table
    said = [
        f"Profit counts every unit over the sale and the {HORIZON_DAYS} days after it, against running no sale.",
        "Purchases that were only pulled forward are subtracted.",
        "The value is a forecast from past prices that the shop chose for its own reasons, not a measured uplift.",
        f"The plan chose among the {planned.items.height:,} items that sold most in the last 56 days.",
        *frames["elsewhere"]["said"],
    ]
    if table["cost_assumed"].any():
        said.append(f"Unit costs are not in the data; {a.unit_cost_frac:.0%} of the list price is assumed.")
    if table["stock_assumed"].any():
        said.append(f"Stock is not in the data; {a.cover_days:g} days of recent sales are assumed to be on hand.")
    if planned.stock is not None and not planned.stock.is_empty():
        said.append(
            f"A unit that is ordered for the sale and left over is taken to be worth {a.salvage_frac:.0%} of its cost."
        )
    if frames["assumed"]["visibility"].item():
        said.append(
            "The log records no sales, so price cuts were detected from paid prices. They tell the price response; "
            f"the lift of being shown in a sale is assumed to be {a.shown_lift:g}, give or take a quarter."
        )
    said += [demand.gap_sentence(Estimate(**row)) for row in frames["competitors"].iter_rows(named=True)]
    unidentified = planned.curves.filter(pl.col("identified").not_())["item_id"].n_unique()
    if unidentified:
        said.append(
            f"For {unidentified} of the chosen items the log does not identify a price response; "
            "theirs comes from their category and the shop."
        )
    if a.return_frac == 0:
        said.append("No returns are assumed: set assumptions.return_frac if sold units come back.")
    return tuple(said)
