"""How far expected traffic corrects the baseline, item by item; used only where it made later forecasts better.

On days that the behavior model was not trained on, units of the week after an origin are held against the baseline's
own forecast of it:

    log E[units] = log baseline + coefficient x z + level of the origin,
    z = log((traffic + lump) / (baseline + lump)),

with the traffic scaled to the sum of the baseline, and the item's lump (its usual units per purchase, size-biased) on
both sides, because less than one purchase in a week is no evidence. Traffic thus says which items, not how
much the shop sells: four weeks could not teach that, and the purchase intent was calibrated on those very weeks. An
item that never was on the shelf has no part in it and gets none.
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
_PRIOR_SD = 0.5  # of the coefficient around 0; 1 would be traffic in place of the baseline
_SIGNIFICANT, _QUANTILE = 1.645, 1.645


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficEffect:
    """What the weeks that were held back said of expected traffic.

    Args:
        estimate: change of log units per unit of z in the first week.
        sd: its standard deviation, errors clustered by item.
        deviance: relative change of the deviance of later weeks when earlier ones taught the coefficient; below 0 is
            better.
        score: the gain over its standard error, clustered by item; above 1.645 traffic is used.
        weeks: weeks that it was learned on; the first is not judged.
        rows: items and weeks behind it.
    """

    estimate: float
    sd: float
    deviance: float
    score: float
    weeks: int
    rows: int

    @property
    def used(self) -> bool:
        """Whether forecasts of later weeks got significantly better (one-sided, 5 %)."""
        return self.score > _SIGNIFICANT and self.estimate > 0

    @property
    def coefficient(self) -> float:
        """What forecasts use: the estimate, or 0."""
        return self.estimate if self.used else 0.0

    @property
    def sentence(self) -> str:
        """What was decided, and why."""
        if self.weeks < 2:
            return "Expected traffic is not used: it takes two weeks after the behavior model's training to judge it."
        told = f"{self.weeks - 1} later weeks by {self.deviance:+.1%} (t = {self.score:.1f})"
        if self.used:
            return f"Expected traffic is used: it changed the deviance of {told}."
        if self.score > _SIGNIFICANT:
            return (
                f"Expected traffic is not used: it changed the deviance of {told}, but more traffic meant fewer units."
            )
        return f"Expected traffic is not used: it changed the deviance of {told}, no clear gain."

    def to_polars(self) -> pl.DataFrame:
        """One row: decision, coefficient, estimate, ci_lower, ci_upper (90 %), deviance_change_frac, weeks, rows."""
        return pl.DataFrame(
            {
                "decision": [self.sentence],
                "coefficient": [self.coefficient],
                "estimate": [self.estimate],
                "ci_lower": [self.estimate - _QUANTILE * self.sd],
                "ci_upper": [self.estimate + _QUANTILE * self.sd],
                "deviance_change_frac": [self.deviance],
                "weeks": [self.weeks],
                "rows": [self.rows],
            }
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weeks:
    """Items and weeks: units and what the baseline expected of them (purchases), z, item, number of the origin."""

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


def learn_traffic(cross: CrossFit, traffic: pl.DataFrame) -> TrafficEffect:
    """Learn the coefficient on weeks that end within the panel, and judge it on later weeks than it was learned on."""
    rows = _weeks(cross, traffic)
    weeks = int(rows.origin.max(initial=-1)) + 1
    estimate, sd = _regress(rows) if len(rows.units) else (0.0, _PRIOR_SD)
    gain, before = np.zeros(0), np.zeros(0)
    item = rows.item[:0]
    for k in range(1, weeks):
        later = rows.where(rows.origin == k)
        lean = _level(_regress(rows.where(rows.origin < k))[0] * later.z, later.expected)
        gain = np.append(gain, 2.0 * (later.units * lean - later.expected * np.expm1(lean)))
        deviance = xlogy(later.units, later.units / later.expected) - later.units + later.expected
        before, item = np.append(before, 2.0 * deviance), np.append(item, later.item)
    spread = float(np.sqrt(cluster_meat(gain[:, None], item)[0, 0])) if len(gain) else 0.0
    return TrafficEffect(
        estimate=estimate,
        sd=sd,
        deviance=-float(gain.sum() / max(before.sum(), 1e-9)),
        score=float(gain.sum()) / spread if spread > 0 else 0.0,
        weeks=weeks,
        rows=len(rows.units),
    )


def lean_on(
    effect: TrafficEffect,
    traffic: pl.DataFrame,
    item_ids: Sequence[str],
    state: State,
    expected: FloatArray,
    origin_day: int,
) -> FloatArray:
    """Log change of the forecast of each item in the week from `origin_day` on, (n,); the shop's sum stays.

    Args:
        effect: as learned.
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
    shelf = state.days[:, -1] > 0
    lean = np.zeros(len(item_ids))
    z = _compare(bought[shelf], expected[shelf], state.lump[shelf])
    lean[shelf] = _level(effect.coefficient * z, expected[shelf])
    return lean


def _weeks(cross: CrossFit, traffic: pl.DataFrame) -> _Weeks:
    """Weeks after the origins of the traffic that end within the panel, each with a baseline blind to its block."""
    panel = cross.panel
    parts: list[tuple[FloatArray, FloatArray, FloatArray, IntArray, IntArray]] = []
    everything = np.arange(len(panel.item_ids))
    for at in traffic["at"].unique().sort():
        origin = _day(at) - panel.first_day
        bought = _as_of(traffic, panel.item_ids, _day(at))
        if origin < 0 or origin + _DAYS > panel.n_days or bought is None:
            continue
        state = cross.history.state(everything, np.full(len(everything), origin))
        ahead = np.arange(1, _DAYS + 1)
        item, horizon = (a.ravel() for a in np.meshgrid(everything, ahead, indexing="ij"))
        daily = cross.forecast(item, np.full(len(item), origin), horizon).reshape(-1, _DAYS)
        normal = panel.normal[:, origin : origin + _DAYS]
        units = np.where(normal > 0, panel.units[:, origin : origin + _DAYS], 0.0).sum(1)
        shelf = state.days[:, -1] > 0
        if not bought[shelf].sum() > 0:
            continue
        z = np.zeros(len(everything))
        z[shelf] = _compare(bought[shelf], daily.sum(1)[shelf], panel.lump[shelf])
        expected = (daily * normal).sum(1) / panel.lump
        told = np.flatnonzero(shelf & (expected > 0))
        parts.append((units[told] / panel.lump[told], expected[told], z[told], told, np.full(len(told), len(parts))))
    if not parts:
        none = np.zeros(0)
        return _Weeks(units=none, expected=none, z=none, item=none.astype(np.int64), origin=none.astype(np.int64))
    units, expected, z, item, number = (np.concatenate(part) for part in zip(*parts, strict=True))
    return _Weeks(units=units, expected=expected, z=z, item=item, origin=number)


def _as_of(traffic: pl.DataFrame, item_ids: Sequence[str], day: int) -> FloatArray | None:
    """Traffic of each item as of a day since 1970-01-01, (n,), NaN-free: 0 for items without any; None: no such day."""
    then = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    now = traffic.filter(pl.col("at") == then).select("item_id", "traffic")
    if now.is_empty():
        return None
    ids = pl.DataFrame({"item_id": list(item_ids)}, schema={"item_id": pl.String})
    return ids.join(now, on="item_id", how="left", maintain_order="left")["traffic"].fill_null(0.0).to_numpy()


def _day(at: datetime) -> int:
    return (at.date() - date(1970, 1, 1)).days


def _compare(bought: FloatArray, expected: FloatArray, lump: FloatArray) -> FloatArray:
    """How traffic compares with the baseline, z of the items of one week, (n,)."""
    scaled = bought * (expected.sum() / max(float(bought.sum()), 1e-9))
    return np.asarray(np.log((scaled + lump) / (expected + lump)))


def _level(lean: FloatArray, expected: FloatArray) -> FloatArray:
    """The same correction, such that it leaves the sum of what was expected as it is."""
    return np.asarray(lean - np.log(expected @ np.exp(lean) / expected.sum()))


def _regress(rows: _Weeks) -> tuple[float, float]:
    """The coefficient of z beside a level of each origin, and its standard deviation."""
    number, of = np.unique(rows.origin, return_inverse=True)
    design = np.column_stack([rows.z, np.eye(len(number))[of]])
    precision = np.append(1.0 / _PRIOR_SD**2, np.zeros(len(number)))
    fit = fit_counts(rows.units, np.log(rows.expected), design, precision)
    bread = np.linalg.inv((design * fit.weight[:, None]).T @ design + np.diag(precision + 1e-9))
    score = design * (fit.weight * (rows.units - fit.mean) / fit.mean)[:, None]
    meat = cluster_meat(score, rows.item) + np.diag(precision)  # the prior's own error beside that of the items
    return float(fit.coefficients[0]), float(np.sqrt((bread @ meat @ bread)[0, 0]))
