"""Whole items, substitution groups, categories or regions in one arm each: pairs of like size, one of them treated."""

from __future__ import annotations

import numpy as np
import polars as pl

from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.effect import SaleEffect
from flashlift.protocols import FloatArray
from flashlift.stats.randomization import blocked, difference_in_ratios, randomization_pvalue
from flashlift.stats.totals import split_total

__all__ = ["LEAST_UNITS", "pair_by_size", "paired_units"]

LEAST_UNITS = 10  # five in each arm: with fewer, one unit decides
LOTS = 10_000  # assignments that the randomization test draws


def pair_by_size(size: FloatArray, *, rng: np.random.Generator) -> FloatArray:
    """1 where a unit is treated, else 0: neighbors in size are pairs, and a coin treats one of each.

    An odd unit, the smallest, has a coin of its own; so each unit is treated with probability one half.

    Args:
        size: forecast of each unit's outcome, (n,).
        rng: the coins.

    Raises:
        InsufficientDataError: fewer than `LEAST_UNITS`.
    """
    n = len(size)
    if n < LEAST_UNITS:
        raise InsufficientDataError(
            f"{n} units cannot carry a test in which each has one arm: it needs {LEAST_UNITS}. Use windows instead."
        )
    order = np.argsort(-size, kind="stable")
    coin = rng.integers(2, size=(n + 1) // 2)
    treated = np.zeros(n)
    treated[order] = np.stack([coin, 1 - coin], axis=1).ravel()[:n]
    return treated


def paired_units(
    outcomes: pl.DataFrame,
    units: pl.DataFrame,
    *,
    metric: str,
    rng: np.random.Generator,
    unit: str = "item_id",
    level: float = 0.95,
) -> SaleEffect:
    """Analyze a finished test in which each unit had one arm.

    Each arm's result is compared with its forecast (the covariate, as in CUPED), and the ratio stated for all units.
    Beside its interval stands the randomization test over the coins that `pair_by_size` could have thrown.

    Args:
        outcomes: the column `unit`, metric; several rows of a unit are summed, a unit without a row counts 0.
        units: the column `unit`, size (forecast, above 0), variant: `Design.units`.
        metric: what was measured, in words.
        rng: of the assignments that could have been, where there are too many to try all.
        unit: column that names the unit: item_id, group, category or region.
        level: probability that the interval claims.

    Raises:
        InputError: a missing column, an outcome of an unknown unit, a null outcome, or a unit in both arms.
        InsufficientDataError: fewer than 3 units in an arm.
    """
    for name, frame, wanted in (("outcomes", outcomes, "metric"), ("units", units, "variant")):
        if missing := [column for column in (unit, wanted) if column not in frame.columns]:
            raise InputError(f"The {name} have no column {missing[0]!r}. They have {', '.join(frame.columns)}.")
    if units[unit].n_unique() < units.height:
        raise InputError(f"A {unit} is in the design twice. Give each one arm.")
    if outcomes.select(unit, "metric").null_count().sum_horizontal().item():
        raise InputError(f"An outcome lacks its {unit} or number. Say what it counts as (0 for no sale).")
    strange = outcomes.join(units, on=unit, how="anti")
    if strange.height:
        raise InputError(f"The design does not know {unit} {strange[unit][0]!r}. Analyze the units of the test only.")
    sums = outcomes.group_by(unit).agg(pl.col("metric").sum())
    table = units.join(sums, on=unit, how="left").with_columns(pl.col("metric").fill_null(0.0))
    value, size = (table[name].cast(pl.Float64).to_numpy() for name in ("metric", "size"))
    treated = (table["variant"] == "treatment").cast(pl.Float64).to_numpy()
    found = split_total(value, size, treated, level=level)
    pair = np.empty(len(size), dtype=np.int64)
    pair[np.argsort(-size, kind="stable")] = np.arange(len(size)) // 2
    lots = blocked(pair, treated, LOTS, rng=rng)
    return SaleEffect(
        metric=metric,
        estimand=f"The estimand is the effect on all units together, each {unit} treated or not as a whole.",
        assumes="It assumes that units do not draw customers or attention from each other: a dearer deal sends some to "
        "cheaper ones beside it, which counts twice.",
        found=found,
        units=table.height,
        lot_pvalue=randomization_pvalue(value, treated, lots, difference_in_ratios(size)),
    )
