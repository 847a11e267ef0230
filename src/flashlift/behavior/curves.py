"""Curves of P(an order begins within h), told at some hours; between them the hazard is constant."""

from __future__ import annotations

import numpy as np

from flashlift.protocols import FloatArray

__all__ = ["at_hours", "log_survival", "rising"]

TINY = 1e-12


def log_survival(curve: FloatArray) -> FloatArray:
    """Ln P(no order yet), of the shape of P(order), kept finite where an order is certain."""
    result: FloatArray = np.log1p(-np.minimum(curve, 1 - TINY))
    return result


def at_hours(edges: FloatArray, curve: FloatArray, hours: FloatArray) -> FloatArray:
    """P at any hours, (n, H), from P at the edges, (n, K): the hazard is constant between them and from 0 to the first.

    Beyond the last edge it is the mean hazard up to there.

    Args:
        edges: hours above 0, rising, (K,).
        curve: P at the edges, (n, K).
        hours: above 0, (H,).
    """
    logs = np.concatenate([np.zeros((len(curve), 1)), log_survival(curve)], axis=1)
    grid = np.concatenate([[0.0], edges])
    right = np.clip(np.searchsorted(grid, hours, side="left"), 1, len(grid) - 1)
    left = np.where(hours > grid[-1], 0, right - 1)
    weight = (hours - grid[left]) / (grid[right] - grid[left])
    result: FloatArray = -np.expm1(logs[:, left] * (1 - weight) + logs[:, right] * weight)
    return result


def rising(curve: FloatArray) -> FloatArray:
    """The curve made to rise from edge to edge, (n, K)."""
    result: FloatArray = np.maximum.accumulate(np.clip(curve, 0.0, 1.0), axis=1)
    return result
