"""The sample-ratio check of a sound split, at every look."""

from __future__ import annotations

from collections import Counter

import numpy as np
from scipy.special import chdtrc

from benchmarks.experiment_aa.methods import ALPHA, NAIVE
from flashlift.protocols import FloatArray
from flashlift.stats.sequential_ratio import ratio_pvalues

NAME = "sample-ratio check"
LOOKS = 500
BATCH = 80  # units that arrive between two looks
SHARES = {"50 : 50": (0.5, 0.5), "90 : 10": (0.9, 0.1), "three equal arms": (1 / 3, 1 / 3, 1 / 3)}


def measure(runs: int, rng: np.random.Generator) -> Counter[tuple[str, str]]:
    """How many of the sound splits each method accuses: (shares, method) -> runs."""
    accused = Counter[tuple[str, str]]()
    for name, shares in SHARES.items():
        for start in range(0, runs, 500):
            part = min(500, runs - start)
            counts = rng.multinomial(BATCH, shares, size=(part, LOOKS)).cumsum(axis=1).astype(np.float64)
            once = _chi_square(counts, np.array(shares)) < ALPHA
            always = ratio_pvalues(counts, shares, expected_units=float(LOOKS * BATCH))[:, -1] < ALPHA
            accused[name, "one look at the end"] += int(once[:, -1].sum())
            accused[name, NAIVE + "chi-square p < 0.05 at any of 500 looks"] += int(once.any(axis=1).sum())
            accused[name, "sequential, all looks"] += int(always.sum())
    return accused


def _chi_square(counts: FloatArray, shares: FloatArray) -> FloatArray:
    """Pearson's p-value at every look."""
    expected = counts.sum(axis=-1, keepdims=True) * shares
    return np.asarray(chdtrc(len(shares) - 1, ((counts - expected) ** 2 / expected).sum(axis=-1)))
