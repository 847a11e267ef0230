"""What was wanted in each offer, given what was sold: behind an empty shelf too, and how much of it is new."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from flashlift.experiments.debrief.level import measure
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Known", "Wanted", "response_factor", "wanted_behind"]

RESPONSE_SD = 0.3  # of the log factor on the response of a whole sale: what nobody foresaw


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the log says of offers that ran; arrays (n_offers,).

    Args:
        item: number of each offer's item.
        slot: index of each offer's slot.
        units: units sold.
        sold_out: whether stock ended before the slot did.
        elapsed: share of the slot's demand that came before it.
        lump: usual units per purchase.
        ran: whether the offer ran at all.
    """

    item: IntArray
    slot: IntArray
    units: FloatArray
    sold_out: npt.NDArray[np.bool_]
    elapsed: FloatArray
    lump: FloatArray
    ran: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Draws of what cannot be seen, given what can, (n_offers, n_draws).

    Args:
        wanted: units wanted at the price; those sold where stock lasted.
        replaced: units that the slot would have sold without the sale.
    """

    wanted: FloatArray
    replaced: FloatArray


def response_factor(known: Known, wanted: FloatArray, traffic: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Draws of the factor by which the offers together sold more than forecast, given their slots' traffic, (n_draws,).

    Sold-out offers count up to the moment their stock ended: neither dropped, which would keep only the weak ones, nor
    read as weak. Without an offer that ran the factor is 1.

    Args:
        known: what the log says.
        wanted: forecast at the price that was paid, (n_offers, n_draws).
        traffic: draws of the factor on each offer's traffic, same shape.
        rng: of the draws.
    """
    ran = known.ran
    if not ran.any():
        return np.ones(wanted.shape[1])
    middle = traffic[ran].mean(axis=1, keepdims=True)
    seen = wanted[ran] * known.elapsed[ran, None] * middle
    found = measure(known.units[ran], seen, rng, cluster=known.item[ran])
    # The more traffic a draw holds, the less response is left for the units that came.
    share = seen.mean(axis=1) / seen.mean(axis=1).sum()
    log = found.log - np.log(share @ (traffic[ran] / middle))
    gain = RESPONSE_SD**2 / (RESPONSE_SD**2 + found.variance)
    rest = RESPONSE_SD * np.sqrt(1.0 - gain)
    return np.asarray(np.exp(gain * log + rest * rng.standard_normal(len(log))))


def wanted_behind(
    known: Known,
    wanted: FloatArray,
    replaced: FloatArray,
    traffic: FloatArray,
    response: FloatArray,
    rng: np.random.Generator,
) -> Wanted:
    """Draws of demand behind what was sold.

    A sold-out offer's rate is a gamma variable with the moments of its forecast, updated by the units that came before
    the end; those that came later are Poisson. What the sale replaced moves with what it sold, as far as both moved
    together in the forecast: a linear update of each draw (ensemble Kalman filter; Evensen, Ocean Dynamics 53, 2003).

    Args:
        known: what the log says.
        wanted: forecast at the price that was paid, (n_offers, n_draws).
        replaced: forecast without the sale, same shape.
        traffic: factor on each offer's traffic, same shape.
        response: factor on all of them, (n_draws,).
        rng: of the draws.
    """
    level = traffic * response
    units = known.units[:, None] + _missed(known, wanted, level, rng)
    spread = wanted - wanted.mean(axis=1, keepdims=True)
    shared = (spread * (replaced - replaced.mean(axis=1, keepdims=True))).mean(axis=1)
    slope = shared / np.maximum((spread**2).mean(axis=1), 1e-9)
    moved = traffic * (replaced + slope[:, None] * (units / np.maximum(level, 1e-9) - wanted))
    ran = known.ran[:, None]
    return Wanted(wanted=np.where(ran, units, 0.0), replaced=np.where(ran, np.maximum(moved, 0.0), 0.0))


def _missed(known: Known, wanted: FloatArray, level: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Units that came after stock had ended, (n_offers, n_draws)."""
    mean, lump = wanted.mean(axis=1), known.lump
    own = np.maximum(wanted.var(axis=1) - lump * mean, (0.1 * mean) ** 2) + 1e-9
    rate, shape = (mean / own)[:, None] / np.maximum(level, 1e-9), (mean**2 / own)[:, None]
    came = (known.units / lump)[:, None]
    after = rng.gamma(shape + came, 1.0 / (rate + (known.elapsed / lump)[:, None]))
    missed = lump[:, None] * rng.poisson(after * ((1.0 - known.elapsed) / lump)[:, None])
    return np.where(known.sold_out[:, None], missed, 0.0)
