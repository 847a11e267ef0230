"""What fitting and testing the demand model begin with: the log as a panel, blind baselines, past sales beside them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from flashlift.demand.baseline import CrossFit, Rows, draw_rows
from flashlift.demand.config import DemandConfig
from flashlift.demand.gap_response import measure_gap_response
from flashlift.demand.noise import Noise, measure_noise
from flashlift.demand.panel import Panel, build_panel
from flashlift.demand.response import Response, SaleRows, fit_response
from flashlift.demand.sale_rows import sale_rows
from flashlift.demand.season_gain import if_the_season_helps
from flashlift.demand.state import History
from flashlift.domain import Estimate
from flashlift.protocols import IntArray, Progress
from flashlift.schema import Tables

__all__ = ["Groundwork", "lay_groundwork"]

_TASK = "demand"


@dataclass(frozen=True, slots=True, kw_only=True)
class Groundwork:
    """The parts that `fit` and `examine` share.

    Args:
        panel: the log by item and day.
        history: what was known of each item at the start of each day.
        gap_response: how units answer to competitors' prices; None where they are not known.
        rows: days that baselines are fitted on.
        cross: baselines that did not see the days they predict.
        noise: how far units stray from them.
        sales: past sales beside these baselines.
        first: first day of each sale, a day of the panel.
        last: its last day.
        log_position: where the control of the position is 0; None where no sale has a position.
        response: how demand answered to them.
        config: the choices of the fit.
    """

    panel: Panel
    history: History
    gap_response: Estimate | None
    rows: Rows
    cross: CrossFit
    noise: Noise
    sales: SaleRows
    first: IntArray
    last: IntArray
    log_position: float | None
    response: Response
    config: DemandConfig


def lay_groundwork(
    tables: Tables, until: datetime, config: DemandConfig, *, rng: np.random.Generator, progress: Progress
) -> Groundwork:
    """Read the log before `until`; nothing at or after it. Under `one_blas_thread`.

    Raises:
        InsufficientDataError: no purchases, purchases without prices, less than 28 days, or no day without a sale.
    """
    steps = config.folds + 3
    progress(_TASK, 0, steps, "reading the log")
    panel = build_panel(tables, until, config)
    gap_response = measure_gap_response(panel)
    history = History(panel, 0.0 if gap_response is None else gap_response.value)
    rows = if_the_season_helps(draw_rows(history, panel, config, rng))

    def begin(block: int) -> None:
        progress(_TASK, 1 + block, steps, f"baseline without block {block + 1} of {config.folds}")

    cross = CrossFit.fit(history, panel, rows, config, begin)
    progress(_TASK, 1 + config.folds, steps, "spread of the forecast")
    noise = measure_noise(cross, rng)
    progress(_TASK, 2 + config.folds, steps, f"{len(panel.sales):,} past sales")
    sales, first, last, log_position = sale_rows(panel, cross, noise.near, rng)
    progress(_TASK, steps, steps)
    return Groundwork(
        panel=panel,
        history=history,
        gap_response=gap_response,
        rows=rows,
        cross=cross,
        noise=noise,
        sales=sales,
        first=first,
        last=last,
        log_position=log_position,
        response=fit_response(sales, panel.category, len(panel.categories), config, panel.brand),
        config=config,
    )
