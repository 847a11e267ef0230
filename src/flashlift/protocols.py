"""The seams between the rooms. Whatever keeps these promises can take a room's place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Campaign, Plan, Slot

__all__ = [
    "Assigner",
    "CustomerEncoder",
    "DemandDraws",
    "DemandModel",
    "FloatArray",
    "IntArray",
    "IntentModel",
    "Planner",
    "Progress",
    "Recommender",
    "SparseEffects",
    "Tracker",
    "silent",
]

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]


class Progress(Protocol):
    """Told how far a task has come. `done` grows to `total`; a task ends when they are equal."""

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        """Called now and then while `task` runs, and once at its end."""
        ...


def silent(task: str, done: float, total: float, note: str = "") -> None:
    """Show no progress."""


class Tracker(Protocol):
    """Keeps the metrics of a training where a tool can draw them. It is told numbers only, never a row of data."""

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """Metrics by name (`train/loss`, `valid/auc` ...) after `step` steps; steps never fall."""
        ...

    def close(self) -> None:
        """Write what is still held; called once, whether the training ended well or not."""
        ...


class CustomerEncoder(Protocol):
    """Turns histories into vectors."""

    def encode(self, events: pl.DataFrame, customers: Sequence[str], at: datetime) -> FloatArray:
        """State of each customer as of `at`, (n_customers, width). Events at or after `at` are never read."""
        ...


class IntentModel(Protocol):
    """Says who will buy, and when."""

    def purchase_probability(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, horizons_hours: Sequence[float]
    ) -> FloatArray:
        """Calibrated P(at least one purchase within h of `at`), (n_customers, n_horizons), rising with h.

        Events at or after `at` are never read. A customer without events gets the shop's base rate.
        """
        ...


class Recommender(Protocol):
    """Ranks items for customers."""

    def score(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, item_ids: Sequence[str]
    ) -> FloatArray:
        """Score of each candidate, (n_customers, n_items), larger is better; comparable within a customer only.

        Events at or after `at` are never read. Unknown customers and items still get a finite score.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class SparseEffects:
    """Units that item `target[k]` gains (negative: loses) at list price per extra unit sold of item `source[k]`."""

    source: IntArray
    target: IntArray
    effect: FloatArray


class DemandDraws(Protocol):
    """Joint draws of demand, kept as parameters per item and draw; cells are evaluated when asked for.

    `item` holds row numbers of the items frame given to `DemandModel.draw`, `slot` indices of its slots.
    The same draw (column) is the same state of the world in every method and for every cell.
    """

    @property
    def n_draws(self) -> int:
        """Number of draws."""
        ...

    def units(
        self, item: IntArray, slot: IntArray, discount: FloatArray, reach: FloatArray | None = None
    ) -> FloatArray:
        """Units demanded in the slot, unlimited by quota, (n, n_draws).

        A discount of 0 means that the item is not in the sale: the slot's units at list price. Any
        larger discount includes the lift of being shown. `reach` is the share of the audience in [0, 1].
        """
        ...

    def without_sale(self, item: IntArray) -> FloatArray:
        """Units demanded at list price from the first slot's start to 28 days after the last end, (n, n_draws)."""
        ...

    def aftermath(self, item: IntArray, extra_units: FloatArray) -> FloatArray:
        """Change of the item's units outside its slots caused by `extra_units` (n, n_draws) sold in them, same shape.

        Negative where purchases were only pulled forward, positive where buyers come back.
        """
        ...

    def cross(self) -> SparseEffects:
        """Effects on other items per extra unit sold."""
        ...

    def support(self, item: IntArray, discount: FloatArray) -> FloatArray:
        """Distance from anything seen in the log, (n,): 0 seen, inf not identifiable from it."""
        ...


class DemandModel(Protocol):
    """Knows how demand answers to an offer."""

    def draw(
        self, items: pl.DataFrame, slots: Sequence[Slot], n_draws: int, *, rng: np.random.Generator
    ) -> DemandDraws:
        """Draws for `items` (schema SaleItems) and `slots`; the same generator state gives the same draws."""
        ...


class Planner(Protocol):
    """Chooses offers."""

    def __call__(self, campaign: Campaign, items: pl.DataFrame, draws: DemandDraws) -> Plan:
        """Best plan within the campaign's limits. Raises InfeasibleError, naming limits that conflict."""
        ...


class Assigner(Protocol):
    """Puts units of an experiment into variants."""

    def assign(self, unit_ids: Sequence[str]) -> list[str]:
        """Variant of each unit; the same unit gets the same variant for ever."""
        ...
