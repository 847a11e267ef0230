"""From the network's survival curves to calibrated P(order within h), for any h."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashlift.behavior.curves import at_hours
from flashlift.behavior.histories import Histories
from flashlift.behavior.snapshots import HOUR, Snapshots, hours_to_purchase
from flashlift.errors import InputError
from flashlift.protocols import FloatArray
from flashlift.stats.calibration import BetaCalibrator

__all__ = ["Intent", "calibration_snapshots", "check_horizons", "fit_calibrators", "outcomes"]

MIN_OUTCOMES = 20  # of each kind, for a horizon to be calibrated by itself
HALF_LIFE = 0.25  # of a moment's say in the level of the probabilities, as a share of the window

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Calibration of the survival curves at the ends of the hazard bins.

    Args:
        edges: ends of the bins in hours, (K,).
        beta: a, b, c of a beta calibrator, (K, 3); NaN where the window held too few outcomes of one kind.
        base_rate: P(order within the bin's end) of the shop, (K,), for customers without events.
    """

    edges: FloatArray
    beta: FloatArray
    base_rate: FloatArray

    @property
    def calibrated_hours(self) -> tuple[float, float]:
        """First and last horizon that had enough outcomes to be calibrated by itself."""
        fitted = self.edges[~np.isnan(self.beta[:, 0])]
        return float(fitted[0]), float(fitted[-1])

    def probability(
        self, log_survival: FloatArray, known: npt.NDArray[np.bool_], horizons_hours: Sequence[float]
    ) -> FloatArray:
        """P(order within h), (n, n_horizons), from ln survival at the edges (n, K); the base rate where not `known`.

        Raises:
            InputError: a horizon is not in (0, last edge].
        """
        check_horizons(horizons_hours, float(self.edges[-1]))
        curve = np.where(known[:, None], self.curve(log_survival), self.base_rate)
        return at_hours(self.edges, curve, np.asarray(horizons_hours, dtype=np.float64))

    def curve(self, log_survival: FloatArray) -> FloatArray:
        """Calibrated P at the edges, (n, K), rising along a row.

        Below the first and above the last calibrated edge the network's own curve continues it: in proportion
        below, by its conditional survival above.
        """
        raw = -np.expm1(log_survival)
        fitted = np.flatnonzero(~np.isnan(self.beta[:, 0]))
        first, last = fitted[0], fitted[-1]
        curve = np.empty_like(raw)
        for k in fitted:
            a, b, c = self.beta[k]
            curve[:, k] = BetaCalibrator(a=a, b=b, c=c).apply(raw[:, k])
        curve[:, :first] = curve[:, [first]] * raw[:, :first] / np.maximum(raw[:, [first]], 1e-12)
        later = np.exp(log_survival[:, last + 1 :] - log_survival[:, [last]])
        curve[:, last + 1 :] = 1 - (1 - curve[:, [last]]) * later
        return np.maximum.accumulate(curve, axis=1)

    def arrays(self, prefix: str = "intent") -> dict[str, FloatArray]:
        """As arrays to save, their names begin with `prefix`."""
        return {f"{prefix}.{name}": getattr(self, name) for name in self.__dataclass_fields__}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Any], prefix: str = "intent") -> Intent | None:
        """Back from saved arrays; None if there are none."""
        if f"{prefix}.edges" not in arrays:
            return None
        return cls(**{name: arrays[f"{prefix}.{name}"] for name in cls.__dataclass_fields__})


def fit_calibrators(
    edges: FloatArray, log_survival: FloatArray, hours: FloatArray, seen: npt.NDArray[np.bool_], watched: FloatArray
) -> Intent | None:
    """Calibrate each edge on the snapshots that were watched for so long; None where no edge has enough outcomes.

    The shape of a calibrator is told by all of them, its level by the latest ones most, because base rates drift.

    Args:
        edges: ends of the bins in hours, (K,).
        log_survival: predictions of the network, (n, K).
        hours: time to the order or to the end of watching, (n,).
        seen: whether there was an order, (n,).
        watched: hours from snapshot to the end of watching, (n,).
    """
    beta = np.full((len(edges), 3), np.nan)
    for k, edge in enumerate(edges):
        rows = watched >= edge
        outcome = (seen & (hours < edge))[rows].astype(np.float64)
        if min(outcome.sum(), (1 - outcome).sum()) >= MIN_OUTCOMES:
            raw, age = -np.expm1(log_survival[rows, k]), watched[rows] - watched[rows].min()
            weight = 0.5 ** (age / (HALF_LIFE * watched.max()))
            fitted = BetaCalibrator.fit(raw, outcome).leveled(raw, outcome, weight / weight.mean())
            beta[k] = fitted.a, fitted.b, fitted.c
    if np.isnan(beta).all():
        log.warning("No horizon has %d outcomes of each kind to calibrate on: no purchase intent.", MIN_OUTCOMES)
        return None
    blank = Intent(edges=edges, beta=beta, base_rate=np.zeros(len(edges)))
    return Intent(edges=edges, beta=beta, base_rate=blank.curve(log_survival).mean(axis=0))


def calibration_snapshots(
    histories: Histories, start: int, stop: int, *, rng: np.random.Generator, n_times: int = 12, at_most: int = 1000
) -> Snapshots:
    """Cross-sections at `n_times` instants of [start, stop): up to `at_most` customers with events before each."""
    customers, times = [], []
    for instant in start + ((np.arange(n_times) + rng.random(n_times)) / n_times * (stop - start)).astype(np.int64):
        everybody = np.arange(histories.n_customers)
        here = np.flatnonzero(histories.end(everybody, np.full(len(everybody), instant)) > histories.offsets[:-1])
        chosen = here if len(here) <= at_most else np.sort(rng.choice(here, at_most, replace=False))
        customers.append(chosen)
        times.append(np.full(len(chosen), instant))
    return Snapshots(customer=np.concatenate(customers), at=np.concatenate(times))


def outcomes(
    histories: Histories, snapshots: Snapshots, *, until: int
) -> tuple[FloatArray, npt.NDArray[np.bool_], FloatArray]:
    """Hours to the next order or to `until`, whether there was one, and hours watched, (n,) each."""
    hours, seen = hours_to_purchase(histories, snapshots, until=until)
    return hours, seen, (until - snapshots.at) / HOUR


def check_horizons(horizons_hours: Sequence[float], longest: float) -> None:
    """Refuse horizons outside (0, longest].

    Raises:
        InputError: names the horizon.
    """
    for horizon in horizons_hours:
        if not 0 < horizon <= longest:
            raise InputError(
                f"A horizon of {horizon} hours is outside (0, {longest:g}]. Ask for one within that range."
            )
