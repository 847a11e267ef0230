"""Judging whole curves of the time to purchase under censoring, and the curve of everybody: Kaplan and Meier's."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.protocols import FloatArray

__all__ = ["KaplanMeier", "integrated_brier", "median_error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KaplanMeier:
    """The product-limit estimate of P(no event until t) (Kaplan and Meier 1958).

    Args:
        times: at which it falls, rising, (m,).
        survival: from each of the times on, (m,).
    """

    times: FloatArray
    survival: FloatArray

    @classmethod
    def fit(cls, times: FloatArray, seen: npt.NDArray[np.bool_]) -> KaplanMeier:
        """From times to the event or to the end of watching, and whether there was an event, (n,) each."""
        order = np.argsort(times, kind="stable")
        distinct, first = np.unique(times[order], return_index=True)
        events = np.add.reduceat(seen[order].astype(np.float64), first) if len(first) else np.zeros(0)
        at_risk = len(times) - first
        falls = events > 0
        return cls(
            times=distinct[falls], survival=np.cumprod(1.0 - events / np.maximum(at_risk, 1), dtype=np.float64)[falls]
        )

    def at(self, times: FloatArray) -> FloatArray:
        """P(no event until each time), same shape as `times`; after the last event as at it."""
        steps = np.concatenate([[1.0], self.survival])
        result: FloatArray = steps[np.searchsorted(self.times, times, side="right")]
        return result


def integrated_brier(
    curve: FloatArray, grid: FloatArray, hours: FloatArray, seen: npt.NDArray[np.bool_], watched: FloatArray
) -> float:
    """Mean over [0, last time of the grid] of the Brier score of P(event before t), weighted for censoring.

    Each row whose outcome at t is known counts 1 / P(still watched then) (Graf et al. 1999, equation 5). When the watch
    ends is known of every row, so that probability is the share of rows watched for longer.

    Args:
        curve: P(event before each time), (n, m).
        grid: rising times in hours, above 0, (m,).
        hours: to the event or to the end of watching, (n,).
        seen: whether there was an event, (n,).
        watched: hours watched, (n,).
    """
    still = 1 - np.searchsorted(np.sort(watched), np.column_stack([np.minimum(hours, watched)]), side="left") / len(
        hours
    )
    later = 1 - np.searchsorted(np.sort(watched), grid, side="left") / len(hours)  # share watched for t or longer
    had = seen[:, None] & (hours[:, None] < grid)
    not_yet = ~had & (watched[:, None] >= grid)
    weight = np.where(had, 1 / np.maximum(still, 1e-12), not_yet / np.maximum(later, 1e-12))
    scores = (weight * (had - curve) ** 2).mean(axis=0)
    points, values = np.concatenate([[0.0], grid]), np.concatenate([[0.0], scores])
    return float(np.trapezoid(values, points) / grid[-1])


def median_error(curve: FloatArray, grid: FloatArray, hours: FloatArray, seen: npt.NDArray[np.bool_]) -> float | None:
    """Median of |predicted - true| hours to the event, over those who had it before the last time of the grid.

    The prediction is the median of the time given that it comes before the last time of the grid: where the curve
    reaches half of its last value. None where nobody had it.
    """
    rows = seen & (hours < grid[-1])
    if not rows.any():
        return None
    share = curve[rows] / np.maximum(curve[rows, -1:], 1e-12)
    share = np.concatenate([np.zeros((len(share), 1)), share], axis=1)
    points = np.concatenate([[0.0], grid])
    right = np.argmax(share >= 0.5, axis=1)
    one = np.arange(len(share))
    rise = np.maximum(share[one, right] - share[one, right - 1], 1e-12)
    part = np.clip((0.5 - share[one, right - 1]) / rise, 0.0, 1.0)
    told = points[right - 1] + part * (points[right] - points[right - 1])
    return float(np.median(np.abs(told - hours[rows])))
