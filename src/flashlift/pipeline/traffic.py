"""What the trained behavior model tells the demand model: the purchases it expects of each item."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import numpy as np
import polars as pl

from flashlift import artifacts, behavior, demand
from flashlift.errors import InsufficientDataError
from flashlift.pipeline.language import language_inputs
from flashlift.pipeline.shop import Shop
from flashlift.protocols import Progress
from flashlift.settings import Settings

__all__ = ["behavior_inputs", "behavior_model", "demand_inputs", "forecast_notes", "known_traffic", "trained_demand"]

log = logging.getLogger(__name__)


def behavior_inputs(settings: Settings, shop: Shop) -> tuple[object, ...]:
    """What the behavior stage depends on beside the shop's data."""
    told = settings.behavior.model_dump(mode="json", exclude={"tracker"})  # who watches changes no result
    return behavior.LAYOUT, settings.split, told, language_inputs(settings, shop), settings.shop.seed


def behavior_model(settings: Settings, shop: Shop) -> str | None:
    """Digest of the behavior model, if it was trained on these data and settings; another may have read the answer."""
    head = artifacts.read_manifest(shop.folder / "behavior")
    inputs = shop.digest("behavior", *behavior_inputs(settings, shop))
    return inputs if head is not None and head.get("inputs") == inputs else None


def demand_inputs(settings: Settings, shop: Shop) -> tuple[object, ...]:
    """What the demand stage depends on beside the shop's data.

    Once statsforecast is there, its rows are wanted; once there is a behavior model, what it expects.
    """
    told = settings.assumptions.shown_lift, settings.shop.country, settings.shop.seed
    return demand.LAYOUT, settings.split, *told, demand.has_statsforecast(), behavior_model(settings, shop)


def trained_demand(settings: Settings, shop: Shop) -> str:
    """Digest of the trained demand model, with a warning where it is of other data or settings than now.

    Raises:
        ArtifactError: there is none.
        InsufficientDataError: the log could not feed it.
    """
    inputs = shop.need("demand")
    if inputs != shop.digest("demand", *demand_inputs(settings, shop)):
        log.warning(
            "The demand model was trained on other data or settings than these, and is used as it is. "
            "Run `flashlift train demand` to bring it up to date."
        )
    return inputs


def known_traffic(settings: Settings, shop: Shop, progress: Progress) -> pl.DataFrame | None:
    """Expected traffic of each item, from the days on that the behavior model was not trained on.

    None where there is no such model, or it has no purchase intent.
    """
    if behavior_model(settings, shop) is None:
        return None
    model = behavior.BehaviorModel.load(shop.folder / "behavior")
    origins, rng = demand.traffic_origins(shop.split), np.random.default_rng(settings.shop.seed)
    try:
        return demand.expect_traffic(model, model, shop.tables, origins, rng=rng, progress=progress)
    except InsufficientDataError as error:  # the demand model stands without it
        log.warning("Expected traffic is not used: %s", error)
        return None


def forecast_notes(frames: Mapping[str, pl.DataFrame]) -> list[str]:
    """What to say beside the errors of the forecast: which ones are missing, and what became of expected traffic.

    Args:
        frames: the evidence of the demand stage; nothing is said without any.
    """
    missing = demand.missing_peer(frames["forecast_metrics"]) if "forecast_metrics" in frames else None
    traffic = frames["traffic_metrics"]["decision"].to_list()[-1:] if "traffic_metrics" in frames else []
    return [note for note in (missing, *traffic) if note]
