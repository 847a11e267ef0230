"""A fitted demand model as an artifact, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.artifacts import Artifact
from flashlift.demand.baseline import Baseline
from flashlift.demand.calendar import Calendar
from flashlift.demand.complements import Complements
from flashlift.demand.config import DemandConfig
from flashlift.demand.event_study import MovedShare
from flashlift.demand.levels import Effects
from flashlift.demand.noise import Noise
from flashlift.demand.profile import HourProfile
from flashlift.demand.response import Response
from flashlift.demand.season import Season
from flashlift.demand.state import State
from flashlift.demand.traffic_effect import TrafficEffect
from flashlift.domain import Estimate

__all__ = ["KIND", "LAYOUT", "pack", "unpack"]

KIND = "demand"
"""Kind of the artifact."""

LAYOUT = 9
"""Raised whenever a part is added, dropped, or comes to mean something else."""

_ARRAYS = ("category", "brand", "group", "lump", "n_sales", "deepest", "deepest_category", "lean")
_FACTS = ("origin_day", "categories", "brands", "detected", "identified", "log_position")
_RECORDS: dict[str, type[Any]] = {
    "pull": MovedShare,
    "diverted": MovedShare,
    "halo": MovedShare,
    "noise": Noise,
    "config": DemandConfig,
}
_STATES = ("state", "fresh")
_EFFECTS = ("items", "brands", "categories")
_SHOP_ARRAYS = ("shop_mean", "shop_covariance", "within", "among", "between")
_SHOP_FACTS = ("dispersion", "n_sales")


def pack(parts: Mapping[str, Any], *, inputs: str) -> Artifact:
    """The fields of a `FittedDemand` as an artifact; `inputs` is the digest of what it was made from."""
    baseline, response = parts["baseline"], parts["response"]
    arrays = {
        **{name: parts[name] for name in _ARRAYS},
        "profile": parts["profile"].cumulative,
        "coefficients": baseline.coefficients,
        **_calendar_arrays(baseline.calendar),
        "booster": np.frombuffer(baseline.booster.model_to_string().encode(), dtype=np.uint8),
        **{f"shop_{name}": getattr(response, name) for name in _SHOP_ARRAYS},
        **{f"complement_{name}": getattr(parts["complements"], name) for name in Complements.__slots__},
    }
    for name in _STATES:
        state = parts[name]
        arrays |= {f"{name}_{k}": getattr(state, k) for k in State.__slots__ if getattr(state, k) is not None}
    for name in _EFFECTS:
        arrays |= {f"{name}_{k}": getattr(getattr(response, name), k) for k in Effects.__slots__}
    manifest = {
        **{name: parts[name] for name in _FACTS},
        **{name: asdict(parts[name]) for name in _RECORDS},
        "season": _season_facts(baseline.calendar),
        "gap_response": None if parts["gap_response"] is None else asdict(parts["gap_response"]),
        "traffic": None if parts["traffic"] is None else asdict(parts["traffic"]),
        "response": {name: getattr(response, name) for name in _SHOP_FACTS},
    }
    titles = pl.Series("title", parts["titles"], dtype=pl.String)
    frames = {"items": pl.DataFrame({"item_id": parts["item_ids"]}).with_columns(titles)}
    return Artifact(kind=KIND, layout=LAYOUT, manifest=manifest, inputs=inputs, arrays=arrays, frames=frames)


def unpack(stored: Artifact) -> dict[str, Any]:
    """The fields of a `FittedDemand` from what `pack` made."""
    arrays, facts = stored.arrays, stored.manifest
    response: dict[str, Any] = {name: arrays[f"shop_{name}"] for name in _SHOP_ARRAYS} | facts["response"]
    for name in _EFFECTS:
        response[name] = Effects(**{k: arrays[f"{name}_{k}"] for k in Effects.__slots__})
    return {
        "item_ids": tuple(stored.frames["items"]["item_id"].to_list()),
        "titles": tuple(stored.frames["items"]["title"].to_list()),
        **{name: arrays[name] for name in _ARRAYS},
        **{name: facts[name] for name in _FACTS},
        "categories": tuple(facts["categories"]),
        "brands": tuple((category, name) for category, name in facts["brands"]),
        **{name: record(**facts[name]) for name, record in _RECORDS.items()},
        **{name: _state(arrays, name) for name in _STATES},
        "baseline": Baseline(
            arrays["coefficients"],
            lgb.Booster(model_str=arrays["booster"].tobytes().decode()),
            _calendar(arrays, facts["season"]),
        ),
        "gap_response": None if facts["gap_response"] is None else Estimate(**facts["gap_response"]),
        "traffic": None if facts["traffic"] is None else TrafficEffect(**facts["traffic"]),
        "response": Response(**response),
        "complements": Complements(**{name: arrays[f"complement_{name}"] for name in Complements.__slots__}),
        "profile": HourProfile(cumulative=arrays["profile"]),
    }


def _state(arrays: Mapping[str, npt.NDArray[Any]], name: str) -> State:
    parts: dict[str, Any] = {k: arrays.get(f"{name}_{k}") for k in State.__slots__}
    return State(**parts)


def _calendar_arrays(calendar: Calendar) -> dict[str, npt.NDArray[Any]]:
    season = calendar.season
    told = {} if season is None else {"season_units": season.units, "season_days": season.days}
    return {"holiday": calendar.holiday, **told}


def _season_facts(calendar: Calendar) -> dict[str, Any] | None:
    season = calendar.season
    return None if season is None else {"first_day": season.first_day, "lump": season.lump}


def _calendar(arrays: Mapping[str, npt.NDArray[Any]], season: dict[str, Any] | None) -> Calendar:
    told = None if season is None else Season(units=arrays["season_units"], days=arrays["season_days"], **season)
    return Calendar(season=told, holiday=arrays["holiday"])
