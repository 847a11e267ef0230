"""Units missing or gained elsewhere per extra unit of a sale, from past sales, shrunk to what is known of others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri

from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.jackknife import two_way_jackknife

__all__ = ["MovedShare", "Prior", "StudiedSales", "measure_gained", "measure_missing"]

_UPPER = 0.9
_FEWEST = 10
_LEVEL_NOISE = 0.15  # relative variance of units around a forecast, for the weights only


@dataclass(frozen=True, slots=True, kw_only=True)
class StudiedSales:
    """Past sales whose effects elsewhere are studied, (n,).

    Args:
        item: item number.
        origin: first day of the panel.
        last: last day.
        extra: units that the sale is expected to have added.
    """

    item: IntArray
    origin: IntArray
    last: IntArray
    extra: FloatArray

    @property
    def week(self) -> IntArray:
        """Week of the panel in which each begins."""
        return np.asarray(self.origin // 7)


@dataclass(frozen=True, slots=True, kw_only=True)
class Prior:
    """What is known before looking: mean and standard deviation of the share."""

    mean: float
    sd: float


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedShare:
    """Share of the extra units of a sale that is missing, or gained, elsewhere: normal, cut to [0, 0.9].

    Args:
        share: mean of the normal, in [0, 0.9].
        share_sd: its standard deviation.
        measured: estimate of the log alone, before what is known of other shops, any number; None where it tells none.
        measured_sd: its standard error.
    """

    share: float
    share_sd: float
    measured: float | None = None
    measured_sd: float | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """90 % interval of the log alone; below 0, sales would seem to do the opposite elsewhere."""
        if self.measured is None or self.measured_sd is None:
            return None
        reach = float(ndtri(0.95)) * self.measured_sd
        return self.measured - reach, self.measured + reach

    def draw(self, n_draws: int, rng: np.random.Generator) -> FloatArray:
        """Shares, (n_draws,), in [0, 0.9]."""
        low, high = self._tails()
        return np.asarray(self.share + self.share_sd * ndtri(low + (high - low) * rng.random(n_draws)))

    @property
    def mean(self) -> float:
        """Mean of the cut normal."""
        low, high = self._tails()
        edges = (np.array([0.0, _UPPER]) - self.share) / self.share_sd
        density = np.exp(-0.5 * edges**2) / np.sqrt(2 * np.pi)
        return float(self.share + self.share_sd * (density[0] - density[1]) / (high - low))

    def _tails(self) -> tuple[float, float]:
        low, high = ndtr((np.array([0.0, _UPPER]) - self.share) / self.share_sd)
        return float(low), float(high)


def measure_missing(
    actual: FloatArray,
    variance: FloatArray,
    expected: FloatArray,
    extra: FloatArray,
    cluster: IntArray,
    week: IntArray,
    prior: Prior,
) -> MovedShare:
    """Weighted least squares of actual = c * expected - share * extra, one row per past sale.

    The factor c absorbs what the rows have in common (promoted items are in a weak state of demand, and recover). Rows
    of one cluster share its errors, and rows of one week those of the shop (`two_way_jackknife`). The estimate is
    combined with the prior by precision and cut to [0, 0.9]. Less than 10 rows tell nothing, and the prior is returned.

    Args:
        actual: units counted, (n,).
        variance: variance of counting them, (n,).
        expected: units expected without the sale, from forecasts and from what the days brought to twins, (n,).
        extra: extra units of the sale, as far as what they cost could have been seen in `actual`, (n,).
        cluster: number of the item or group that the row belongs to, (n,).
        week: number of its week, (n,).
        prior: what is known before.
    """
    return _measure(actual, variance, expected, -extra, cluster, week, prior)


def measure_gained(
    actual: FloatArray,
    variance: FloatArray,
    expected: FloatArray,
    extra: FloatArray,
    cluster: IntArray,
    week: IntArray,
    prior: Prior,
) -> MovedShare:
    """As `measure_missing`, of units that an extra unit brings: actual = c * expected + share * extra."""
    return _measure(actual, variance, expected, extra, cluster, week, prior)


def _measure(
    actual: FloatArray,
    variance: FloatArray,
    expected: FloatArray,
    extra: FloatArray,
    cluster: IntArray,
    week: IntArray,
    prior: Prior,
) -> MovedShare:
    keep = (expected > 0) & (extra != 0)
    if keep.sum() < _FEWEST:
        return MovedShare(share=prior.mean, share_sd=prior.sd)
    actual, variance, expected, extra = (a[keep] for a in (actual, variance, expected, extra))
    weight = 1.0 / (variance + _LEVEL_NOISE * expected**2)
    design = np.column_stack([expected, extra])
    solution, variances = two_way_jackknife(design, weight, actual, cluster[keep], week[keep])
    noise = max(float(variances[1]), 1e-9)
    precision = 1.0 / prior.sd**2 + 1.0 / noise
    mean = (prior.mean / prior.sd**2 + solution[1] / noise) / precision
    return MovedShare(
        share=float(np.clip(mean, 0.0, _UPPER)),
        share_sd=float(precision**-0.5),
        measured=float(solution[1]),
        measured_sd=float(noise**0.5),
    )
