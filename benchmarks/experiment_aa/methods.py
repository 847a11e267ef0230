"""Ways to look at one test: from z statistics at many looks to whether it ever rejects."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from flashlift.protocols import FloatArray
from flashlift.stats.confidence_sequence import FEWEST_UNITS, ConfidenceSequence
from flashlift.stats.group_sequential import boundary

__all__ = ["ALPHA", "METHODS", "NAIVE", "Rejects", "crossed"]

ALPHA = 0.05
NAIVE = "naive: "  # methods that begin so are the contrast that fails

Rejects = npt.NDArray[np.bool_]


def crossed(z: FloatArray, critical: FloatArray, *, one_sided: bool = False) -> Rejects:
    """At which looks each run is beyond its critical value, both (runs, looks)."""
    return np.asarray((z if one_sided else np.abs(z)) >= critical)


def _fixed(z: FloatArray, units: FloatArray) -> Rejects:
    last = np.arange(z.shape[1]) == z.shape[1] - 1
    return crossed(z, np.where(last, -ndtri(ALPHA / 2.0), np.inf))


def _peeking(z: FloatArray, units: FloatArray) -> Rejects:
    return crossed(z, np.where(_every(z.shape[1], 20), -ndtri(ALPHA / 2.0), np.inf))


def _group_sequential(looks: int) -> Callable[[FloatArray, FloatArray], Rejects]:
    def ever(z: FloatArray, units: FloatArray) -> Rejects:
        taken = _every(z.shape[1], looks)
        critical = np.full(z.shape[1], np.inf)
        critical[taken] = boundary(units[taken], planned=units[-1], alpha=ALPHA).critical
        return crossed(z, critical)

    return ever


def _sequence(one_sided: bool) -> Callable[[FloatArray, FloatArray], Rejects]:
    def ever(z: FloatArray, units: FloatArray) -> Rejects:
        critical = ConfidenceSequence(alpha=ALPHA, one_sided=one_sided).critical(units / units[-1])
        return crossed(z, np.where(units >= FEWEST_UNITS, critical, np.inf), one_sided=one_sided)

    return ever


def _every(have: int, looks: int) -> Rejects:
    """`looks` equally spaced ones of those there are."""
    taken = np.zeros(have, dtype=bool)
    taken[np.arange(1, looks + 1) * have // looks - 1] = True
    return taken


METHODS: dict[str, Callable[[FloatArray, FloatArray], Rejects]] = {
    "one look at the end": _fixed,
    NAIVE + "p < 0.05 at any of 20 looks": _peeking,
    "group-sequential, 5 looks": _group_sequential(5),
    "group-sequential, 20 looks": _group_sequential(20),
    "confidence sequence, all looks": _sequence(one_sided=False),
    "one-sided confidence sequence, all looks": _sequence(one_sided=True),
}
"""Name -> from z (runs, looks) and units per arm (looks,) to where each run rejects, (runs, looks)."""
