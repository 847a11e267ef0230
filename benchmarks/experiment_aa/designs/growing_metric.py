"""Customers who go on buying after they joined, the same ones more than others: what is information then?"""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.special import ndtri

from benchmarks.experiment_aa.methods import ALPHA, NAIVE, crossed
from flashlift.protocols import FloatArray
from flashlift.stats.confidence_sequence import ConfidenceSequence
from flashlift.stats.group_sequential import boundary

NAME = "metric that goes on growing"
LOOKS = 20
CUSTOMERS = 800  # per arm


def measure(runs: int, rng: np.random.Generator) -> Counter[tuple[str, str]]:
    """How many of the A/A runs each method rejects: (how customers join, method) -> runs."""
    loyal, alike = (_paths(20_000, kind, np.random.default_rng(0)) for kind in (True, False))
    settings = [
        ("join all the time", loyal, LOOKS),
        ("join all the time, all alike", alike, LOOKS),
        ("all there from the start", loyal, 1),
    ]
    rejected = Counter[tuple[str, str]]()
    for name, paths, entries in settings:
        methods = _methods(paths, entries)
        for start in range(0, runs, 100):
            z = _scores(paths, entries, min(100, runs - start), rng)
            for method, critical in methods.items():
                rejected[f"revenue, customers {name}", method] += int(crossed(z, critical).any(axis=1).sum())
    return rejected


def _paths(n: int, loyal: bool, rng: np.random.Generator) -> FloatArray:
    """Revenue of n customers until each age, (n, LOOKS); loyal ones buy again and again, others by chance."""
    rate = rng.gamma(0.5, 0.6, n) if loyal else np.full(n, 0.3)
    return np.asarray((rng.poisson(rate[:, None], (n, LOOKS)) * rng.lognormal(0.0, 0.8, (n, LOOKS))).cumsum(axis=1))


def _scores(paths: FloatArray, entries: int, runs: int, rng: np.random.Generator) -> FloatArray:
    """The z of the difference of means at every look, (runs, looks); customers join at random in `entries` looks."""
    who, joined = (rng.integers(many, size=(2, runs, CUSTOMERS)) for many in (len(paths), entries))
    z = np.empty((runs, LOOKS))
    for look in range(LOOKS):
        here = joined <= look
        bought = np.where(here, paths[who, np.maximum(look - joined, 0)], 0.0)
        n = np.maximum(here.sum(axis=-1), 2)
        mean = bought.sum(axis=-1) / n
        var = ((bought**2).sum(axis=-1) - n * mean**2) / (n - 1)
        error = np.sqrt((var / n).sum(axis=0))
        z[:, look] = (mean[1] - mean[0]) / np.where(error > 0.0, error, np.inf)  # nobody has bought yet: 0
    return z


def _methods(paths: FloatArray, entries: int) -> dict[str, FloatArray]:
    """Method -> critical value at each look."""
    mean, square = paths.mean(axis=0), (paths**2).mean(axis=0)
    ages = [look - np.arange(min(look + 1, entries)) for look in range(LOOKS)]
    units = np.array([len(age) / entries for age in ages])
    total = np.array([n * (square[age].mean() - mean[age].mean() ** 2) for n, age in zip(units, ages, strict=True)])
    usual, last = float(-ndtri(ALPHA / 2.0)), np.arange(LOOKS) == LOOKS - 1
    sequence = ConfidenceSequence(alpha=ALPHA).critical(total / total[-1])
    methods = {
        "one look at the end": np.where(last, usual, np.inf),
        NAIVE + "p < 0.05 at any of 20 looks": np.full(LOOKS, usual),
        "group-sequential, by variance of totals": _boundary(total),
        "confidence sequence, by variance of totals": sequence,
    }
    if entries > 1:
        methods[NAIVE + "group-sequential, by units"] = _boundary(units)
    return methods


def _boundary(information: FloatArray) -> FloatArray:
    return np.array(boundary(information, planned=information[-1], alpha=ALPHA).critical)
