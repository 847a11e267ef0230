"""Who buys and what is sold: customers with tastes, items with the truth about them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.market.accounts import Accounts, make_accounts
from flashlift.market.config import MarketConfig
from flashlift.market.response import LogLinear
from flashlift.market.rhythm import KINDS
from flashlift.market.stores import Chain, make_chain
from flashlift.market.ties import Friends, make_friends
from flashlift.market.words import BRANDS, BUSINESS, CATEGORIES, ONLINE, QUALITIES, REGIONS, SEGMENTS
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Customers, Items

__all__ = ["CustomerBase", "ItemBase", "make_customers", "make_items"]

_CHANNEL_FRAC = (0.5, 0.42, 0.08)
_LEAST_ELASTIC, _MOST_ELASTIC = -0.6, -5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemBase:
    """Items, one entry each, in the order of their row numbers.

    Args:
        frame: schema Items, `stock` still null.
        category: index of the leaf category.
        list_price: price outside sales.
        unit_cost: purchase cost of a unit.
        rate: units per day at list price on a normal day.
        arrival: day of the log on which the item was first sold; 0 for those already there.
    """

    frame: pl.DataFrame
    category: IntArray
    list_price: FloatArray
    unit_cost: FloatArray
    rate: FloatArray
    arrival: IntArray

    def __len__(self) -> int:
        return len(self.category)

    def price(self, discount: FloatArray, item: IntArray | None = None) -> FloatArray:
        """Price to the cent at a discount of the list price, of all items (..., n_items) or of `item` (n,)."""
        list_price = self.list_price if item is None else self.list_price[item]
        return np.asarray(np.maximum(np.round(list_price * (1.0 - discount), 2), 0.01))


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


def make_items(config: MarketConfig, units_total: float, *, rng: np.random.Generator) -> tuple[ItemBase, LogLinear]:
    """Items and their true response; the log is expected to hold about `units_total` units."""
    n = config.n_items
    category = rng.integers(len(CATEGORIES), size=n)
    quality = rng.integers(len(QUALITIES), size=n)
    factor, shift = np.array(list(QUALITIES.values())).T
    median = np.array([price for price, _ in CATEGORIES.values()])
    list_price = np.floor(median[category] * factor[quality] * rng.lognormal(0.0, 0.35, n)) + 0.99
    arrival = np.where(rng.random(n) < config.new_item_frac, rng.integers(14, config.days - 7, n), 0)
    popularity = rng.lognormal(0.0, 1.3, n)
    rate = popularity * units_total / (popularity * (config.days - arrival)).sum()

    between = rng.normal(0.0, config.elasticity_sd / 2, len(CATEGORIES))
    elasticity = config.elasticity_mean + between[category] + shift[quality] + rng.normal(0.0, config.elasticity_sd, n)
    response = LogLinear(
        elasticity=np.clip(elasticity, _MOST_ELASTIC, _LEAST_ELASTIC),
        lift=np.maximum(config.lift_mean * rng.lognormal(0.0, config.lift_sd, n), 1.0),
        pull=rng.uniform(config.pull_lower, config.pull_upper, n),
    )
    base = ItemBase(
        frame=_item_frame(category, quality, list_price, unit_cost := _cost(list_price, rng), rng),
        category=category,
        list_price=list_price,
        unit_cost=unit_cost,
        rate=rate,
        arrival=arrival,
    )
    return base, response


def _cost(list_price: FloatArray, rng: np.random.Generator) -> FloatArray:
    return np.asarray(np.round(list_price * rng.uniform(0.45, 0.75, len(list_price)), 2))


def _item_frame(
    category: IntArray, quality: IntArray, list_price: FloatArray, unit_cost: FloatArray, rng: np.random.Generator
) -> pl.DataFrame:
    n = len(category)
    paths, adjectives = list(CATEGORIES), list(QUALITIES)
    nouns = [nouns for _, nouns in CATEGORIES.values()]
    # A brand is at home in few categories, so that brand and category tell about each other.
    brand = (category * 5 + rng.integers(6, size=n)) % len(BRANDS)
    noun = rng.random(n)
    title = [
        f"{BRANDS[b]} {adjectives[q]} {nouns[c][int(x * len(nouns[c]))]}"
        for b, q, c, x in zip(brand, quality, category, noun, strict=True)
    ]
    frame = pl.DataFrame(
        {
            Items.item_id.name: [f"i{k}" for k in range(n)],
            Items.title.name: title,
            Items.category.name: [paths[c] for c in category],
            Items.brand.name: [BRANDS[b] for b in brand],
            Items.list_price.name: list_price,
            Items.unit_cost.name: unit_cost,
            Items.stock.name: pl.Series([None] * n, dtype=pl.Int64),
            Items.attributes.name: [f'{{"quality": "{adjectives[q].lower()}"}}' for q in quality],
        }
    )
    return Items.validate(frame)


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
