"""How far expected traffic corrects the baseline, item by item; used only where it made later forecasts better.

On days that the behavior model was not trained on, units of the week after an origin are held against the baseline's
own forecast of it:

    log E[units] = log baseline + level x z + change x (z - usual z) + level of the origin,
    z = log((traffic + lump) / (baseline + lump)),

with the traffic scaled to the sum of the baseline, and the usual z as the item's mean on earlier origins: what sets
the two apart for good is mostly the way of counting, what sets them apart lately is news (Mundlak, Econometrica 1978,
splits a regressor so). Traffic thus says which items, not how much the shop sells: four weeks could not teach that,
and the purchase intent was calibrated on those very weeks. An item that never was on the shelf has no part in it and
gets none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy.special import xlogy

from flashlift.demand.baseline import CrossFit
from flashlift.demand.counts import fit_counts
from flashlift.demand.state import State
from flashlift.demand.traffic import SCHEMA
from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntArray
from flashlift.stats.sandwich import cluster_meat

__all__ = ["TrafficEffect", "check_traffic", "lean_on", "learn_traffic"]

_DAYS = 7
_PRIOR_SD = 0.5  # of each coefficient around 0; a level of 1 would be traffic in place of the baseline
_SIGNIFICANT, _QUANTILE = 1.645, 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficEffect:
    """What the weeks that were held back said of expected traffic.

    Args:
        level: change of log units per unit of z in the first week.
        level_sd: its standard deviation, errors clustered by item.
        change: the same per unit of z beyond the item's usual one, on top.
        change_sd: its standard deviation.
        deviance: relative change of the deviance of later weeks when earlier ones taught the coefficients; below 0 is
            better.
        score: the gain over its standard error, clustered by item; above 1.645 traffic is used.
        weeks: weeks that it was learned on; the first is not judged.
        rows: items and weeks behind it.
    """

    level: float
    level_sd: float
    change: float
    change_sd: float
    deviance: float
    score: float
    weeks: int
    rows: int

    @property
    def used(self) -> bool:
        """Whether forecasts of later weeks got significantly better (one-sided, 5 %)."""
        return self.score > _SIGNIFICANT and self.level + self.change > 0

    @property
    def coefficients(self) -> FloatArray:
        """What forecasts use of level and change: the estimates, or zeros."""
        return np.array([self.level, self.change]) * self.used

    @property
    def sentence(self) -> str:
        """What was decided, and why."""
        if self.weeks < 2:
            return "Expected traffic is not used: it takes two weeks after the behavior model's training to judge it."
        told = f"it changed the deviance of {self.weeks - 1} later weeks by {self.deviance:+.1%} (t = {self.score:.1f})"
        if self.used:
            return f"Expected traffic is used: {told}."
        if self.score > _SIGNIFICANT:
            return f"Expected traffic is not used: {told}, but more traffic meant fewer units."
        return f"Expected traffic is not used: {told}, no clear gain."

    def to_polars(self) -> pl.DataFrame:
        """A row for level and change each.

        Returns:
            `part`, `coefficient` (0 where traffic is not used), `estimate`, `ci_lower`, `ci_upper` (90 %),
            `deviance_change_frac`, `weeks`, `rows`, `decision`.
        """
        estimate, sd = np.array([self.level, self.change]), np.array([self.level_sd, self.change_sd])
        return pl.DataFrame(
            {
                "part": ["level", "change"],
                "coefficient": self.coefficients,
                "estimate": estimate,
                "ci_lower": estimate - _QUANTILE * sd,
                "ci_upper": estimate + _QUANTILE * sd,
            }
        ).with_columns(
            deviance_change_frac=pl.lit(self.deviance),
            weeks=pl.lit(self.weeks),
            rows=pl.lit(self.rows),
            decision=pl.lit(self.sentence),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weeks:
    """Items and weeks: units and what was expected of them (over lump), z and its change (n, 2), item, origin."""

    units: FloatArray
    expected: FloatArray
    z: FloatArray
    item: IntArray
    origin: IntArray

    def where(self, keep: npt.NDArray[np.bool_]) -> _Weeks:
        return _Weeks(**{name: getattr(self, name)[keep] for name in self.__slots__})


def check_traffic(traffic: pl.DataFrame) -> None:
    """Refuse a frame that is not what `expect_traffic` returns.

    Raises:
        InputError: other columns, an origin that is no midnight, a negative or missing number, an item twice.
    """
    if dict(traffic.schema) != SCHEMA:
        raise InputError(
            f"traffic has the columns {dict(traffic.schema)}, not {SCHEMA}. Give what expect_traffic made."
        )
    wrong = traffic.filter(
        ~(pl.col("traffic").is_finite() & (pl.col("traffic") >= 0)).fill_null(False)
        | (pl.col("at").dt.truncate("1d") != pl.col("at")).fill_null(True)
        | pl.struct("item_id", "at").is_duplicated()
    )
    if len(wrong):
        row = wrong.row(0, named=True)
        raise InputError(
            f"The traffic of {row['item_id']!r} as of {row['at']} is {row['traffic']} ({len(wrong)} such in all). Give "
            "one finite number of at least 0 per item and midnight (UTC)."
        )


def learn_traffic(cross: CrossFit, traffic: pl.DataFrame) -> tuple[TrafficEffect, FloatArray]:
    """Learn the coefficients on weeks that end within the panel, and judge them on later weeks than they learned on.

    Returns:
        The effect, and the usual z of each item, (n_items,), NaN where no week told it.
    """
    rows, usual = _weeks(cross, traffic)
    weeks = int(rows.origin.max(initial=-1)) + 1
    estimate, sd = _regress(rows) if weeks else (np.zeros(2), np.full(2, _PRIOR_SD))
    gain, before, item = np.zeros(0), 0.0, rows.item[:0]
    for k in range(1, weeks):
        later = rows.where(rows.origin == k)
        lean = _keep_sum(later.z @ _regress(rows.where(rows.origin < k))[0], later.expected)
        gain = np.append(gain, 2.0 * (later.units * lean - later.expected * np.expm1(lean)))
        deviance = xlogy(later.units, later.units / later.expected) - later.units + later.expected
        before, item = before + 2.0 * float(deviance.sum()), np.append(item, later.item)
    spread = float(np.sqrt(cluster_meat(gain[:, None], item)[0, 0])) if len(gain) else 0.0
    effect = TrafficEffect(
        level=float(estimate[0]),
        level_sd=float(sd[0]),
        change=float(estimate[1]),
        change_sd=float(sd[1]),
        deviance=-float(gain.sum()) / max(before, 1e-9),
        score=float(gain.sum()) / spread if spread > 0 else 0.0,
        weeks=weeks,
        rows=len(rows.units),
    )
    return effect, usual


def lean_on(
    coefficients: FloatArray,
    usual: FloatArray,
    traffic: pl.DataFrame,
    item_ids: Sequence[str],
    state: State,
    expected: FloatArray,
    origin_day: int,
) -> FloatArray:
    """Log change of the forecast of each item in the week from `origin_day` on, (n,); the shop's sum stays.

    Args:
        coefficients: of level and change.
        usual: z of each item so far, NaN where not known, (n,).
        traffic: as `expect_traffic` returns it.
        item_ids: n items.
        state: what is known of them.
        expected: units that the baseline expects of them in the week, (n,).
        origin_day: in days since 1970-01-01 (UTC).

    Raises:
        InputError: the traffic holds nothing as of that day.
    """
    bought = _as_of(traffic, item_ids, origin_day)
    if bought is None:
        day = date(1970, 1, 1) + timedelta(days=origin_day)
        raise InputError(f"The traffic holds nothing as of {day}. Give expect_traffic that day among its origins.")
    shelf, lean = state.days[:, -1] > 0, np.zeros(len(item_ids))
    z = _compare(bought, expected, state.lump, shelf, usual)
    lean[shelf] = _keep_sum((z @ coefficients)[shelf], expected[shelf])
    return lean


def _weeks(cross: CrossFit, traffic: pl.DataFrame) -> tuple[_Weeks, FloatArray]:
    """Weeks after the origins that end within the panel, each with a baseline blind to its block; the usual z."""
    panel = cross.panel
    everything = np.arange(len(panel.item_ids))
    seen, total = np.zeros(len(everything)), np.zeros(len(everything))
    none = np.zeros(0)
    parts = [_Weeks(units=none, expected=none, z=np.zeros((0, 2)), item=everything[:0], origin=everything[:0])]
    for at in traffic["at"].unique().sort():
        day = (at.date() - date(1970, 1, 1)).days
        origin, bought = day - panel.first_day, _as_of(traffic, panel.item_ids, day)
        if origin < 0 or origin + _DAYS > panel.n_days or bought is None:
            continue
        shelf = cross.history.state(everything, np.full(len(everything), origin)).days[:, -1] > 0
        if not bought[shelf].sum() > 0:
            continue
        item, horizon = (a.ravel() for a in np.meshgrid(everything, np.arange(1, _DAYS + 1), indexing="ij"))
        daily = cross.forecast(item, np.full(len(item), origin), horizon).reshape(-1, _DAYS)
        normal = panel.normal[:, origin : origin + _DAYS]
        units = np.where(normal > 0, panel.units[:, origin : origin + _DAYS], 0.0).sum(1) / panel.lump
        expected = (daily * normal).sum(1) / panel.lump
        usual = np.divide(total, seen, out=np.full(len(total), np.nan), where=seen > 0)
        z = _compare(bought, daily.sum(1), panel.lump, shelf, usual)
        told = np.flatnonzero(shelf & (expected > 0))
        number = np.full(len(told), len(parts) - 1)
        parts.append(_Weeks(units=units[told], expected=expected[told], z=z[told], item=told, origin=number))
        seen, total = seen + shelf, total + z[:, 0]
    usual = np.divide(total, seen, out=np.full(len(total), np.nan), where=seen > 0)
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _Weeks.__slots__}
    return _Weeks(**joined), usual


def _as_of(traffic: pl.DataFrame, item_ids: Sequence[str], day: int) -> FloatArray | None:
    """Traffic of each item as of a day since 1970-01-01, (n,), 0 for items without any; None: no such day."""
    then = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    now = traffic.filter(pl.col("at") == then).select("item_id", "traffic")
    if now.is_empty():
        return None
    ids = pl.DataFrame({"item_id": list(item_ids)}, schema={"item_id": pl.String})
    return ids.join(now, on="item_id", how="left", maintain_order="left")["traffic"].fill_null(0.0).to_numpy()


def _compare(
    bought: FloatArray, expected: FloatArray, lump: FloatArray, shelf: npt.NDArray[np.bool_], usual: FloatArray
) -> FloatArray:
    """How traffic compares with the baseline, and with how it used to: z and its change, (n, 2), 0 off the shelf."""
    scale = expected[shelf].sum() / max(float(bought[shelf].sum()), 1e-9)
    z = np.where(shelf, np.log((scale * bought + lump) / (expected + lump)), 0.0)
    return np.column_stack([z, np.where(shelf & np.isfinite(usual), z - np.nan_to_num(usual), 0.0)])


def _keep_sum(lean: FloatArray, expected: FloatArray) -> FloatArray:
    """The same correction, such that it leaves the sum of what was expected as it is."""
    return np.asarray(lean - np.log(expected @ np.exp(lean) / expected.sum()))


def _regress(rows: _Weeks) -> tuple[FloatArray, FloatArray]:
    """Coefficients of level and change beside a level of each origin, and their standard deviations, (2,) each."""
    number, of = np.unique(rows.origin, return_inverse=True)
    design = np.column_stack([rows.z, np.eye(len(number))[of]])
    precision = np.append(np.full(2, 1.0 / _PRIOR_SD**2), np.zeros(len(number)))
    fit = fit_counts(rows.units, np.log(rows.expected), design, precision)
    bread = np.linalg.inv((design * fit.weight[:, None]).T @ design + np.diag(precision + 1e-9))
    score = design * (fit.weight * (rows.units - fit.mean) / fit.mean)[:, None]
    meat = cluster_meat(score, rows.item) + np.diag(precision)  # the prior's own error beside that of the items
    return fit.coefficients[:2], np.sqrt(np.diag(bread @ meat @ bread)[:2])
