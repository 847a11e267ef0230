"""How popular each item has been lately: an exponentially fading count of the shop's wanted events."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.behavior.histories import WANTED, Histories
from flashlift.behavior.snapshots import DAY
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import EVENT_KINDS, Events

__all__ = ["Trend", "trend_now"]

SMOOTHING = 0.5  # events that every item is given
GRID = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """Log popularity of each code at some instants; row g counts events before instants[g] alone.

    Args:
        instants: rising, microseconds, (G,).
        logs: ln(faded count + smoothing), (G, n_codes).
    """

    instants: IntArray
    logs: npt.NDArray[np.float32]

    @classmethod
    def build(cls, histories: Histories, n_codes: int, until: int, half_life_days: float) -> Trend:
        """Count events before `until` (microseconds) on a grid of instants; a half-life of 0 makes nothing popular."""
        if half_life_days == 0:
            return cls(instants=np.array([until]), logs=np.zeros((1, n_codes), dtype=np.float32))
        wanted = (histories.at < until) & np.array(WANTED)[histories.kind]
        at, item = histories.at[wanted], np.where(histories.item < n_codes, histories.item, 0)[wanted]
        instants = np.linspace(at.min(initial=until - 1), until, GRID + 1).astype(np.int64)[:-1]
        row = np.searchsorted(instants, at, side="right")  # first instant after the event
        inside = row < GRID
        row, at, item = row[inside], at[inside], item[inside]
        weight = 0.5 ** ((instants[row] - at) / (half_life_days * DAY))
        logs = np.empty((GRID, n_codes), dtype=np.float32)
        mass = np.zeros(n_codes)
        borders = np.searchsorted(np.sort(row), np.arange(GRID + 1))
        order = np.argsort(row, kind="stable")
        for g in range(GRID):
            here = order[borders[g] : borders[g + 1]]
            fade = 0.5 ** ((instants[g] - instants[max(g - 1, 0)]) / (half_life_days * DAY))
            mass = mass * fade + np.bincount(item[here], weights=weight[here], minlength=n_codes)
            logs[g] = np.log(mass + SMOOTHING)
        return cls(instants=instants, logs=logs)

    def row(self, at: IntArray) -> IntArray:
        """The last row that knows only what was before each instant, same shape."""
        return np.maximum(np.searchsorted(self.instants, at, side="right") - 1, 0)


def trend_now(events: pl.DataFrame, at: datetime, item_ids: Sequence[str], half_life_days: float) -> FloatArray:
    """The same log popularity as of `at`, (n_items,), counted in a log of the whole shop."""
    if half_life_days == 0:
        return np.zeros(len(item_ids))
    wanted = [kind for kind, ok in zip(EVENT_KINDS, WANTED, strict=True) if ok]
    item, column = Events.item_id.name, "column"
    asked = pl.DataFrame(
        {item: list(item_ids), column: range(len(item_ids))}, schema={item: pl.String, column: pl.Int64}
    )
    found = (
        events.lazy()
        .filter(Events.at.col < at, Events.at.col >= at - timedelta(days=10 * half_life_days))
        .filter(Events.event.col.is_in(wanted), Events.customer_id.col.is_not_null())
        .select(item, age=(pl.lit(at) - Events.at.col).dt.total_microseconds() / DAY)
        .join(asked.lazy(), on=item, how="inner", maintain_order="left_right")
        .collect()
    )
    weight = 0.5 ** (found["age"].to_numpy() / half_life_days)
    mass = np.bincount(found[column].to_numpy(), weights=weight, minlength=len(item_ids)).astype(np.float64)
    return np.log(mass + SMOOTHING)
