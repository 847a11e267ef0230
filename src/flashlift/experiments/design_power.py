"""What a design can see on this shop's past, and what it would need for the forecast effect."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtr, ndtri

from flashlift.experiments.deals import Deals, items_of
from flashlift.experiments.facts import Facts, Rules
from flashlift.experiments.planned_power import (
    Resolution,
    Trial,
    by_customer,
    by_unit,
    by_window,
    customer_effect,
    needed,
    past_cube,
    resolve,
    total_effect,
    usual_unit_test,
    usual_window_test,
)
from flashlift.protocols import FloatArray
from flashlift.stats.moments import Moments
from flashlift.stats.totals import TotalEffect

__all__ = ["at_forecast", "of_customers", "of_units", "of_windows", "resolved"]


def of_customers(facts: Facts, rules: Rules, rng: np.random.Generator) -> Resolution:
    """Customers split by lot, with CUPED."""
    metric, covariate = (facts.customers[name].cast(pl.Float64).to_numpy() for name in ("metric", "covariate"))
    history = Moments.of(metric, covariate)
    smallest = customer_effect(history, rules.treatment_frac, rules.alpha, rules.target_power)
    return resolve(
        by_customer(metric, covariate, rules.treatment_frac),
        baseline=float(metric.sum()),
        minimum_effect=smallest * history.count,
        alpha=rules.alpha,
        target_power=rules.target_power,
        runs=rules.runs,
        rng=rng,
        variance_reduction_frac=history.correlation**2,
    )


def of_windows(
    facts: Facts, rules: Rules, deals: Deals, slots: Sequence[str], orders: FloatArray, rng: np.random.Generator
) -> Resolution | None:
    """Windows of the weeks before; None without such sales."""
    if facts.past is None:
        return None
    cube = past_cube(facts.past, deals.item, list(slots))
    if cube.sum() <= 0.0:
        return None
    trial = by_window(cube, deals.number, orders)
    return resolved(trial, usual_window_test(cube, deals.number, orders), float(cube[:, :, -1].sum()), rules, rng)


def of_units(facts: Facts, rules: Rules, unit: str, rng: np.random.Generator) -> Resolution | None:
    """Items or groups, by `unit`, over the weeks before; None with fewer than two weeks."""
    if facts.past is None or facts.past["week"].n_unique() < 2:
        return None
    table = items_of(facts.offers).select("item_id", "group").sort("item_id")
    cube = past_cube(facts.past, table["item_id"].to_list(), facts.past["slot_id"].unique().to_list()).sum(axis=1)
    if cube.sum() <= 0.0:
        return None
    names = table["group"] if unit == "group" else table["item_id"]
    weekly = np.zeros((names.n_unique(), cube.shape[1]))
    np.add.at(weekly, np.unique(names, return_inverse=True)[1], cube)
    return resolved(by_unit(weekly), usual_unit_test(weekly, rng), float(weekly[:, -1].sum()), rules, rng)


def resolved(trial: Trial, usual: TotalEffect, baseline: float, rules: Rules, rng: np.random.Generator) -> Resolution:
    """From the error of one usual test, and from simulated ones."""
    return resolve(
        trial,
        baseline=baseline,
        minimum_effect=total_effect(usual, rules.alpha, rules.target_power),
        alpha=rules.alpha,
        target_power=rules.target_power,
        runs=rules.runs,
        rng=rng,
    )


def at_forecast(made: dict[str, Any], facts: Facts, rules: Rules) -> dict[str, Any]:
    """Power at the forecast effect, and what would be needed; errors fall with the root of the units."""
    seen, effect = made["resolution"], facts.expected_effect
    if seen is None or effect is None or effect <= 0.0 or seen.minimum_effect <= 0.0:
        return {}
    upper = float(ndtri(1.0 - rules.alpha / 2.0))
    error = seen.minimum_effect / (upper + float(ndtri(rules.target_power)))
    chance = float(ndtr(effect / error - upper) + ndtr(-effect / error - upper))
    count = needed(made["n_units"], seen.minimum_effect, effect)
    return {"power_at_forecast": chance, "needed": count, "needed_sales": ceil(count / made["n_units"])}
