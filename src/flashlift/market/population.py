"""Who buys: customers with tastes, a rhythm, a region and a weakness for deals."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.market.config import MarketConfig
from flashlift.market.rhythm import KINDS
from flashlift.market.words import CATEGORIES, REGIONS
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Customers

__all__ = ["CustomerBase", "make_customers"]

CHANNELS = ("app", "web", "social")
_CHANNEL_FRAC = (0.5, 0.42, 0.08)
SEGMENTS = ("loyal", "regular", "bargain")


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerBase:
    """Customers, one entry each.

    Args:
        frame: schema Customers.
        kind: index into `KINDS`, the rhythm of the day.
        activity: relative frequency of visits, mean 1.
        sensitivity: log of how much more than others the customer is drawn to deals.
        taste: weight of each leaf category, (n_customers, n_categories); rows sum to 1.
        region: index into `REGIONS`.
        channel: index of the usual channel.
    """

    frame: pl.DataFrame
    kind: IntArray
    activity: FloatArray
    sensitivity: FloatArray
    taste: FloatArray
    region: IntArray
    channel: IntArray

    def demand_share(self, category: IntArray, arm: IntArray, n_arms: int) -> FloatArray:
        """Share of the demand for items of each `category` (n,) that customers of each arm hold, (n_arms, n).

        `arm` (n_customers,) is the arm of each customer; some are more active than others, and have other tastes.
        """
        weight = self.activity[:, None] * self.taste
        held = np.stack([weight[arm == k].sum(axis=0) for k in range(n_arms)])
        return np.asarray((held / held.sum(axis=0))[:, category])

    def take(self, chosen: npt.NDArray[np.bool_]) -> CustomerBase:
        """Some of the customers."""
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name != "frame"}
        return CustomerBase(frame=self.frame.filter(chosen), **arrays)


def make_customers(config: MarketConfig, *, rng: np.random.Generator) -> CustomerBase:
    """Customers with few favorite categories, a daily rhythm, a region and a weakness for deals."""
    n = config.n_customers
    taste = rng.gamma(0.25, size=(n, len(CATEGORIES))) + 0.002
    activity = rng.lognormal(0.0, 1.0, n)
    sensitivity = rng.normal(0.0, 0.8, n)
    region = rng.choice(len(REGIONS), size=n, p=[0.2, 0.2, 0.15, 0.15, 0.3])
    segment = np.searchsorted([-0.5, 0.5], sensitivity)
    frame = pl.DataFrame(
        {
            Customers.customer_id.name: [f"c{k}" for k in range(n)],
            Customers.region.name: [REGIONS[k] for k in region],
            Customers.segment.name: [SEGMENTS[k] for k in segment],
            Customers.account_id.name: pl.Series([None] * n, dtype=pl.String),
        }
    )
    return CustomerBase(
        frame=Customers.validate(frame),
        kind=rng.choice(len(KINDS), size=n, p=[0.2, 0.3, 0.35, 0.15]),
        activity=activity / activity.mean(),
        sensitivity=sensitivity,
        taste=taste / taste.sum(axis=1, keepdims=True),
        region=region,
        channel=rng.choice(len(CHANNELS), size=n, p=_CHANNEL_FRAC),
    )
