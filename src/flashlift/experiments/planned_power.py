"""How small an effect a test would see: by formula, and by running the test again and again on the shop's own past."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
import polars as pl
from scipy.special import stdtrit

from flashlift.experiments.paired_units import pair_by_size
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.comparison import compare
from flashlift.stats.moments import Moments
from flashlift.stats.power import minimum_detectable_effect
from flashlift.stats.totals import TotalEffect, split_total, within_total

__all__ = [
    "Resolution",
    "Trial",
    "by_customer",
    "by_unit",
    "by_window",
    "customer_effect",
    "needed",
    "past_cube",
    "resolve",
    "simulated",
    "total_effect",
    "usual_unit_test",
    "usual_window_test",
]

Trial = Callable[[float, np.random.Generator], float]
"""(lift, rng) -> p-value of one test on resampled history whose treatment sells (1 + lift) times as much."""

_STEPS = (0.5, 0.75, 1.0, 1.5, 2.0, 3.0)  # simulated lifts, as multiples of what the formula says


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolution:
    """What a test can see.

    Args:
        baseline: usual total of the metric over all units.
        minimum_effect: smallest effect on that total which is detected with the target power, by formula.
        minimum_effect_frac: the same as a share of the baseline; None where that is not positive.
        simulated_effect_frac: the same from simulated tests; None where none of those simulated was large enough.
        simulated_alpha: share of simulated tests that reject where nothing differs.
        power: simulated lift -> share of tests that reject.
        variance_reduction_frac: share of the metric's variance that the customer's past explains (CUPED).
    """

    baseline: float
    minimum_effect: float
    minimum_effect_frac: float | None
    simulated_effect_frac: float | None = None
    simulated_alpha: float | None = None
    power: dict[float, float] | None = None
    variance_reduction_frac: float = 0.0


def by_customer(metric: FloatArray, covariate: FloatArray, treatment_frac: float) -> Trial:
    """Customers resampled with replacement, split by lot, compared with CUPED."""
    n = len(metric)
    cut = min(max(round(n * treatment_frac), 2), n - 2) if n >= 4 else 1

    def trial(lift: float, rng: np.random.Generator) -> float:
        who = rng.integers(n, size=n)  # independent draws, so the first of them are a sample by lot
        y, x = metric[who], covariate[who]
        treated, control = Moments.of(y[:cut] * (1.0 + lift), x[:cut]), Moments.of(y[cut:], x[cut:])
        return 1.0 if treated.m2[0, 0] + control.m2[0, 0] == 0.0 else compare(control, treated).pvalue

    return trial


def by_window(cube: FloatArray, group: IntArray, orders: FloatArray) -> Trial:
    """One past week of resampled substitution groups, its windows in an order drawn by lot.

    Args:
        cube: metric of each item, window and week, (n, n_slots, n_weeks).
        group: substitution group of each item, from 0 on, (n,).
        orders: orders of the windows, (n_orders, n_slots).
    """
    blocks = np.zeros((int(group.max()) + 1, *cube.shape[1:]))
    np.add.at(blocks, group, cube)
    forecast = np.maximum(blocks.mean(axis=2), 0.0).sum(axis=0)
    size = _positive(blocks.mean(axis=(1, 2)))

    def trial(lift: float, rng: np.random.Generator) -> float:
        which = rng.integers(len(blocks), size=len(blocks))
        week = blocks[which, :, rng.integers(cube.shape[2])]
        order = orders[rng.integers(len(orders))]
        share = float(forecast @ order / forecast.sum())
        treatment, control = week @ order * (1.0 + lift) / share, week @ (1.0 - order) / (1.0 - share)
        return within_total(treatment, control, size[which]).pvalue

    return trial


def by_unit(weekly: FloatArray) -> Trial:
    """Units resampled with replacement, paired by their usual size, one past week as the outcome.

    Args:
        weekly: metric of each unit and week, (n, n_weeks), at least 2 weeks.
    """
    n_weeks = weekly.shape[1]

    def trial(lift: float, rng: np.random.Generator) -> float:
        which, week = rng.integers(len(weekly), size=len(weekly)), rng.integers(n_weeks)
        size = _positive(np.delete(weekly, week, axis=1).mean(axis=1))[which]
        treated = pair_by_size(size, rng=rng)
        return split_total(weekly[which, week] * (1.0 + lift * treated), size, treated).pvalue

    return trial


def simulated(
    trial: Trial, lifts: tuple[float, ...], runs: int, *, alpha: float, rng: np.random.Generator
) -> dict[float, float]:
    """Share of `runs` simulated tests that reject, by lift; the same function for every design."""
    return {lift: float(np.mean([trial(lift, rng) < alpha for _ in range(runs)])) for lift in lifts}


def resolve(
    trial: Trial,
    *,
    baseline: float,
    minimum_effect: float,
    alpha: float,
    target_power: float,
    runs: int,
    rng: np.random.Generator,
    variance_reduction_frac: float = 0.0,
) -> Resolution:
    """Beside what the formula says, what simulated tests around it say."""
    frac = minimum_effect / baseline if baseline > 0.0 else None
    if frac is None or runs < 1:
        return Resolution(
            baseline=baseline,
            minimum_effect=minimum_effect,
            minimum_effect_frac=frac,
            variance_reduction_frac=variance_reduction_frac,
        )
    found = simulated(trial, (0.0, *(step * frac for step in _STEPS)), runs, alpha=alpha, rng=rng)
    lifts, power = np.array(list(found)), np.maximum.accumulate(np.array(list(found.values())))
    enough = np.flatnonzero(power >= target_power)
    at = None
    if len(enough) and enough[0] > 0:
        k = enough[0]
        at = float(np.interp(target_power, power[k - 1 : k + 1], lifts[k - 1 : k + 1]))
    return Resolution(
        baseline=baseline,
        minimum_effect=minimum_effect,
        minimum_effect_frac=frac,
        simulated_effect_frac=at,
        simulated_alpha=found[0.0],
        power=found,
        variance_reduction_frac=variance_reduction_frac,
    )


def customer_effect(history: Moments, treatment_frac: float, alpha: float, target_power: float) -> float:
    """Smallest difference per customer that a split detects, by formula."""
    n_treatment = history.count * treatment_frac
    return minimum_detectable_effect(
        std=sqrt(history.var * (1.0 - history.correlation**2)),
        n_control=history.count - n_treatment,
        n_treatment=n_treatment,
        alpha=alpha,
        target_power=target_power,
    )


def total_effect(found: TotalEffect, alpha: float, target_power: float) -> float:
    """Smallest effect on a total that is detected, from the error of one test in which nothing differed."""
    degrees = min(found.degrees, 1e6)
    return float(stdtrit(degrees, 1.0 - alpha / 2.0) + stdtrit(degrees, target_power)) * found.std_error


def usual_window_test(cube: FloatArray, group: IntArray, orders: FloatArray) -> TotalEffect:
    """A switchback on the last week, in the first of its orders."""
    sums = np.stack([np.bincount(group, cube[:, s, -1]) for s in range(cube.shape[1])], axis=1)
    forecast, order = np.maximum(cube.mean(axis=2), 0.0).sum(axis=0), orders[0]
    share = float(forecast @ order / forecast.sum())
    size = _positive(np.bincount(group, cube.mean(axis=(1, 2))).astype(np.float64))
    return within_total(sums @ order / share, sums @ (1.0 - order) / (1.0 - share), size)


def usual_unit_test(weekly: FloatArray, rng: np.random.Generator) -> TotalEffect:
    """A paired test on the last week, sizes from the weeks before."""
    size = _positive(weekly[:, :-1].mean(axis=1))
    return split_total(weekly[:, -1], size, pair_by_size(size, rng=rng))


def needed(available: int, detectable: float, effect: float) -> int:
    """Units that would detect `effect`, where `available` ones detect `detectable`: errors fall with their root."""
    return ceil(available * (detectable / effect) ** 2)


def past_cube(past: pl.DataFrame, items: list[str], slots: list[str]) -> FloatArray:
    """`window_history` as (n_items, n_slots, n_weeks); what is absent sold nothing."""
    weeks = sorted(past["week"].unique())
    cube = np.zeros((len(items), len(slots), len(weeks)))
    row, column = {one: k for k, one in enumerate(items)}, {one: k for k, one in enumerate(slots)}
    layer = {one: k for k, one in enumerate(weeks)}
    for item, slot, week, metric in past.select("item_id", "slot_id", "week", "metric").iter_rows():
        if item in row and slot in column:
            cube[row[item], column[slot], layer[week]] += metric
    return cube


def _positive(size: FloatArray) -> FloatArray:
    """Sizes, at least a hundredth of their mean: what sold nothing of late may yet sell."""
    return np.maximum(size, max(0.01 * float(size.mean()), 1e-9))
