"""How units answer to our price against competitors', from the same item at other times.

    log E[units of item i on day t] = (item and eight weeks) + (day of the shop) + response * gap + own * price

by quasi-Poisson. Eight weeks of an item are compared with themselves, so that slow moves of its demand do not enter,
and a day of the shop with itself, so that a season that competitors' prices follow does not. Our own price stands
beside the gap, which therefore speaks of the competitors' moves alone. What is found is shrunk to no response, by as
much as its error, clustered by item and by week, asks for: a few weeks in which competitors moved together tell little.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from flashlift.demand.panel import Panel
from flashlift.domain import Estimate
from flashlift.protocols import FloatArray
from flashlift.stats.sandwich import two_way_covariance

__all__ = ["gap_sentence", "measure_gap_response"]

_PRIOR_SD = 1.0  # of the response: an elasticity, most of which lie between -2 and 0
_WEEKS = 8
_MOST_ITEMS = 2_000  # more would not narrow what clusters of weeks leave open
_FEWEST_CLUSTERS = 6
_STEPS, _SWEEPS, _CONVERGED = 10, 6, 1e-4
_COVERAGE = 0.9
_VARIES = 0.01


def measure_gap_response(panel: Panel) -> Estimate | None:
    """Elasticity of units to (our regular price / the lowest of competitors), below 0 where dearer sells less.

    Returns:
        d ln units / d ln (the ratio) with its 90 % interval; None where no competitor's price is known, or fewer than
        6 items or weeks tell anything.
    """
    if panel.gap is None:
        return None
    known = ~np.isnan(panel.gap[:, :-1]) & (panel.normal > 0)
    gap = np.where(known, panel.gap[:, :-1], np.float32(0.0))
    highest, lowest = (np.where(known, gap, none) for none in (-np.inf, np.inf))
    items = np.flatnonzero(highest.max(1) - lowest.min(1) > _VARIES)
    if len(items) > _MOST_ITEMS:
        items = items[np.linspace(0, len(items) - 1, _MOST_ITEMS).astype(np.int64)]
    covariates = [gap[items]]
    if panel.price is not None:  # the gap of a day knows our price of the day before
        covariates.append(np.concatenate([panel.price[items, :1], panel.price[items, :-1]], axis=1))
    lump = panel.lump[items, None]
    exposure = np.where(known[items], panel.normal[items], 0.0) / lump
    units = np.where(known[items], panel.units[items], 0.0) / lump
    return _response(_by_weeks(units), _by_weeks(exposure), np.stack([_by_weeks(x) for x in covariates]))


def gap_sentence(response: Estimate) -> str:
    """What a tenth off competitors' lowest prices does to units, in words."""
    tenth = -np.log1p(-0.1)
    value, lower, upper = np.expm1(tenth * np.array([response.value, response.ci_lower, response.ci_upper]))
    odd = (
        " More units where competitors are cheaper is no answer to their prices: something that the log does not show "
        "moves both."
        if response.ci_lower > 0
        else ""
    )
    return (
        f"A tenth off the lowest price of competitors changes units by {value:+.0%} ({response.level:.0%} interval "
        f"{lower:+.0%} to {upper:+.0%}); the forecast without a sale follows their prices of now.{odd}"
    )


def _by_weeks(values: npt.NDArray[np.floating]) -> FloatArray:
    """(n, n_days) as (n, n_blocks, days of eight weeks), filled up with zeros."""
    days = 7 * _WEEKS
    padded = np.pad(values.astype(np.float64), ((0, 0), (0, -values.shape[1] % days)))
    return padded.reshape(len(values), -1, days)


def _response(units: FloatArray, exposure: FloatArray, x: FloatArray) -> Estimate | None:
    """Newton's steps for the slopes of the covariates, (k, n, blocks, days), with all levels profiled out."""
    slopes, day = np.zeros(len(x)), np.ones(units.shape[1:])
    for _ in range(_STEPS):
        mean, day = _levels(units, exposure * np.exp(np.tensordot(slopes, x, 1)), day)
        rest = _without_levels(x, mean)
        information = np.einsum("anbd,cnbd->ac", rest * mean, rest) + 1e-6 * np.eye(len(x))
        score = rest * (units - mean)
        step = np.linalg.solve(information, score.sum((1, 2, 3)))
        slopes = slopes + np.clip(step, -1.0, 1.0)
        if np.abs(step).max() < _CONVERGED:
            break
    own = np.linalg.inv(information)[0]
    told = _weekly(mean) > 0
    clusters = int(min(told.any(1).sum(), told.any(0).sum()))
    if clusters < _FEWEST_CLUSTERS:
        return None
    influence, share = _weekly(np.tensordot(own, score, 1)), _weekly(np.tensordot(own, rest, 1) ** 2 * mean) / own[0]
    # Few items or weeks pull the estimate to themselves, which makes their errors look small: HC3, by cluster.
    influence /= np.maximum(1.0 - share.sum(1, keepdims=True) - share.sum(0), 0.1)
    item, week = np.nonzero(told)
    variance = float(two_way_covariance(np.eye(1), influence[item, week][:, None], item, week)[0, 0])
    return _shrunk(float(slopes[0]), max(variance, float(own[0])), clusters)


def _weekly(values: FloatArray) -> FloatArray:
    """(n, blocks, days) as sums (n, weeks)."""
    return np.asarray(values.reshape(len(values), -1, 7).sum(-1))


def _levels(units: FloatArray, relative: FloatArray, day: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means whose sums over an item's eight weeks and over a day of the shop are those of the units, and day factors.

    By proportional fitting: the levels of a Poisson regression with effects of both kinds.
    """
    for _ in range(_SWEEPS):
        level = units.sum(2) / np.maximum((relative * day).sum(2), 1e-12)
        day = units.sum(0) / np.maximum((relative * level[:, :, None]).sum(0), 1e-12)
    return relative * level[:, :, None] * day, day


def _without_levels(x: FloatArray, mean: FloatArray) -> FloatArray:
    """What is left of covariates when weighted means by item and eight weeks, and by day, are taken off in turn."""
    of_item, of_day = np.maximum(mean.sum(2), 1e-12), np.maximum(mean.sum(0), 1e-12)
    rest = x
    for _ in range(_SWEEPS):
        rest = rest - ((mean * rest).sum(3) / of_item)[:, :, :, None]
        rest = rest - ((mean * rest).sum(1) / of_day)[:, None]
    return rest


def _shrunk(value: float, variance: float, clusters: int) -> Estimate:
    """Mean and 90 % interval under a prior of no response."""
    share = _PRIOR_SD**2 / (_PRIOR_SD**2 + variance)
    reach = float(student.ppf(0.5 + 0.5 * _COVERAGE, clusters - 1)) * np.sqrt(share * variance)
    value *= share
    return Estimate(value=value, ci_lower=value - float(reach), ci_upper=value + float(reach), level=_COVERAGE)
