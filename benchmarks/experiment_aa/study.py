"""All designs, all metrics, all methods: how often a test rejects where nothing differs, and what power is left."""

from __future__ import annotations

import importlib
import pkgutil
from collections import Counter
from collections.abc import Callable
from typing import Protocol, cast

import numpy as np
import polars as pl
from scipy.special import ndtri
from scipy.stats import binom

from benchmarks.experiment_aa import designs
from benchmarks.experiment_aa.customers import COLUMNS, drawn, scores, shop
from benchmarks.experiment_aa.methods import ALPHA, METHODS, NAIVE

__all__ = ["Design", "designs_found", "false_positives", "power"]

TARGETS = (0.56, 0.8)  # power of one look at the end


class Design(Protocol):
    """A file in `designs`."""

    NAME: str

    def measure(self, runs: int, rng: np.random.Generator) -> Counter[tuple[str, str]]:
        """Repeat the A/A test; how many of the runs each method rejects at 5 %: (metric, method) -> runs."""
        ...


def designs_found() -> dict[str, Design]:
    """Every file in `designs`, by file name."""
    names = sorted(found.name for found in pkgutil.iter_modules(designs.__path__))
    return {name: cast(Design, importlib.import_module(f"{designs.__name__}.{name}")) for name in names}


def false_positives(runs: int, *, told: Callable[[str], object]) -> pl.DataFrame:
    """One row per design, metric and method.

    `most` is the share of runs that a test of exactly 5 % exceeds in none of the cells, with 95 % probability
    (binomial, Bonferroni over the cells of sound methods).
    """
    rows = []
    for file, design in designs_found().items():
        told(design.NAME)
        found = design.measure(runs, np.random.default_rng(list(file.encode())))
        rows += [
            {"design": design.NAME, "metric": metric, "method": method, "rejects": count / runs}
            for (metric, method), count in found.items()
        ]
    table = pl.DataFrame(rows).with_columns(sound=~pl.col("method").str.starts_with(NAIVE))
    most = binom.ppf(1.0 - 0.05 / table["sound"].sum(), runs, ALPHA) / runs
    return table.with_columns(most=pl.lit(most), passes=pl.col("rejects") <= most)


def power(runs: int, *, told: Callable[[str], object]) -> pl.DataFrame:
    """One row per metric, size of effect and method: power, and what share of the test's units was needed on average.

    The effect is a constant added to the metric, such that one look at the end finds it with the target probability.
    """
    told("power")
    rng, metrics = np.random.default_rng(7), ("revenue", "conversion")
    found, needed = Counter[tuple[str, float, str]](), Counter[tuple[str, float, str]]()
    for arms in drawn(shop(), COLUMNS, runs=runs, looks=500, batch=40, rng=rng):
        for metric in metrics:
            z, error = scores(arms, metric)
            for target in TARGETS:
                effect = (-ndtri(ALPHA / 2.0) + ndtri(target)) * error[:, -1].mean()
                moved = z + effect / np.where(error > 0.0, error, np.inf)
                for method, rejects in METHODS.items():
                    where = rejects(moved, arms.units)
                    ever = where.any(axis=1)
                    stop = np.where(ever, where.argmax(axis=1), where.shape[1] - 1)
                    found[metric, target, method] += int(ever.sum())
                    needed[metric, target, method] += float((arms.units[stop] / arms.units[-1]).sum())  # type: ignore[assignment]
    rows = [
        {"metric": m, "target": t, "method": how, "power": n / runs, "units_frac": needed[m, t, how] / runs}
        for (m, t, how), n in found.items()
        if not how.startswith(NAIVE) and "one-sided" not in how
    ]
    fixed = pl.col("power").filter(pl.col("method") == "one look at the end").first()
    return pl.DataFrame(rows).with_columns(ratio=pl.col("power") / fixed.over("metric", "target"))
