"""The deals of a plan as a test sees them: items, their stock, and what each window should sell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.domain import Slot
from flashlift.errors import InputError
from flashlift.experiments.facts import Facts
from flashlift.experiments.switchback import LEAST_WINDOWS
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Deals", "by_start", "deals_of", "items_of", "splittable", "too_few_windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deals:
    """Items of the plan that can be tested in windows: arrays by item, in order of name.

    Args:
        item: names.
        group: substitution group of each; its own name where none is known.
        stock: units of each over the whole sale.
        expected: expected units in each window, (n, n_slots).
        left_out: items that cannot be split.
    """

    item: list[str]
    group: list[str]
    stock: FloatArray
    expected: FloatArray
    left_out: tuple[str, ...]

    @property
    def number(self) -> IntArray:
        """Number of each item's group, from 0 on."""
        return np.unique(self.group, return_inverse=True)[1]


def by_start(slots: tuple[Slot, ...]) -> list[Slot]:
    """Windows in order of time."""
    return sorted(slots, key=lambda slot: slot.start)


def items_of(offers: pl.DataFrame | None) -> pl.DataFrame:
    """item_id, group, stock, expected of each item of the plan."""
    if offers is None:
        raise InputError("A test of windows or items needs the offers of the plan. Give them.")
    missing = [name for name in ("item_id", "slot_id", "quota", "expected_units") if name not in offers.columns]
    if missing:
        raise InputError(f"The offers have no column {missing[0]!r}. They have {', '.join(offers.columns)}.")
    group = pl.col("group").first() if "group" in offers.columns else pl.col("item_id").first()
    return (
        offers.group_by("item_id")
        .agg(group=group, stock=pl.col("quota").sum(), expected=pl.col("expected_units").sum())
        .with_columns(pl.col("group").fill_null(pl.col("item_id")))
        .sort("item_id")
    )


def splittable(offers: pl.DataFrame) -> pl.DataFrame:
    """Items of which each arm can have a unit."""
    return items_of(offers).filter(pl.col("stock") >= 2)


def deals_of(facts: Facts) -> Deals:
    """Items with two units or more that run in every window; the others are left out."""
    table = items_of(facts.offers)
    slots = [slot.slot_id for slot in by_start(facts.slots)]
    assert facts.offers is not None
    runs = (
        facts.offers.filter(pl.col("slot_id").is_in(slots), pl.col("expected_units") > 0.0)
        .group_by("item_id")
        .agg(windows=pl.col("slot_id").n_unique())
    )
    fit = table.join(runs, on="item_id", how="left").filter(
        pl.col("windows").fill_null(0) == len(slots), pl.col("stock") >= 2
    )
    items = fit["item_id"].to_list()
    row, column = {one: k for k, one in enumerate(items)}, {one: k for k, one in enumerate(slots)}
    expected = np.zeros((len(items), len(slots)))
    for item, slot, units in facts.offers.select("item_id", "slot_id", "expected_units").iter_rows():
        if item in row and slot in column:
            expected[row[item], column[slot]] += units
    return Deals(
        item=items,
        group=fit["group"].to_list(),
        stock=fit["stock"].to_numpy().astype(np.float64),
        expected=expected,
        left_out=tuple(sorted(set(table["item_id"]) - set(items))),
    )


def too_few_windows(facts: Facts) -> str | None:
    """Why windows cannot be switched; None where they can."""
    if len(facts.slots) < LEAST_WINDOWS:
        return f"it needs {LEAST_WINDOWS} windows, and the sale has {len(facts.slots)}"
    if facts.offers is None:
        return "nobody said which items run in which windows"
    deals = deals_of(facts)
    if (count := len(set(deals.group))) < 3:
        return f"it needs 3 groups of items with two units that run in every window, and there are {count}"
    whole = float(items_of(facts.offers)["expected"].sum())
    if float(deals.expected.sum()) < 0.5 * whole:
        return "most of the sale is in offers that do not run in every window, or have one unit"
    return None
