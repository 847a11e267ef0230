"""Public holidays as columns of a design: the days themselves, and the days before and after them."""

from __future__ import annotations

import numpy as np

from flashlift.protocols import FloatArray, IntArray

__all__ = ["N_FEASTS", "feasts"]

N_FEASTS = 3


def feasts(day: IntArray, holiday: IntArray) -> FloatArray:
    """1 on a holiday, on the day after one, and on the day before one, (n, 3).

    A day is marked once, by the first of these that holds.

    Args:
        day: in days since 1970-01-01, (n,).
        holiday: sorted days of holidays.
    """
    place = np.searchsorted(holiday, day)
    padded = np.concatenate([[np.iinfo(np.int64).min // 2], holiday, [np.iinfo(np.int64).max // 2]])
    ahead, behind = padded[place + 1] - day, day - padded[place]
    marks = [ahead == 0, behind == 1, ahead == 1]
    out = np.zeros((len(day), N_FEASTS))
    out[np.arange(len(day)), np.argmax(marks, axis=0)] = np.any(marks, axis=0)
    return out
