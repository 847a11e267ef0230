"""What the sale took from other items and other days, as far as this log tells: a factor on what was forecast of it.

Each is a regression of what others sold beyond their forecast on what the sale was expected to move there, with the
forecast as prior. A single sale moves few units among many, so the prior often stays most of the answer; the interval
says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.domain import Campaign, Slot
from flashlift.experiments.debrief.forecast import Forecast
from flashlift.experiments.debrief.traffic import Traffic, counts, in_a_sale
from flashlift.protocols import FloatArray
from flashlift.schema import Tables

__all__ = ["Moved", "moved_factor", "other_days", "other_items", "share_by"]

CROSS_SD = 0.7  # of the factor on what other items lose or gain
LEAST_LATER_SD = 0.3  # of the factor on what other days lose or gain

FADE = 0.9  # of a loss after a sale, from one day to the next


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Draws of a factor on the units that were expected to move, (n_draws,), and how much of it the log tells.

    Args:
        factor: 1 as forecast, 0 none moved.
        learned_frac: share of the prior variance that the log removed, in [0, 1].
    """

    factor: FloatArray
    learned_frac: float


def moved_factor(
    expected: FloatArray,
    beyond: FloatArray,
    variance: FloatArray,
    *,
    prior_sd: float,
    n_draws: int,
    rng: np.random.Generator,
) -> Moved:
    """The factor, from rows that were to be moved.

    Args:
        expected: units expected to move to each row, negative where away from it, (n,).
        beyond: units counted less those forecast without the sale, (n,).
        variance: of `beyond` by chance and by errors of the forecast, (n,).
        prior_sd: standard deviation of the factor, whose mean is 1, before the log is read.
        n_draws: number of draws.
        rng: of the draws.
    """
    weight = expected / np.maximum(variance, 1e-9)
    known = float(weight @ expected)
    precision = prior_sd**-2 + known
    mean = (prior_sd**-2 + float(weight @ beyond)) / precision
    factor = mean + precision**-0.5 * rng.standard_normal(n_draws)
    return Moved(factor=factor, learned_frac=known / precision)


def share_by(days: float) -> float:
    """Share of what a sale takes from the days after it that is taken within so many of them."""
    return float((1.0 - FADE ** min(days, HORIZON_DAYS)) / (1.0 - FADE**HORIZON_DAYS))


def other_items(
    tables: Tables,
    expected: Forecast,
    traffic: Traffic,
    campaign: Campaign,
    items: pl.DataFrame,
    slots: Sequence[Slot],
    extra: FloatArray,
    rng: np.random.Generator,
) -> Moved:
    """What items of the plan's groups sold in the slots beyond their forecast, beside what was to move there.

    Args:
        tables: the shop, with the sale in its log.
        expected: the forecast.
        traffic: factor on it.
        campaign: of the plan.
        items: table SaleItems, in the row order of the draws.
        slots: those that are over.
        extra: draws of the units that each offer sold beyond what it replaced, (n_offers, n_draws).
        rng: of the draws.
    """
    cross, n = expected.draws.cross(), expected.wanted.shape[1]
    number = {slot.slot_id: k for k, slot in enumerate(campaign.slots)}
    at = [number[slot.slot_id] for slot in slots]
    target = np.setdiff1d(cross.target[np.isin(cross.source, expected.item)], expected.item)
    row = np.full(items.height, -1)
    row[target] = np.arange(len(target))
    to_move = np.zeros((len(target), len(slots)))
    mean = extra.mean(axis=1)
    for k, slot in enumerate(at):
        for offer in np.flatnonzero(expected.slot == slot):
            mine = (cross.source == expected.item[offer]) & (row[cross.target] >= 0)
            np.add.at(to_move[:, k], row[cross.target[mine]], cross.effect[mine] * mean[offer])
    units = counts(tables, slots, items)[0][:, target].T
    taken = in_a_sale(tables, slots, items)[:, target].T
    forecasts = np.stack(
        [
            expected.draws.units(target, np.full(len(target), slot), np.zeros(len(target))) * traffic.slot[slot]
            for slot in at
        ],
        axis=1,
    )
    free = ~taken
    beyond = ((units - forecasts.mean(axis=2)) * free).sum(axis=1)
    variance = (forecasts * free[:, :, None]).sum(axis=1).var(axis=1)
    return moved_factor((to_move * free).sum(axis=1), beyond, variance, prior_sd=CROSS_SD, n_draws=n, rng=rng)


def other_days(
    tables: Tables,
    expected: Forecast,
    traffic: Traffic,
    items: pl.DataFrame,
    gained: FloatArray,
    extra: FloatArray,
    days: float,
    rng: np.random.Generator,
) -> Moved:
    """What the offered items sold after the sale beyond their forecast, beside what was to be missing then.

    Args:
        tables: the shop, with the sale in its log.
        expected: the forecast.
        traffic: factor on it.
        items: table SaleItems, in the row order of the draws.
        gained: units that each offer's item gains later per extra unit, negative where it loses, (n_offers,).
        extra: draws of the units that each offer sold beyond what it replaced, (n_offers, n_draws).
        days: of the account after the sale that the log holds.
        rng: of the draws.
    """
    n = expected.wanted.shape[1]
    draws = expected.draws.aftermath(expected.item, np.ones_like(expected.wanted)).mean(axis=0)
    spread = float(draws.std() / max(abs(draws.mean()), 1e-9)) if abs(draws.mean()) > 1e-9 else 0.0
    prior = max(min(spread, 1.0), LEAST_LATER_SD)
    item = np.unique(expected.item)
    after = expected.windows[expected.between :]
    if not after or days <= 0.0 or expected.other is None:
        return Moved(factor=np.asarray(1.0 + prior * rng.standard_normal(n)), learned_frac=0.0)
    of = np.searchsorted(item, expected.item)
    to_move = np.bincount(of, gained * extra.mean(axis=1), len(item)).astype(np.float64) * share_by(days)
    units = counts(tables, after, items)[0][:, item].T
    free = ~in_a_sale(tables, after, items)[:, item].T
    windows = np.arange(expected.between, len(expected.windows))
    forecasts = np.stack(
        [expected.other.units(item, np.full(len(item), w), np.zeros(len(item))) * traffic.window[w] for w in windows],
        axis=1,
    )
    usable = free.all(axis=1)  # an item in the next sale, or with an empty shelf, tells nothing of this one
    beyond = (units - forecasts.mean(axis=2)).sum(axis=1)
    variance = forecasts.sum(axis=1).var(axis=1)
    return moved_factor(to_move[usable], beyond[usable], variance[usable], prior_sd=prior, n_draws=n, rng=rng)
