"""Units of an item on a day without a sale: a log-linear model with boosted trees on top, any horizon in one step.

The forecast for day t made at the start of day o uses what was known before o, never anything later, and is not fed
its own output: rows for training pair every day with an origin drawn 1 to `horizon_days` before it. A Poisson
regression on the item's levels over several windows, whose weights fade with the horizon, carries most of it; the
trees (LightGBM, Poisson) learn what it misses: interactions, items new or asleep. Where regular prices changed, the
price of now against that of the windows enters; where competitors' prices are known, all levels are those at the
present gap to them (`gap_response`); where the log holds a second year, the year before enters (`season`), and where
the shop names its country, its holidays. There is no trend of the shop: on held-out weeks of real data it made the
forecast worse.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import lightgbm as lgb
import numpy as np
import numpy.typing as npt

from flashlift.demand.calendar import FADE_DAYS, N_YEAR_AGO, Calendar
from flashlift.demand.config import DemandConfig
from flashlift.demand.panel import Panel
from flashlift.demand.state import MIN_HISTORY, History, State
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Baseline", "CrossFit", "Rows", "draw_rows", "poisson_regression"]

_RIDGE = 20.0
_HOLIDAYS_LENT = 2.0  # holidays without any effect that are added to those of the log
_STEPS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Training rows: linear design, features of the trees, log long-run level, units, exposure, lump, day; calendar."""

    design: FloatArray
    features: FloatArray
    offset: FloatArray
    units: FloatArray
    exposure: FloatArray
    lump: FloatArray
    day: IntArray
    calendar: Calendar

    def where(self, keep: npt.NDArray[np.bool_]) -> Rows:
        """Some of the rows."""
        parts: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__ if name != "calendar"}
        return Rows(**{name: part[keep] for name, part in parts.items()}, calendar=self.calendar)

    def without_season(self) -> Rows:
        """The same rows where the year before is not known."""
        if self.calendar.season is None:
            return self
        end = self.design.shape[1] - self.calendar.marks(self.day[:0]).shape[1]
        return replace(
            self,
            design=np.delete(self.design, np.s_[end - N_YEAR_AGO : end], axis=1),
            features=self.features[:, :-N_YEAR_AGO],
            calendar=replace(self.calendar, season=None),
        )


def draw_rows(history: History, panel: Panel, config: DemandConfig, rng: np.random.Generator) -> Rows:
    """Normal item-days within the row budget, each with an origin 1 to `horizon_days` before it.

    Raises:
        InsufficientDataError: there are none: every item is on sale, or out of stock, on every day that could tell.
    """
    item, day = _draw_cells(panel, config.max_rows, rng)
    horizon = rng.integers(1, np.minimum(config.horizon_days, day) + 1)
    origin = day - horizon + 1
    state = history.state(item, origin)
    known = np.flatnonzero(state.days[:, -1] > 0)
    if not len(known):
        raise InsufficientDataError(
            f"Every item of the {panel.n_days} days of the log was on sale, or out of stock, all the time, so nothing "
            "tells what it sells without a sale. Give a longer log, or leave permanent prices out of the promotions."
        )
    item, day, horizon, origin = item[known], day[known], horizon[known], origin[known]
    calendar = history.calendar
    design, features, offset = _describe(state.take(known), panel.first_day + origin, horizon, calendar)
    return Rows(
        design=design,
        features=features,
        offset=offset,
        units=panel.units[item, day].astype(np.float64),
        exposure=panel.normal[item, day].astype(np.float64),
        lump=panel.lump[item],
        day=day,
        calendar=calendar,
    )


def _draw_cells(panel: Panel, budget: int, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    n_items, n_days = panel.normal.shape
    if n_items * n_days <= 4 * budget:
        cells = np.flatnonzero(panel.normal[:, MIN_HISTORY:].ravel() > 0)
        if len(cells) > budget:
            cells = np.sort(rng.choice(cells, budget, replace=False))
        item, day = np.divmod(cells, n_days - MIN_HISTORY)
        return item, day + MIN_HISTORY
    item = rng.integers(0, n_items, 4 * budget)
    day = rng.integers(MIN_HISTORY, n_days, 4 * budget)
    usable = panel.normal[item, day] > 0
    return item[usable][:budget], day[usable][:budget]


def _describe(
    state: State, origin_day: IntArray, horizon: IntArray, calendar: Calendar
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Linear design, features of the trees, and log long-run level. `origin_day` counts from 1970-01-01."""
    level = np.log(state.levels())
    steps = [level[:, :-1] - level[:, 1:]]  # each window against the next longer one
    views = state.interest_levels()
    worth = np.zeros((len(level), 0))
    if views is not None and state.conversion is not None:
        views = np.log(views)
        steps.append(views[:, :-1] - views[:, 1:])
        # Where items convert alike, views tell the long-run level of one that sells little; the data say how far.
        gap = views[:, -1:] + np.log(state.conversion)[:, None] - level[:, -1:]
        worth = np.concatenate([gap, gap / (1.0 + state.units[:, -1:] / (20.0 * state.lump[:, None]))], axis=1)
    change = np.concatenate(steps, axis=1)
    offset, wears_off = _of_competitors(state, level[:, -1], horizon)
    group = np.log(np.maximum(state.group, 1e-6))
    target = origin_day + horizon - 1
    weekday = np.eye(7)[(target + 3) % 7]
    fade = np.exp(-horizon / FADE_DAYS)[:, None]
    # An item whose whole history is short regresses to its category; one that sold nothing for long may be gone.
    age = 1.0 / (1.0 + state.days[:, -1:] / 28.0)
    apart = (level[:, -1] - group)[:, None]
    asleep = np.log1p(state.since * np.exp(level[:, -1]) / state.lump)[:, None]
    year_ago = calendar.year_ago(state.category, origin_day, horizon)
    more = year_ago if state.price is None else np.concatenate([state.price, year_ago], axis=1)
    marks = calendar.marks(target)
    design = np.concatenate(
        [weekday, change, change * fade, age, age * apart, asleep, worth, wears_off, more, marks], axis=1
    )
    features = np.concatenate(
        [
            change,
            np.cumsum(change[:, ::-1], axis=1),
            worth,
            level[:, -1:],
            group[:, None],
            asleep,
            state.days[:, [3, 5]],
            state.since[:, None],
            horizon[:, None],
            (target[:, None] + 3) % 7,
            more,
        ],
        axis=1,
    )
    return design.astype(np.float32), features.astype(np.float32), offset


def _of_competitors(state: State, level: FloatArray, horizon: IntArray) -> tuple[FloatArray, FloatArray]:
    """The level at the present price gap, and a column that lets the gap return to its mean, (n, 0) without any."""
    if state.gap is None:
        return level, np.zeros((len(level), 0))
    later = 1.0 - np.exp(-(horizon - 1) / FADE_DAYS)
    return level + state.gap, (state.gap * later)[:, None]


@dataclass(frozen=True, slots=True)
class Baseline:
    """A fitted baseline: coefficients of the linear part, the trees, and the calendar that both read."""

    coefficients: FloatArray
    booster: lgb.Booster
    calendar: Calendar

    @classmethod
    def fit(cls, rows: Rows, config: DemandConfig) -> Baseline:
        """Fit on drawn rows."""
        coefficients = poisson_regression(rows)
        linear = rows.offset + rows.design @ coefficients
        data = lgb.Dataset(
            rows.features, rows.units / rows.exposure, weight=rows.exposure / rows.lump, init_score=linear
        )
        parameters = {
            "objective": "poisson",
            "learning_rate": 0.05,
            "num_leaves": 16,
            "min_data_in_leaf": 300,
            "min_sum_hessian_in_leaf": 10.0,
            "lambda_l2": 10.0,
            "feature_fraction": 0.7,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "num_threads": config.threads,
            "deterministic": True,
            "force_row_wise": True,
            "seed": 1,
            "verbosity": -1,
        }
        return cls(coefficients, lgb.train(parameters, data, config.rounds), rows.calendar)

    def predict(self, state: State, origin_day: IntArray, horizon: IntArray) -> FloatArray:
        """Expected units on the `horizon`-th day from `origin_day` on (1: that day itself), (n,)."""
        design, features, offset = _describe(state, origin_day, horizon, self.calendar)
        trees = self.booster.predict(features, raw_score=True, num_threads=1)
        return np.asarray(np.exp(np.clip(offset + design @ self.coefficients + trees, -20.0, 20.0)))


def poisson_regression(rows: Rows) -> FloatArray:
    """Quasi-Poisson coefficients by iteratively reweighted least squares with a ridge."""
    design = rows.design.astype(np.float64)
    weight = rows.exposure / rows.lump
    rate = rows.units / rows.exposure
    coefficients = np.zeros(design.shape[1])
    ridge = _penalties(rows, weight)
    eta = rows.offset
    for _ in range(_STEPS):
        mu = np.exp(np.clip(eta, -20.0, 20.0))
        working = weight * mu
        gram = (design * working[:, None]).T @ design + np.diag(ridge)
        score = design.T @ (weight * (rate - mu)) - ridge * coefficients
        step = np.linalg.solve(gram, score)
        coefficients = coefficients + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-9))
        eta = rows.offset + design @ coefficients
    return coefficients


def _penalties(rows: Rows, weight: FloatArray) -> FloatArray:
    """Ridge of each column. All items share what a holiday does, so its mark counts holidays, not purchases."""
    ridge = np.full(rows.design.shape[1], _RIDGE)
    for column in range(len(ridge) - rows.calendar.marks(rows.day[:0]).shape[1], len(ridge)):
        marked = rows.design[:, column] > 0
        days = max(len(np.unique(rows.day[marked])), 1)
        told = float(np.sum(weight[marked] * np.exp(rows.offset[marked])))
        ridge[column] = max(_RIDGE, _HOLIDAYS_LENT * told / days)
    return ridge


@dataclass(frozen=True, slots=True, kw_only=True)
class CrossFit:
    """Baselines that did not see the block of days they predict.

    Args:
        history: states of the items.
        panel: the panel of the fit.
        baselines: one per block of days.
        block: block of each day of the panel.
        horizon_days: longest horizon the baselines were fitted for.
    """

    history: History
    panel: Panel
    baselines: tuple[Baseline, ...]
    block: IntArray
    horizon_days: int

    @classmethod
    def fit(
        cls, history: History, panel: Panel, rows: Rows, config: DemandConfig, begin: Callable[[int], None]
    ) -> CrossFit:
        """One fit per block of consecutive days, on the rows of all other blocks; `begin` is told each block."""
        block = np.arange(panel.n_days) * config.folds // panel.n_days
        baselines = []
        for k in range(config.folds):
            begin(k)
            rest = rows.where(block[rows.day] != k)
            baselines.append(Baseline.fit(rest if len(rest.day) else rows, config))
        return cls(
            history=history, panel=panel, baselines=tuple(baselines), block=block, horizon_days=config.horizon_days
        )

    def predict(self, item: IntArray, origin: IntArray, day: IntArray) -> FloatArray:
        """Expected units of `item` on `day` without a sale, as known at the start of `origin` (rows paired)."""
        return self._forecast(item, origin, day - origin + 1, self.block[day])

    def forecast(self, item: IntArray, origin: IntArray, horizon: IntArray) -> FloatArray:
        """Expected units on the `horizon`-th day from `origin` on, blind to the block of `origin`."""
        return self._forecast(item, origin, horizon, self.block[np.minimum(origin, len(self.block) - 1)])

    def _forecast(self, item: IntArray, origin: IntArray, horizon: IntArray, block: IntArray) -> FloatArray:
        out = np.empty(len(item))
        for k, baseline in enumerate(self.baselines):
            rows = np.flatnonzero(block == k)
            if len(rows):
                state = self.history.state(item[rows], origin[rows])
                out[rows] = baseline.predict(state, self.panel.first_day + origin[rows], horizon[rows])
        return out
