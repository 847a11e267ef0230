"""Tables to models, each judged on days it has not seen, beside the baseline it has to beat."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from typing import Literal

import numpy as np
import polars as pl

from flashlift import behavior, demand, events, recommend
from flashlift.artifacts import Artifact
from flashlift.behavior.trackers import open_tracker
from flashlift.domain import Estimate
from flashlift.errors import InsufficientDataError
from flashlift.pipeline.language import text_vectors
from flashlift.pipeline.nominations import nominations_of
from flashlift.pipeline.rankers import rankers
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.traffic import behavior_inputs, demand_inputs, forecast_notes, known_traffic
from flashlift.protocols import Progress, Tracker, silent
from flashlift.schema import Events
from flashlift.settings import Settings

__all__ = ["ModelName", "Trained", "train"]

log = logging.getLogger(__name__)

ModelName = Literal["behavior", "demand"]

_ROBUSTNESS = tuple(field.name for field in fields(demand.Robustness))
_ESTIMATE = tuple(field.name for field in fields(Estimate))

# Columns that a terminal has room for; the evidence holds all.
SHOWN = {
    "traffic_metrics": ("of", "coefficient", "estimate", "ci_lower", "ci_upper", "deviance_change_frac"),
    "forecast_metrics": ("level", "model", "wape", "bias", "pinball", "coverage_90"),
    "intent_metrics": (
        *("model", "horizon_hours", "base_rate", "pr_auc", "pr_auc_ci_lower", "pr_auc_ci_upper"),
        *("gain", "brier_skill", "ece", "slope", "n"),
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """Tables for the reader, what they lack, and the stages that the data could not feed, with their reasons."""

    tables: dict[str, pl.DataFrame]
    skipped: dict[str, str]
    notes: tuple[str, ...]


def train(
    settings: Settings, progress: Progress = silent, *, models: Collection[ModelName] = ("behavior", "demand")
) -> Trained:
    """Fit and judge the behavior and the demand model, or one of them; what is up to date is kept."""
    shop = Shop.open(settings)
    settings.build_campaign(shop.split.test_end)  # an impossible date is refused before the long work,
    nominations_of(settings, shop)  # and so is a nomination
    stages: dict[ModelName, Callable[[Settings, Shop, Progress], Artifact]]
    stages = {"behavior": _behavior, "demand": _demand}
    evidence = {name: fit(settings, shop, progress) for name, fit in stages.items() if name in models}
    frames = {name: frame for part in evidence.values() for name, frame in part.frames.items()}
    tables = {
        f"{name.replace('_', ' ').capitalize()} on held-out days": frame.select(SHOWN.get(name, frame.columns))
        for name, frame in frames.items()
        if name.endswith("_metrics") and name != "forecast_metrics"
    }
    notes: list[str] = []
    if "forecast_metrics" in frames:
        errors = demand.by_metric(frames["forecast_metrics"]).select(SHOWN["forecast_metrics"])
        tables["Forecast metrics on held-out days, mean over the origins"] = errors
        tables["WAPE of the forecast from each origin to the end"] = demand.by_origin(frames["forecast_origins"])
        notes = forecast_notes(frames)
        notes += frames["elsewhere"]["said"].to_list()
        notes += [demand.gap_sentence(Estimate(**row)) for row in frames["competitors"].iter_rows(named=True)]
    return Trained(
        tables=tables,
        skipped={stage: part.manifest["skipped"] for stage, part in evidence.items() if part.manifest["skipped"]},
        notes=tuple(notes),
    )


def _behavior(settings: Settings, shop: Shop, progress: Progress) -> Artifact:
    """Intent and ranking, judged on the test window."""
    seed, split = settings.shop.seed, shop.split

    def work(inputs: str) -> dict[str, pl.DataFrame]:
        asked = settings.behavior
        config = behavior.BehaviorConfig.sized(asked.size)
        config = replace(config, device=asked.device, threads=asked.threads)
        if asked.max_steps is not None:
            config = replace(config, max_steps=asked.max_steps)
        texts = text_vectors(settings, shop, progress)
        with _tracked(settings, shop) as tracker:
            model = behavior.fit(
                shop.tables,
                split=split,
                config=config,
                texts=None if texts is None else (texts.ids, texts.vectors),
                seed=seed,
                progress=progress,
                tracker=tracker,
                checkpoint=shop.folder / "behavior-checkpoint",
            )
        if texts is not None:
            model = replace(model, facts=model.facts | {"language": texts.facts})
        model.save(shop.folder / "behavior", inputs=inputs)
        frames = _ranking(model, settings, shop)
        frames["learning_curves"] = model.curves
        frames["model_card"] = model.card.to_polars()
        try:
            frames["intent_metrics"], frames["reliability"] = behavior.intent_report(
                model, shop.tables, split=split, horizons_hours=settings.horizons_hours, seed=seed
            )
            horizon = _middle(settings.horizons_hours)
            segments = behavior.segment_report(model, shop.tables, split=split, horizon_hours=horizon, seed=seed)
            frames["segments"] = segments.with_columns(horizon_hours=pl.lit(horizon))
        except InsufficientDataError as error:  # the ranking stands without it, and the report says that it is absent
            log.warning("Purchase intent is not judged: %s", error)
        return frames

    return shop.stage("behavior", work, *behavior_inputs(settings, shop))


def _middle(horizons_hours: list[float]) -> float:
    """The horizon of which the model card tells segments: long enough for orders, short enough for many moments."""
    return sorted(horizons_hours)[len(horizons_hours) // 2]


@contextmanager
def _tracked(settings: Settings, shop: Shop) -> Iterator[Tracker | None]:
    """The tracker of the settings, closed whether the training ends well or not."""
    tracker = open_tracker(settings.behavior.tracker, shop.folder / "tracking", name="flashlift")
    try:
        yield tracker
    finally:
        if tracker is not None:
            tracker.close()


def _ranking(model: behavior.BehaviorModel, settings: Settings, shop: Shop) -> dict[str, pl.DataFrame]:
    """Every ranker on the test days, and the best one of the validation days: it makes the customers' lists."""
    split, rng = shop.split, np.random.default_rng(settings.shop.seed)
    past = events.before(shop.tables.events, split.test_end).collect()

    def judge(start: datetime, end: datetime) -> pl.DataFrame:
        known = past.filter(Events.at.col < end)
        return recommend.evaluate(
            rankers(model, shop, start),
            known,
            start=start,
            end=end,
            max_customers=settings.behavior.eval_customers,
            rng=rng,
        )

    valid = judge(split.train_end, split.valid_end).filter(pl.col("metric") == "ndcg@10")
    best = valid.sort("value", descending=True, maintain_order=True).head(1)
    return {
        "recommendation_metrics": judge(split.valid_end, split.test_end),
        "ranker": best.select("model", valid_ndcg_at_10="value"),
    }


def _demand(settings: Settings, shop: Shop, progress: Progress) -> Artifact:
    """Forecast and intervals judged on the test window; then the model of the whole log."""
    seed, split = settings.shop.seed, shop.split

    lift, country = settings.assumptions.shown_lift, settings.shop.country
    config = demand.DemandConfig(unrecorded_lift=lift, country=country)

    def work(inputs: str) -> dict[str, pl.DataFrame]:
        traffic = known_traffic(settings, shop, progress)
        judged = demand.backtest(
            shop.tables,
            split=split,
            config=config,
            rng=np.random.default_rng(seed),
            traffic=traffic,
            progress=progress,
        )
        model, tested = demand.fit_and_examine(
            shop.tables,
            until=split.test_end,
            config=config,
            rng=np.random.default_rng(seed),
            traffic=traffic,
            progress=progress,
        )
        model.save(shop.folder / "demand", inputs=inputs)
        rivals = [] if model.gap_response is None else [asdict(model.gap_response)]
        robust = [] if tested.robustness is None else [asdict(tested.robustness)]
        effects = {"forecasts that are judged": judged.traffic, "forecasts of plans": model.traffic}
        told = [found.to_polars().with_columns(of=pl.lit(of)) for of, found in effects.items() if found is not None]
        return {
            **({"traffic_metrics": pl.concat(told)} if told else {}),
            "forecast_metrics": judged.metrics,
            "forecast_origins": judged.origins,
            "daily": judged.daily,
            "elasticities": model.elasticities(),
            "competitors": pl.DataFrame(rivals, schema=dict.fromkeys(_ESTIMATE, pl.Float64)),
            "assumed": pl.DataFrame({"visibility": [model.detected]}),
            "elsewhere": pl.DataFrame({"said": [model.substitution, model.spillover]}),
            "placebo": tested.placebo,
            "lots": tested.lots,
            "lost_sales": tested.lost,
            "robustness": pl.DataFrame(robust, schema=dict.fromkeys(_ROBUSTNESS, pl.Float64)),
        }

    return shop.stage("demand", work, *demand_inputs(settings, shop))
