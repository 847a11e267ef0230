"""One level and one slope of many windows against their baseline, with errors that hold when windows share shocks.

    log E[units] = log expected + level + slope * (x - x0)

by quasi negative binomial. Windows of one item share its errors and windows of one week
share the shop's, so the covariance is the sandwich clustered both ways (Cameron, Gelbach and Miller, "Robust inference
with multiway clustering", JBES 2011, eq. 2.11), with Student's t on the smaller number of clusters.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import t as student

from flashlift.demand.counts import fit_counts
from flashlift.demand.windows import Windows
from flashlift.domain import Estimate
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.sandwich import two_way_covariance

__all__ = ["PooledEffect", "pooled_effect"]

_COVERAGE = 0.9
_FEWEST_WINDOWS, _FEWEST_CLUSTERS, _FEWEST_UNITS = 30, 6, 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledEffect:
    """The fit.

    Args:
        coefficients: level at x0 and slope, both of log units, (2,), or the level alone where x is the same everywhere.
        covariance: of the coefficients.
        clusters: the smaller number of clusters.
        n: windows.
    """

    coefficients: FloatArray
    covariance: FloatArray
    clusters: int
    n: int

    @property
    def level(self) -> Estimate:
        """Relative change of units against the baseline at x0, with its 90 % interval."""
        return self._change(0, 1.0)

    def slope(self, step: float) -> Estimate | None:
        """Relative change of units for `step` more of x, with its 90 % interval; None where x never differs."""
        return self._change(1, step) if len(self.coefficients) > 1 else None

    def _change(self, which: int, step: float) -> Estimate:
        sd = float(np.sqrt(self.covariance[which, which]))
        reach = float(student.ppf(0.5 + 0.5 * _COVERAGE, self.clusters - 1)) * sd
        edges = step * (float(self.coefficients[which]) + reach * np.array([-1.0, 0.0, 1.0]))
        low, value, high = np.expm1(edges)
        return Estimate(value=float(value), ci_lower=float(low), ci_upper=float(high), level=_COVERAGE)


def pooled_effect(windows: Windows, x0: float) -> PooledEffect | None:
    """Fit; None where there are fewer than 30 windows or units, or fewer than 6 items or weeks."""
    items, weeks = _numbers(windows.item), _numbers(windows.first // 7)
    clusters = min(items.max(initial=-1), weeks.max(initial=-1)) + 1
    few = len(windows.item) < _FEWEST_WINDOWS or clusters < _FEWEST_CLUSTERS or windows.units.sum() < _FEWEST_UNITS
    if few:
        return None
    y, offset = windows.units / windows.lump, np.log(windows.expected / windows.lump)
    design = np.column_stack([np.ones_like(windows.x), windows.x - x0])
    design = design if np.ptp(windows.x) > 1e-3 else design[:, :1]
    fit = fit_counts(y, offset, design)
    bread = np.asarray(np.linalg.inv((design * fit.weight[:, None]).T @ design), dtype=np.float64)
    score = design * (fit.weight * (y / fit.mean - 1.0))[:, None]
    covariance = two_way_covariance(bread, score, items, weeks)
    return PooledEffect(coefficients=fit.coefficients, covariance=covariance, clusters=int(clusters), n=len(y))


def _numbers(labels: IntArray) -> IntArray:
    return np.unique(labels, return_inverse=True)[1].astype(np.int64)
