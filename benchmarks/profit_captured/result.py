"""What is kept of a row in one shop: one small JSON file."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import polars as pl

from benchmarks.worlds_code import world_code

__all__ = ["Result", "load", "place", "save", "to_polars"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """One row in one shop. Everything is None that does not apply or, in a row that failed, is not known.

    Args:
        world: the world.
        seed: of the shop.
        row: key of the row.
        error: why the row has no result; None where it has one.
        value: true V, mean over the common futures, in shop currency.
        value_se: its standard error over futures.
        bound: no plan has a larger true V, up to the noise of the draws it was found on.
        elasticity_bias: mean of estimated less true elasticity over the items estimated.
        elasticity_rmse: root of their mean squared difference.
        elasticity_coverage: share of true elasticities inside the 90 % interval, of the items with an interval.
        elasticity_items: items estimated, as a share of all.
        forecast_wape: sum of |expected units without a sale - their true expectation| / sum of the latter, over items.
        forecast_bias: the same with the sign kept.
        estimate_seconds: wall time to learn and draw; shared by the rows of one estimator.
        plan_seconds: wall time to plan.
        peak_mb: largest growth of the process while estimating or while planning.
        n_offers: offers in the plan.
    """

    world: str
    seed: int
    row: str
    error: str | None = None
    value: float | None = None
    value_se: float | None = None
    bound: float | None = None
    elasticity_bias: float | None = None
    elasticity_rmse: float | None = None
    elasticity_coverage: float | None = None
    elasticity_items: float | None = None
    forecast_wape: float | None = None
    forecast_bias: float | None = None
    estimate_seconds: float | None = None
    plan_seconds: float | None = None
    peak_mb: float | None = None
    n_offers: int | None = None


def place(folder: Path, world: str, seed: int, row: str) -> Path:
    """File of a result; a changed world has other ones."""
    return folder / f"{world}-{world_code(world)[:8]}" / f"{seed}" / f"{row}.json"


def save(result: Result, folder: Path) -> None:
    """Write it at once or not at all.

    Raises:
        ValueError: a number of it is not finite.
    """
    path = place(folder, result.world, result.seed, result.row)
    path.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(asdict(result), indent=1, allow_nan=False)
    draft = path.with_suffix(f".{os.getpid()}.tmp")
    draft.write_text(text)
    draft.replace(path)


def load(folder: Path, world: str, seed: int, row: str) -> Result | None:
    """The result, or None where there is none."""
    path = place(folder, world, seed, row)
    return Result(**json.loads(path.read_text())) if path.exists() else None


_TYPES = {"world": pl.String, "seed": pl.Int64, "row": pl.String, "error": pl.String, "n_offers": pl.Int64}


def to_polars(results: Iterable[Result]) -> pl.DataFrame:
    """One row each."""
    schema = {field.name: _TYPES.get(field.name, pl.Float64) for field in fields(Result)}
    return pl.DataFrame([asdict(result) for result in results], schema=schema)
