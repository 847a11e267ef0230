"""Who buys: customers with tastes, a rhythm, a region and a weakness for deals."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.market.accounts import Accounts, make_accounts
from flashlift.market.config import MarketConfig
from flashlift.market.rhythm import KINDS
from flashlift.market.stores import Chain, make_chain
from flashlift.market.ties import Friends, make_friends
from flashlift.market.words import BUSINESS, CATEGORIES, ONLINE, REGIONS, SEGMENTS
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Customers

__all__ = ["CustomerBase", "make_customers"]

_CHANNEL_FRAC = (0.5, 0.42, 0.08)


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerBase:
    """Customers, one entry each.

    Args:
        frame: schema Customers.
        kind: index into `KINDS`, the rhythm of the day.
        activity: relative frequency of private visits, mean 1 over all; 0 for who buys for a business.
        sensitivity: log of how much more than others the customer is drawn to deals.
        taste: weight of each leaf category, (n_customers, n_categories); rows sum to 1.
        region: index into `REGIONS`.
        channel: index of the usual channel.
        accounts: who buys for a business; None without business customers.
        friends: who knows whom; None without social ties.
        chain: the stores; None without stores.
    """

    frame: pl.DataFrame
    kind: IntArray
    activity: FloatArray
    sensitivity: FloatArray
    taste: FloatArray
    region: IntArray
    channel: IntArray
    accounts: Accounts | None = None
    friends: Friends | None = None
    chain: Chain | None = None

    @property
    def parts(self) -> FloatArray:
        """Share of units sold online, to businesses and in stores, (2: weekday and weekend, 3); rows sum to 1."""
        store = self.chain.frac if self.chain else 0.0
        business = np.array([self.accounts.unit_frac if self.accounts else 0.0, 0.0])  # offices rest at the weekend
        return np.stack([(1.0 - business) * (1.0 - store), business, (1.0 - business) * store], axis=1)

    def demand_share(self, category: IntArray, arm: IntArray, n_arms: int) -> FloatArray:
        """Share of the demand for items of each `category` (n,) that customers of each arm hold, (n_arms, n).

        `arm` (n_customers,) is the arm of each customer; some are more active than others, and have other tastes.
        Businesses hold their share of a week in all categories alike.
        """
        weight = self.activity[:, None] * self.taste
        held = np.stack([weight[arm == k].sum(axis=0) for k in range(n_arms)])
        held = held / held.sum(axis=0)
        if self.accounts:
            business = np.average(self.parts[:, 1], weights=(5, 2))
            ordered = np.bincount(arm[self.accounts.buyer], self.accounts.weight, minlength=n_arms)
            held = (1.0 - business) * held + business * ordered[:, None]
        return np.asarray(held[:, category])

    def take(self, chosen: npt.NDArray[np.bool_]) -> CustomerBase:
        """Some of the customers, with their accounts and stores, and the ties among them."""
        whole = ("frame", "accounts", "friends", "chain")
        arrays = {f.name: getattr(self, f.name)[chosen] for f in fields(self) if f.name not in whole}
        private = float(self.activity[chosen].sum() / self.activity.sum())
        return CustomerBase(
            frame=self.frame.filter(chosen),
            accounts=self.accounts.take(chosen, private) if self.accounts else None,
            friends=self.friends.take(chosen) if self.friends else None,
            chain=replace(self.chain, home=self.chain.home[chosen]) if self.chain else None,
            **arrays,
        )


def make_customers(config: MarketConfig, *, rng: np.random.Generator) -> CustomerBase:
    """Customers with few favorite categories, a daily rhythm, a region and a weakness for deals."""
    n = config.n_customers
    business, social, street = rng.spawn(3)
    taste = rng.gamma(0.25, size=(n, len(CATEGORIES))) + 0.002
    activity = rng.lognormal(0.0, 1.0, n)
    sensitivity = rng.normal(0.0, 0.8, n)
    region = rng.choice(len(REGIONS), size=n, p=[0.2, 0.2, 0.15, 0.15, 0.3])
    kind = rng.choice(len(KINDS), size=n, p=[0.2, 0.3, 0.35, 0.15])
    channel = rng.choice(len(ONLINE), size=n, p=_CHANNEL_FRAC)
    accounts = make_accounts(config.account_frac, activity, rng=business)
    if accounts:
        activity[accounts.buyer] = 0.0
        region[accounts.buyer] = region[accounts.buyer[accounts.founder]]  # an account has one place
    frame = _customer_frame(region, sensitivity, accounts)
    ids, favorite = frame[Customers.customer_id.name], taste.argmax(axis=1)
    return CustomerBase(
        frame=frame,
        kind=kind,
        activity=activity / activity.mean(),
        sensitivity=sensitivity,
        taste=taste / taste.sum(axis=1, keepdims=True),
        region=region,
        channel=channel,
        accounts=accounts,
        friends=make_friends(config.ties_mean, ids, region, favorite, kind, rng=social),
        chain=make_chain(config.store_frac, region, rng=street),
    )


def _customer_frame(region: IntArray, sensitivity: FloatArray, accounts: Accounts | None) -> pl.DataFrame:
    segment = np.array(SEGMENTS, dtype=object)[np.searchsorted([-0.5, 0.5], sensitivity)]
    account = np.full(len(region), None)
    if accounts:
        segment[accounts.buyer] = BUSINESS
        account[accounts.buyer] = [f"a{k}" for k in accounts.account]
    frame = pl.DataFrame(
        {
            Customers.customer_id.name: [f"c{k}" for k in range(len(region))],
            Customers.region.name: [REGIONS[k] for k in region],
            Customers.segment.name: pl.Series(segment.tolist(), dtype=pl.String),
            Customers.account_id.name: pl.Series(account.tolist(), dtype=pl.String),
        }
    )
    return Customers.validate(frame)
