"""What is known of an item at the start of a day: counts over the last days, shrunk into levels.

Levels come in a chain of windows, each shrunk to the next longer one as a gamma-Poisson posterior mean
(level = (count + k) / (days + k / longer level)), so that a quiet week of a slow item says little and that of a fast
one says a lot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from flashlift.demand.calendar import Calendar
from flashlift.demand.competitors import gap_changes
from flashlift.demand.levels import gather
from flashlift.demand.panel import Panel
from flashlift.demand.season import Season
from flashlift.protocols import FloatArray, IntArray

__all__ = ["LONG_WINDOW", "MIN_HISTORY", "History", "State"]

MIN_HISTORY = 14
"""Days of history below which nothing is forecast."""

_WINDOWS = (3, 7, 14, 28, 84, 100_000)
_PRICE_WINDOWS = _WINDOWS[3:]

LONG_WINDOW = 4
"""Column of the 84 days, long enough for the level of an item that sells seldom and short enough to be its present."""

_PSEUDO = (12.0, 8.0, 6.0, 4.0, 4.0)  # purchases that the next longer window lends


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """What is known of n items at the start of a day; rates are per normal day.

    Args:
        units: normal units in the last 3, 7, 14, 28, 84 days and ever, (n, 6).
        days: normal days in the same windows, (n, 6).
        interest: views and the like in the same windows, on normal days, (n, 6); None without any in the log.
        lump: usual units per purchase, (n,).
        since: days since the last purchase, (n,).
        group: units per item and day of the category so far, (n,).
        category: number of the category, (n,); -1: unknown.
        price: ln of the regular price over its mean of the last 28, 84 days and ever, (n, 3); None where none changed.
        gap: ln of what the present price gap to competitors does to units, against its mean so far, (n,); None where
            it does nothing. `units` are what they would have been at that mean.
        conversion: units per view of the category, (n,); None without views.
    """

    units: FloatArray
    days: FloatArray
    interest: FloatArray | None
    lump: FloatArray
    since: FloatArray
    group: FloatArray
    category: IntArray
    price: FloatArray | None
    gap: FloatArray | None
    conversion: FloatArray | None

    def take(self, rows: IntArray) -> State:
        """State of some of the items."""
        parts: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        parts = {name: part if part is None else part[rows] for name, part in parts.items()}
        return State(**parts)

    def choose(self, rows: IntArray, fresh: State, groups: IntArray) -> State:
        """State of the item of each row, and that of `fresh` for its group where the row is -1."""

        def pick(name: str) -> FloatArray | None:
            old, new = getattr(self, name), getattr(fresh, name)
            if old is None or new is None:
                return None
            select = (rows >= 0).reshape(-1, *[1] * (old.ndim - 1))
            return np.asarray(np.where(select, old[rows], new[groups]))

        parts: dict[str, Any] = {name: pick(name) for name in self.__slots__}
        return State(**parts)

    def levels(self) -> FloatArray:
        """Units per day over each window, (n, 6), above 0. Views tell what an item that rarely sells is worth."""
        views = self.interest_levels()
        if views is None or self.conversion is None:
            return _chain(self.units, self.days, np.maximum(self.group, 1e-4), 0.3, self.lump)
        return _chain(self.units, self.days, np.maximum(views[:, -1] * self.conversion, 1e-4), 5.0, self.lump)

    def interest_levels(self) -> FloatArray | None:
        """Views per day over each window, (n, 6), above 0; None without any in the log."""
        if self.interest is None or self.conversion is None:
            return None
        prior = np.maximum(self.group / self.conversion, 1e-3)
        return _chain(self.interest, self.days, prior, 0.3, np.ones(len(self.days)))


def _chain(count: FloatArray, days: FloatArray, prior: FloatArray, strength: float, lump: FloatArray) -> FloatArray:
    """Levels from the longest window, shrunk to `prior` with the weight of `strength` purchases, to the shortest."""
    out = np.empty_like(count)
    for window, purchases in reversed(list(enumerate((*_PSEUDO, strength)))):
        lent = purchases * lump
        out[:, window] = prior = (count[:, window] + lent) / (days[:, window] + lent / prior)
    return out


class History:
    """Running sums of a panel: the state of any item at the start of any day in constant time.

    `calendar` tells of holidays and of what the categories did a year ago.

    Args:
        panel: the log.
        gap_response: d ln units / d ln of the price gap; 0 where no competitors are known.
    """

    def __init__(self, panel: Panel, gap_response: float = 0.0) -> None:
        self._panel = panel
        usable = panel.normal > 0
        self._units = _running(np.where(usable, panel.units, 0))
        self._days = _running(panel.normal)
        self._gap = None
        if panel.gap is not None and gap_response != 0.0:
            now, usual = (gap_response * change for change in gap_changes(panel.gap))
            self._gap = now, usual, _running(panel.normal * np.exp(now[:, :-1]))
        self._price = None if panel.price is None else _running(panel.price)
        self._interest = None if panel.interest is None else _running(np.where(usable, panel.interest, 0))
        n_groups = len(panel.categories)
        self._group_units = _grouped(self._units, panel.category, n_groups)
        self._group_days = _grouped(self._days, panel.category, n_groups)
        self._group_interest = None if self._interest is None else _grouped(self._interest, panel.category, n_groups)
        day = np.arange(panel.n_days, dtype=np.int32)
        last = np.maximum.accumulate(np.where(panel.units > 0, day, np.int32(-1)), axis=1)
        self._last = np.concatenate([np.full((len(last), 1), -1, np.int32), last], axis=1)
        self._shop_lump = float(np.average(panel.lump, weights=panel.units.sum(1)))
        season = Season.of(panel.first_day, self._group_units, self._group_days, self._shop_lump)
        self.calendar = Calendar(season=season, holiday=panel.holiday)

    def state(self, item: IntArray, origin: IntArray) -> State:
        """State of `item` at the start of day number `origin` of the panel (days before it are known), rows paired."""
        units, days = _windowed(self._units, item, origin), _windowed(self._days, item, origin)
        gap = None
        if self._gap is not None:
            now, usual, expected = self._gap
            gap = now[item, origin].astype(np.float64) - usual[item, origin]
            at_usual = _windowed(expected, item, origin) * np.exp(-usual[item, origin])[:, None]
            units = units * np.divide(days, at_usual, out=np.ones_like(days), where=at_usual > 0)
        return State(
            units=units,
            days=days,
            interest=None if self._interest is None else _windowed(self._interest, item, origin),
            lump=self._panel.lump[item],
            since=np.minimum(origin - self._last[item, origin], 365).astype(np.float64),
            group=self._rates(self._panel.category[item], origin),
            category=self._panel.category[item],
            price=self._price_changes(item, origin),
            gap=gap,
            conversion=self._conversion(self._panel.category[item], origin),
        )

    def newcomers(self, group: IntArray, origin: int) -> State:
        """State of items never sold before, of category `group` (-1: unknown)."""
        n = len(group)
        at = np.full(n, origin)
        zero = np.zeros((n, len(_WINDOWS)))
        return State(
            units=zero,
            days=zero,
            interest=None if self._interest is None else zero,
            lump=np.full(n, self._shop_lump),
            since=np.zeros(n),  # what was never offered is not asleep
            group=self._rates(group, at),
            category=group,
            price=None if self._price is None else np.zeros((n, len(_PRICE_WINDOWS))),
            gap=None if self._gap is None else np.zeros(n),
            conversion=self._conversion(group, at),
        )

    def _price_changes(self, item: IntArray, origin: IntArray) -> FloatArray | None:
        if self._price is None or self._panel.price is None:
            return None
        before = np.maximum(origin - 1, 0)
        now = self._panel.price[item, before].astype(np.float64)
        means = [
            (self._price[item, origin] - self._price[item, begin]) / np.maximum(origin - begin, 1)
            for begin in (np.maximum(origin - width, 0) for width in _PRICE_WINDOWS)
        ]
        return np.asarray(now[:, None] - np.stack(means, axis=1))

    def _rates(self, group: IntArray, origin: IntArray) -> FloatArray:
        # The last row of the grouped sums is the shop, so group -1 is the shop.
        units, days = self._group_units[group, origin], self._group_days[group, origin]
        shop = self._group_units[-1, origin] / np.maximum(self._group_days[-1, origin], 1.0)
        return np.asarray((units + 28.0 * shop) / (days + 28.0))

    def _conversion(self, group: IntArray, origin: IntArray) -> FloatArray | None:
        if self._group_interest is None:
            return None
        units, views = self._group_units[group, origin], self._group_interest[group, origin]
        shop = (self._group_units[-1, origin] + 1.0) / (self._group_interest[-1, origin] + 1.0)
        return np.asarray((units + 50.0 * shop) / (views + 50.0))


def _running(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    out = np.zeros((values.shape[0], values.shape[1] + 1), values.dtype)
    np.cumsum(values, axis=1, out=out[:, 1:])
    return out


def _grouped(running: npt.NDArray[Any], group: IntArray, n_groups: int) -> FloatArray:
    out = gather(running, group, n_groups + 1)
    out[-1] = out.sum(0)
    return out


def _windowed(running: npt.NDArray[Any], row: IntArray, origin: IntArray) -> FloatArray:
    end = running[row, origin]
    sums = [end - running[row, np.maximum(origin - width, 0)] for width in _WINDOWS]
    return np.maximum(np.stack(sums, axis=1).astype(np.float64), 0.0)
