"""Whether the year before is believed: only where forecasts that are blind to it get better."""

from __future__ import annotations

import logging

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy

from flashlift.demand.baseline import Rows, poisson_regression
from flashlift.demand.calendar import N_YEAR_AGO
from flashlift.demand.season import KNOWN
from flashlift.protocols import FloatArray

__all__ = ["if_the_season_helps"]

log = logging.getLogger(__name__)

_SIGNIFICANT, _BLOCKS, _SPAN = 1.645, 4, 28


def if_the_season_helps(rows: Rows) -> Rows:
    """The rows as they are if the year before makes forecasts better, else the same rows without it.

    Days with a year behind them are cut into four blocks. The linear part is fitted with and without the season on all
    other days, and its deviance on the block must fall significantly over spans of four weeks (one-sided, 5 %): all
    items share their accidents, which last for weeks.
    """
    if rows.calendar.season is None:
        return rows
    without = rows.without_season()
    known = rows.features[:, -N_YEAR_AGO + KNOWN] > 0
    first, last = rows.day[known].min(initial=0), rows.day[known].max(initial=0)
    block = np.where(known, (rows.day - first) * _BLOCKS // (last - first + 1), -1)
    gain = np.zeros(rows.day.max() // _SPAN + 1)
    for k in range(_BLOCKS):
        held, rest = block == k, block != k
        gain += _deviance(without, rest, held, len(gain)) - _deviance(rows, rest, held, len(gain))
    gain = gain[np.unique(rows.day[known] // _SPAN)]
    helps = gain.mean() > _SIGNIFICANT * gain.std() / np.sqrt(len(gain))
    log.info("The year before changes the deviance of four weeks by %.4g (%.2g).", -gain.mean(), gain.std())
    return rows if helps else without


def _deviance(rows: Rows, fitted: npt.NDArray[np.bool_], held: npt.NDArray[np.bool_], n_spans: int) -> FloatArray:
    """Poisson deviance by span of `held` rows under the linear part of the `fitted` ones, (n_spans,)."""
    told = rows.where(held)
    log_rate = told.offset + told.design @ poisson_regression(rows.where(fitted))
    mean = told.exposure * np.exp(np.clip(log_rate, -20.0, 20.0))
    deviance = 2.0 * (xlogy(told.units, told.units / mean) - told.units + mean) / told.lump
    return np.bincount(told.day // _SPAN, deviance, n_spans).astype(np.float64)
