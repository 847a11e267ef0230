"""Profit against gross sales for the campaign of a shop, as a table and as a chart."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import polars as pl

from flashlift import artifacts, charts, demand, planning
from flashlift.errors import InputError, OutputError
from flashlift.pipeline.candidates import candidates
from flashlift.pipeline.curves import FILES, PICTURES
from flashlift.pipeline.nominations import nominations_of
from flashlift.pipeline.plan import read_picks_of
from flashlift.pipeline.shop import Shop
from flashlift.pipeline.spreadsheet import write_table
from flashlift.pipeline.traffic import trained_demand
from flashlift.protocols import Progress, silent
from flashlift.settings import GoalSettings, Settings

__all__ = ["AskedPareto", "pareto", "pareto_of"]

NAME = "pareto"
GAP_FRAC = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedPareto:
    """Which curve is asked for.

    Args:
        points: plans on it at most, at least 2.
        out: a .png, .svg or .html file for the chart, or a .csv or .parquet file for the table; None: none is written.

    Raises:
        InputError: fewer than 2 points.
        OutputError: another kind of file.
    """

    points: int = 9
    out: Path | None = None

    def __post_init__(self) -> None:
        if self.points < 2:
            raise InputError(f"A curve of {self.points} points is none. Ask for 2 or more.")
        if self.out is not None and self.out.suffix.lower() not in FILES:
            raise OutputError(f"Cannot write {self.out}: its kind is unknown. Name a {', '.join(FILES)} file.")


def pareto(settings: Settings, asked: AskedPareto, progress: Progress = silent) -> pl.DataFrame:
    """Plan the campaign for profit, for gross sales, and between (`flashlift.planning.pareto`).

    Raises:
        ArtifactError: the demand model was never trained.
        InsufficientDataError: its training was skipped; the message says why.
        InfeasibleError: no plan keeps all limits.
        OutputError: the file cannot be written.
    """
    shop = Shop.open(settings)
    trained_demand(settings, shop)
    campaign, items = candidates(settings, shop, read_picks_of(settings, None, None), nominations_of(settings, shop))
    model = demand.FittedDemand.load(shop.folder / "demand")
    seed, n_draws = settings.shop.seed, settings.campaign.n_draws
    seen, unseen = (model.draw(items, campaign.slots, n_draws, rng=rng) for rng in np.random.default_rng(seed).spawn(2))
    points = planning.pareto(
        campaign,
        items,
        seen,
        fresh=unseen,
        points=asked.points,
        time_limit_s=settings.campaign.time_limit_s,
        gap_frac=GAP_FRAC,
        seed=seed,
        progress=progress,
    )
    kept = artifacts.Artifact(
        kind="evidence", manifest={"skipped": None}, inputs=_inputs(settings, shop), frames={NAME: points}
    )
    artifacts.save(kept, shop.folder / "evidence" / NAME)
    if asked.out is not None:
        _write(points, asked.out, settings.shop.currency)
    return points


def pareto_of(settings: Settings, shop: Shop) -> pl.DataFrame | None:
    """The curve made last, if all that it depends on is as it was."""
    kept = shop.evidence(NAME)
    if kept is None or shop.evidence("demand") is None or kept.inputs != _inputs(settings, shop):
        return None
    return kept.frames[NAME]


def _inputs(settings: Settings, shop: Shop) -> str:
    """Digest of all that the curve depends on: everything but the campaign's own goal, which may be chosen from it."""
    asked = settings.campaign.model_copy(update={"goal": GoalSettings()})
    picks = read_picks_of(settings, None, None).to_polars().to_dicts()
    nominated = nominations_of(settings, shop)
    given = picks if nominated is None else [*picks, asdict(nominated)]
    return shop.digest(NAME, settings.model_copy(update={"campaign": asked}), shop.need("demand"), given)


def _write(points: pl.DataFrame, path: Path, currency: str) -> None:
    if path.suffix.lower() in PICTURES:
        charts.save(charts.pareto(points, currency=currency), path)
    else:
        write_table(points, path)
