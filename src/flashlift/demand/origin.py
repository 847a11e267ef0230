"""A fitted model at a later origin: the same weights, the state of that day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.demand.model import FittedDemand
from flashlift.demand.panel import build_panel
from flashlift.demand.state import History
from flashlift.schema import Tables

__all__ = ["at_origin"]


def at_origin(
    model: FittedDemand, tables: Tables, until: datetime, traffic: pl.DataFrame | None = None
) -> FittedDemand:
    """The model with what is known of its items at the start of the day of `until`; nothing later is read.

    Items that the log no longer knows keep the state that they had. What the model was told of expected traffic is
    past by then: `traffic` tells it anew, from `expect_traffic`.

    Raises:
        InputError: the traffic holds nothing as of that day.
        InsufficientDataError: no purchases, no prices, or less than 28 days.
    """
    panel = build_panel(tables, until, model.config)
    number = {item_id: k for k, item_id in enumerate(panel.item_ids)}
    rows = np.array([number.get(item_id, -1) for item_id in model.item_ids])
    response = 0.0 if model.gap_response is None else model.gap_response.value
    known = History(panel, response).state(np.arange(len(panel.item_ids)), np.full(len(panel.item_ids), panel.n_days))
    if known.price is None and model.state.price is not None:  # the last change of a price is out of reach by now
        known = replace(known, price=np.zeros((len(panel.item_ids), model.state.price.shape[1])))
    if known.gap is None and model.state.gap is not None:  # no competitor's price is in reach
        known = replace(known, gap=np.zeros(len(panel.item_ids)))
    state = known.choose(rows, model.state, np.arange(len(rows)))
    # Categories keep the numbers that the weights know them by.
    state = replace(state, category=model.state.category)
    moved = replace(model, state=state, origin_day=panel.first_day + panel.n_days)
    return moved.with_traffic(model.traffic, traffic)
