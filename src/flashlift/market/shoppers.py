"""Private customers: who of them visits in a window, when, and who of the visitors buys or looks at what."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from flashlift.market.population import CustomerBase
from flashlift.market.rhythm import KINDS, STORE, STORE_HOURS, hour_profiles, seconds_of_day
from flashlift.market.stores import Chain
from flashlift.market.visits import BROWSE, BUY, COLLECT, Visits, Window
from flashlift.market.words import CHANNELS
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Shoppers"]

_PAIR_FRAC = 0.16  # of the possible pairs of units, how many are one order of two
_EPISODES_PER_VISIT = 3.0
_LINES_PER_STORE_VISIT = 1.4


class Shoppers:
    """Private customers, ready to be sampled.

    Args:
        customers: everybody; whoever buys for a business has no activity of his own.
        category: leaf category of each item.
    """

    def __init__(self, customers: CustomerBase, category: IntArray) -> None:
        self._customers, self._category = customers, category
        self._profiles = hour_profiles()
        self._open = np.tile(STORE, (len(KINDS), 1))
        self._deal_taste = customers.taste * np.exp(customers.sensitivity)[:, None]

    def online(self, window: Window, sold: IntArray, *, rng: np.random.Generator) -> Visits | None:
        """Visits online that buy `sold` units of the items and look around; None where nothing happens."""
        item, quantity = _orders(sold, rng)
        looks = rng.poisson(window.looks)
        item = np.concatenate([item, np.repeat(np.arange(len(looks)), looks)])
        quantity = np.concatenate([quantity, np.zeros(looks.sum(), dtype=np.int64)])
        if not len(item):
            return None
        customer, begins = self._visitors(
            len(item) / _EPISODES_PER_VISIT, self._profiles[window.weekend], window.within, rng
        )
        return Visits.within(
            window.bounds(),
            customer=customer,
            begins=begins,
            visit=self._who(customer, item, window.discount[item] > 0, rng),
            item=item,
            quantity=quantity,
            manner=np.where(quantity > 0, BUY, BROWSE),
        )

    def in_stores(self, chain: Chain, window: Window, sold: IntArray, *, rng: np.random.Generator) -> Visits:
        """Visits of customers to their store that buy `sold` units, of which there is at least one."""
        item, quantity = _orders(sold, rng)
        customer, begins = self._visitors(len(item) / _LINES_PER_STORE_VISIT, self._open, window.within, rng)
        return Visits.within(
            window.bounds(*STORE_HOURS),
            customer=customer,
            begins=begins,
            visit=self._who(customer, item, window.discount[item] > 0, rng),
            item=item,
            quantity=quantity,
            manner=np.full(len(item), COLLECT),
            channel=CHANNELS.index("store"),
            store=chain.home[customer],
        )

    def _visitors(
        self, n: float, profile: FloatArray, within: FloatArray, rng: np.random.Generator
    ) -> tuple[IntArray, FloatArray]:
        """Customers who visit, about `n`, and the second of the day when each begins."""
        customers = self._customers
        weight = customers.activity * (profile * within).sum(axis=1)[customers.kind]
        visitor = np.flatnonzero(rng.random(len(weight)) < n * weight / weight.sum())
        if not len(visitor):
            visitor = rng.choice(len(weight), size=1, p=weight / weight.sum())
        return visitor, seconds_of_day(profile, customers.kind[visitor], within, rng)

    def _who(
        self, visitor: IntArray, item: IntArray, deal: npt.NDArray[np.bool_], rng: np.random.Generator
    ) -> IntArray:
        """Place in `visitor` of the customer of each episode: taste for the category, and for deals where it is one."""
        taste = np.hstack([self._customers.taste[visitor], self._deal_taste[visitor]])
        cumulative = taste.cumsum(axis=0)
        cumulative /= cumulative[-1]
        kinds = taste.shape[1]
        column = self._category[item] + deal * (kinds // 2)
        ladder = (cumulative + np.arange(kinds)).T.ravel()  # one search in all columns at once
        found = np.searchsorted(ladder, column + rng.random(len(item)), side="right") - column * len(visitor)
        return np.asarray(found.clip(0, len(visitor) - 1))


def _orders(sold: IntArray, rng: np.random.Generator) -> tuple[IntArray, IntArray]:
    """Item and units of each order line: mostly one, sometimes two."""
    pairs = rng.binomial(sold // 2, _PAIR_FRAC)
    singles = sold - 2 * pairs
    every = np.arange(len(sold))
    item = np.concatenate([np.repeat(every, singles), np.repeat(every, pairs)])
    return item, np.repeat(np.array([1, 2]), [singles.sum(), pairs.sum()])
