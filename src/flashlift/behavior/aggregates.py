"""Hand-made aggregates of a history as of a moment: what trees and regressions read instead of the sequence."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flashlift.behavior.histories import Histories
from flashlift.behavior.snapshots import HOUR, Snapshots
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import EVENT_KINDS

__all__ = ["AGGREGATES", "aggregates"]

DAY = 24 * HOUR
WINDOW_DAYS = (1, 7, 30, 90)
KINDS = (("view", "click"), ("favorite",), ("cart",), ("purchase",), ("uncart", "refund"))
NAMES = ("view", "favorite", "cart", "purchase", "takeback")
LAST_GAPS = 3
WEEKS = 8
AHEAD_DAYS = (1, 3, 7)
MOST = 1e6  # hours that stand for "never"

AGGREGATES: tuple[str, ...] = (
    "hours_since_event", "hours_since_first_event", "hours_since_order", "hours_since_first_order",
    *(f"hours_since_{name}" for name in NAMES),
    *(f"{name}_{days}d" for name in NAMES for days in WINDOW_DAYS),
    *(f"{name}_since_order" for name in NAMES),
    *(f"{what}_{days}d" for what in ("new_items", "active_days") for days in WINDOW_DAYS),
    "events", "distinct_items", "active_days",
    "orders", *(f"orders_{days}d" for days in WINDOW_DAYS),
    "mean_gap", "last_gap", "recent_gap", "gap_to_date_over_mean_gap", "gap_to_date_over_recent_gap",
    "lines_per_order",
    *(f"orders_same_{days}d_of_the_week" for days in AHEAD_DAYS),
    "hour_sin", "hour_cos", *(f"weekday_{day}" for day in range(7)),
)  # fmt: skip
"""Names of the columns of `aggregates`."""


def aggregates(histories: Histories, snapshots: Snapshots) -> FloatArray:
    """What is known just before each snapshot, (n, len(AGGREGATES)); only events before it are read.

    Counts, hours and ratios enter as ln(1 + x); what never happened is `MOST` hours ago. Kinds of events are counted
    over 1, 7, 30 and 90 days and since the last order; an item is new where the customer never met it before.
    `orders_same_*` counts the orders of the last eight weeks that fell into the same days of the week as those ahead.
    """
    who, now = snapshots.customer, snapshots.at
    begins = now[:, None] - np.array(WINDOW_DAYS) * DAY
    place = histories.end(who[:, None], np.concatenate([now[:, None], begins], axis=1))  # (n, 1 + windows)
    clock = 2 * np.pi * (now % DAY) / DAY
    logs = np.concatenate([_events(histories, who, now, place), _orders(histories, who, now, place)], axis=1)
    calendar = np.column_stack([np.sin(clock), np.cos(clock), np.eye(7)[snapshots.weekday]])
    return np.concatenate([np.log1p(logs), calendar], axis=1)


def _events(histories: Histories, who: IntArray, now: IntArray, place: IntArray) -> FloatArray:
    """Recency and counts of events in the order of AGGREGATES, with the orders' recency among them."""
    first, end = histories.offsets[who], place[:, 0]
    first_order, order_end = histories.order_offsets[who], histories.order_end(who, now)
    last_order = _hours(histories.order_at, order_end - 1, order_end > first_order, now)
    recency = [
        _hours(histories.at, end - 1, end > first, now),
        _hours(histories.at, first, end > first, now),
        last_order,
        _hours(histories.order_at, first_order, order_end > first_order, now),
    ]
    since = np.where(order_end > first_order, now - (last_order * HOUR).astype(np.int64), now)
    after_order = np.where(order_end > first_order, histories.end(who, since), first)
    counts, after = [], []
    for kinds in KINDS:
        here = np.isin(histories.kind, [EVENT_KINDS.index(kind) for kind in kinds])
        latest = _latest(here)[end]
        recency.append(_hours(histories.at, latest, latest >= first, now))
        total = _running(here)
        counts.append(total[end][:, None] - total[place[:, 1:]])
        after.append(total[end] - total[after_order])
    fresh, active = _running(_first_meetings(histories)), _running(_first_of_day(histories))
    new = [fresh[end][:, None] - fresh[place[:, 1:]], active[end][:, None] - active[place[:, 1:]]]
    whole = [end - first, fresh[end] - fresh[first], active[end] - active[first]]
    return np.column_stack([*recency, *counts, *after, *new, *whole]).astype(np.float64)


def _orders(histories: Histories, who: IntArray, now: IntArray, place: IntArray) -> FloatArray:
    """Counts of orders and the gaps between them, in the order of AGGREGATES."""
    weeks = now[:, None, None] - 7 * DAY * np.arange(1, WEEKS + 1)[:, None]
    ahead = np.minimum(weeks + np.array(AHEAD_DAYS) * DAY, now[:, None, None])
    limits = np.concatenate([now[:, None], now[:, None] - np.array(WINDOW_DAYS) * DAY, weeks[:, :, 0],
                             ahead.reshape(len(who), -1)], axis=1)  # fmt: skip
    index = histories.order_end(who[:, None], limits)
    first, end, windows = histories.order_offsets[who], index[:, 0], index[:, 1 : 1 + len(WINDOW_DAYS)]
    n = end - first
    same = index[:, 1 + len(WINDOW_DAYS) + WEEKS :].reshape(len(who), WEEKS, -1)
    same = same - index[:, 1 + len(WINDOW_DAYS) :][:, :WEEKS, None]
    last = _hours(histories.order_at, end - 1, n > 0, now)
    few = np.minimum(n - 1, LAST_GAPS)
    mean_gap = (_hours(histories.order_at, first, n > 0, now) - last) / np.maximum(n - 1, 1)
    recent = (_hours(histories.order_at, end - 1 - few, n > 0, now) - last) / np.maximum(few, 1)
    last_gap = _hours(histories.order_at, end - 2, n > 1, now) - last
    mean_gap, recent, last_gap = (np.where(n > 1, gap, MOST) for gap in (mean_gap, recent, last_gap))
    bought = _running(histories.kind == EVENT_KINDS.index("purchase"))
    lines = (bought[place[:, 0]] - bought[histories.offsets[who]]) / np.maximum(n, 1)
    ratios = [np.where(n > 1, last / np.maximum(gap, 1.0), 0.0) for gap in (mean_gap, recent)]
    return np.column_stack([n, end[:, None] - windows, mean_gap, last_gap, recent, *ratios, lines, same.sum(axis=1)])


def _hours(values: IntArray, index: IntArray, exists: npt.NDArray[np.bool_], now: IntArray) -> FloatArray:
    if not len(values):
        return np.full(len(index), MOST)
    gap = (now - values[np.clip(index, 0, len(values) - 1)]) / HOUR
    return np.where(exists, gap, MOST)


def _running(flags: npt.NDArray[np.bool_]) -> IntArray:
    """Flags before each index, (n_events + 1,)."""
    return np.concatenate([[0], np.cumsum(flags)])


def _latest(flags: npt.NDArray[np.bool_]) -> IntArray:
    """Index of the last flag before each index, (n_events + 1,); -1 where there is none."""
    return np.concatenate([[-1], np.maximum.accumulate(np.where(flags, np.arange(len(flags)), -1))])


def _first_meetings(histories: Histories) -> npt.NDArray[np.bool_]:
    """Whether a customer meets an item for the first time, (n_events,); items without a code count as one item."""
    owner = np.repeat(np.arange(histories.n_customers), np.diff(histories.offsets))
    _, first = np.unique(owner * (int(histories.item.max(initial=0)) + 1) + histories.item, return_index=True)
    flags = np.zeros(len(owner), bool)
    flags[first] = True
    return flags


def _first_of_day(histories: Histories) -> npt.NDArray[np.bool_]:
    """Whether an event is its customer's first one of a day (UTC), (n_events,)."""
    day = histories.at // DAY
    flags = np.concatenate([[True], day[1:] != day[:-1]])[: len(day)]
    flags[histories.offsets[:-1][np.diff(histories.offsets) > 0]] = True
    return flags
