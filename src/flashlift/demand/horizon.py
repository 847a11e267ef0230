"""Expected units without a sale in each slot, and around the slots up to the end of the account's horizon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.demand.baseline import Baseline
from flashlift.demand.profile import HourProfile, by_day
from flashlift.demand.state import State
from flashlift.domain import Slot
from flashlift.protocols import FloatArray

__all__ = ["Horizon", "look_ahead", "week_ahead"]


_LEAN_FADE_DAYS = 20.0  # over which a correction by expected traffic fades after its week


@dataclass(frozen=True, slots=True, kw_only=True)
class Horizon:
    """Expected units of n items from the first slot's start to 28 days after the last end.

    Args:
        slot_units: in each slot, (n, S).
        rest_units: outside the slots, (n,).
        in_horizon: slots that are parts of the horizon; of overlapping slots only the first, (S,).
        units_28: in 28 average days of it, (n,).
    """

    slot_units: FloatArray
    rest_units: FloatArray
    in_horizon: npt.NDArray[np.bool_]
    units_28: FloatArray


def look_ahead(
    baseline: Baseline,
    state: State,
    profile: HourProfile,
    slots: Sequence[Slot],
    *,
    origin_day: int,
    longest: int,
    lean: FloatArray | None = None,
) -> Horizon:
    """Forecast the slots and the days around them.

    Args:
        baseline: units of a day without a sale.
        state: what is known of the n items at the start of `origin_day`.
        profile: the hours of a day.
        slots: at least one, none before `origin_day`.
        origin_day: first day that is not known, in days since 1970-01-01 (UTC).
        longest: longest horizon that the baseline was trained for, in days.
        lean: log change of the first week by expected traffic, which fades afterwards, (n,); None: none.
    """
    windows = pl.DataFrame(
        {
            "start": [min(s.start for s in slots), *(s.start for s in slots)],
            "end": [max(s.end for s in slots) + timedelta(days=HORIZON_DAYS), *(s.end for s in slots)],
        },
        schema={"start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")},
    )
    cut = by_day(windows, profile)
    window, day, part = (cut[name].to_numpy() for name in ("window", "day", "share"))
    first = int(day.min())
    daily = _daily(baseline, state, origin_day, longest, np.arange(first, int(day.max()) + 1), lean)
    share = np.zeros((len(windows), daily.shape[1]))
    np.add.at(share, (window, day - first), part)
    in_horizon = _disjoint(slots)
    rest_share = np.maximum(share[0] - share[1:][in_horizon].sum(0), 0.0)
    return Horizon(
        slot_units=daily @ share[1:].T,
        rest_units=daily @ rest_share,
        in_horizon=in_horizon,
        units_28=daily.mean(1) * 28,
    )


def week_ahead(baseline: Baseline, state: State, origin_day: int) -> FloatArray:
    """Expected units in the seven days from `origin_day` on, (n,)."""
    return np.asarray(_daily(baseline, state, origin_day, 7, origin_day + np.arange(7), None).sum(1))


def _daily(
    baseline: Baseline,
    state: State,
    origin_day: int,
    longest: int,
    days: npt.NDArray[np.int64],
    lean: FloatArray | None,
) -> FloatArray:
    """Expected units on each of `days` (since 1970-01-01), (n, n_days)."""
    out = np.empty((len(state.days), len(days)))
    for k, ahead in enumerate(days - origin_day + 1):
        # Beyond the longest trained horizon the weekday and season still move; the horizon stands still.
        horizon = min(ahead, longest)
        origin = np.full(len(out), origin_day + ahead - horizon)
        out[:, k] = baseline.predict(state, origin, np.full(len(out), horizon))
        if lean is not None:
            out[:, k] *= np.exp(lean * np.exp(-max(ahead - 7, 0) / _LEAN_FADE_DAYS))
    return out


def _disjoint(slots: Sequence[Slot]) -> npt.NDArray[np.bool_]:
    """Slots in order of start that do not overlap a slot already taken."""
    taken = np.zeros(len(slots), dtype=bool)
    end: datetime | None = None
    for k in sorted(range(len(slots)), key=lambda k: (slots[k].start, slots[k].end)):
        if end is None or slots[k].start >= end:
            taken[k], end = True, slots[k].end
    return taken
