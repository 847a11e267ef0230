"""Customers are split as they arrive; revenue, revenue with CUPED, conversion, orders per visit; two populations."""

from __future__ import annotations

from collections import Counter

import numpy as np

from benchmarks.experiment_aa.customers import COLUMNS, drawn, online_retail, scores, shop
from benchmarks.experiment_aa.methods import METHODS

NAME = "customer split"
LOOKS = 500
BATCH = 40  # customers that join each arm between two looks


def measure(runs: int, rng: np.random.Generator) -> Counter[tuple[str, str]]:
    """How many of the A/A runs each method rejects: (metric, method) -> runs."""
    money = ("revenue", "revenue, CUPED")
    settings = [
        (shop(), COLUMNS, (*money, "conversion", "orders per visit"), ""),
        (online_retail(), COLUMNS[:5], money, ", Online Retail"),
    ]
    rejected = Counter[tuple[str, str]]()
    for people, names, metrics, where in settings:
        for arms in drawn(people, names, runs=runs, looks=LOOKS, batch=BATCH, rng=rng):
            for metric in metrics:
                z, _ = scores(arms, metric)
                for method, rejects in METHODS.items():
                    rejected[metric + where, method] += int(rejects(z, arms.units).any(axis=1).sum())
    return rejected
