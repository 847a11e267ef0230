"""Stores on the street: where they are, whose store is which, and when they are open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.market.rhythm import STORE_HOURS
from flashlift.market.words import CENTERS, REGIONS
from flashlift.protocols import IntArray
from flashlift.schema import Stores

__all__ = ["Chain", "make_chain", "reopened"]

_STORES_PER_REGION = 3
_SPREAD_DEGREES = 0.3
_HOUR, _DAY = 3_600_000_000, 86_400_000_000  # microseconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The stores of the shop.

    Args:
        frame: schema Stores.
        frac: share of private customers' units that is bought in stores.
        home: row number of the store that each customer goes to, in the customer's region.
    """

    frame: pl.DataFrame
    frac: float
    home: IntArray


def make_chain(frac: float, region: IntArray, *, rng: np.random.Generator) -> Chain | None:
    """Three stores around the center of each region; each customer has one of them; None where `frac` is 0.

    Args:
        frac: see `Chain`.
        region: of each customer, as index into `REGIONS`.
        rng: of places and habits.
    """
    if frac == 0.0:
        return None
    n = len(REGIONS) * _STORES_PER_REGION
    places = np.repeat(CENTERS, _STORES_PER_REGION, axis=0) + rng.normal(0.0, _SPREAD_DEGREES, (n, 2))
    popular = rng.dirichlet(np.full(_STORES_PER_REGION, 4.0), len(REGIONS)).cumsum(axis=1)
    nth = (rng.random(len(region))[:, None] >= popular[region, :-1]).sum(axis=1)
    frame = pl.DataFrame(
        {
            Stores.store_id.name: [f"s{k}" for k in range(n)],
            Stores.lat.name: places[:, 0].round(4),
            Stores.lon.name: places[:, 1].round(4),
        }
    )
    return Chain(frame=Stores.validate(frame), frac=frac, home=region * _STORES_PER_REGION + nth)


def reopened(at: IntArray, *, rng: np.random.Generator) -> IntArray:
    """An instant in opening hours on the day of each instant; both in microseconds since 1970."""
    opens, closes = STORE_HOURS
    return np.asarray(at // _DAY * _DAY + rng.integers(opens * _HOUR, closes * _HOUR, len(at)))
