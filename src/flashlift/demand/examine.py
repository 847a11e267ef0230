"""How far the demand model can be trusted: placebo tests, randomized against chosen sales, robustness."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.demand.baseline import CrossFit, draw_rows
from flashlift.demand.config import DemandConfig
from flashlift.demand.lost_sales import lost_sales
from flashlift.demand.lots import by_lot_and_by_choice
from flashlift.demand.noise import Noise, measure_noise
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.placebo import placebo_tests
from flashlift.demand.response import SaleRows, fit_response
from flashlift.demand.sale_rows import sale_rows
from flashlift.demand.sensitivity import Robustness, robustness
from flashlift.demand.state import History
from flashlift.demand.windows import Past, Windows
from flashlift.protocols import IntArray, Progress, silent
from flashlift.schema import Tables

__all__ = ["Examination", "examine"]

_TASK = "demand, put to the test"
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

    The baselines that did not see the days they predict are fitted again, as in `fit`, because a model keeps none.

    Raises:
        InsufficientDataError: as `fit`.
    """
    config = config or DemandConfig()
    steps = config.folds + 2
    progress(_TASK, 0, steps, "reading the log")
    panel = build_panel(tables, until, config)
    history = History(panel)
    drawn = draw_rows(history, panel, config, rng)

    def begin(block: int) -> None:
        progress(_TASK, 1 + block, steps, f"baseline without block {block + 1} of {config.folds}")

    cross = CrossFit.fit(history, panel, drawn, config, begin)
    progress(_TASK, 1 + config.folds, steps, "placebo tests")
    noise = measure_noise(cross, rng)
    rows, first, last = sale_rows(panel, cross, noise.near, rng)
    found = examine_sales(panel, cross, rows, first, last, noise, config, rng)
    progress(_TASK, steps, steps)
    return found


def examine_sales(
    panel: Panel,
    cross: CrossFit,
    rows: SaleRows,
    first: IntArray,
    last: IntArray,
    noise: Noise,
    config: DemandConfig,
    rng: np.random.Generator,
) -> Examination:
    """The same for past sales at hand (`sale_rows`), without a new baseline."""
    some = np.unique(np.linspace(0, len(first) - 1, min(len(first), _MOST)).astype(np.int64))
    past = Past(item=rows.item[some], first=first[some], last=last[some], x=rows.x[some])
    response = fit_response(rows, panel.category, len(panel.categories), config)
    return Examination(
        placebo=placebo_tests(cross, past, Windows.of_sales(rows, first), rng),
        lots=by_lot_and_by_choice(rows, response, panel.category, len(panel.categories), config),
        robustness=robustness(rows),
        lost=lost_sales(panel, cross, noise),
    )
