"""How far the demand model can be trusted: placebo tests, randomized against chosen sales, robustness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.demand.config import DemandConfig
from flashlift.demand.fit import fit_on
from flashlift.demand.groundwork import Groundwork, lay_groundwork
from flashlift.demand.lost_sales import lost_sales
from flashlift.demand.lots import by_lot_and_by_choice
from flashlift.demand.model import FittedDemand
from flashlift.demand.placebo import placebo_tests
from flashlift.demand.sensitivity import Robustness, robustness
from flashlift.demand.threads import one_blas_thread
from flashlift.demand.windows import Past, Windows
from flashlift.protocols import Progress, silent
from flashlift.schema import Tables

__all__ = ["Examination", "examine", "examine_ground", "fit_and_examine"]

_MOST = 2_000  # sales copied; more would not narrow what clusters of items and weeks leave open


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What the tests say.

    Args:
        placebo: see `placebo_tests`.
        lots: see `by_lot_and_by_choice`; no rows without randomized sales.
        robustness: of the price response; None for too few sales.
        lost: demand that met an empty shelf; see `lost_sales`.
    """

    placebo: pl.DataFrame
    lots: pl.DataFrame
    robustness: Robustness | None
    lost: pl.DataFrame


def examine(
    tables: Tables,
    *,
    until: datetime,
    config: DemandConfig | None = None,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> Examination:
    """Put the demand model of these tables to the test; nothing at or after `until` is read.

    Where the model is wanted too, `fit_and_examine` reads the log and fits the blind baselines for both at once.

    Raises:
        InsufficientDataError: as `fit`.
    """
    with one_blas_thread():
        ground = lay_groundwork(tables, until, config or DemandConfig(), rng=rng, progress=progress)
        return examine_ground(ground, rng)


def fit_and_examine(
    tables: Tables,
    *,
    until: datetime,
    config: DemandConfig | None = None,
    rng: np.random.Generator,
    traffic: pl.DataFrame | None = None,
    progress: Progress = silent,
) -> tuple[FittedDemand, Examination]:
    """What `fit` and `examine` give; the model is that of `fit` to the last bit.

    Raises:
        InputError: as `fit`.
        InsufficientDataError: as `fit`.
    """
    with one_blas_thread():
        ground = lay_groundwork(tables, until, config or DemandConfig(), rng=rng, progress=progress)
        return fit_on(ground, tables, traffic), examine_ground(ground, rng)


def examine_ground(ground: Groundwork, rng: np.random.Generator) -> Examination:
    """The same for a log whose groundwork is laid. Under `one_blas_thread`."""
    panel, rows, first = ground.panel, ground.sales, ground.first
    some = np.unique(np.linspace(0, len(first) - 1, min(len(first), _MOST)).astype(np.int64))
    past = Past(item=rows.item[some], first=first[some], last=ground.last[some], x=rows.x[some])
    groups = panel.category, len(panel.categories), ground.config, panel.brand
    return Examination(
        placebo=placebo_tests(ground.cross, past, Windows.of_sales(rows, first), rng),
        lots=by_lot_and_by_choice(rows, ground.response, *groups),
        robustness=robustness(rows),
        lost=lost_sales(panel, ground.cross, ground.noise),
    )
