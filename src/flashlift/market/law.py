"""The law of demand in a world: a handful of mechanisms, each replaceable on its own.

Units of an item in a window are Poisson with mean

    normal units x price(discount, reference) x shown(attention) x choice(rivals)

and a share of the units that a sale adds is missing in the days before and after it. A world is the list of
mechanisms that turn the plainest law into its own (see `flashlift.market.worlds`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from flashlift.market.config import MarketConfig
from flashlift.market.items import ItemBase
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Attention", "Choice", "Independent", "Law", "Mechanism", "PriceResponse", "Undivided", "World"]

MEDIAN_STEP = 0.2  # the middle of the usual ladder of discounts


class PriceResponse(Protocol):
    """How demand answers to a price, visibility and rivals unchanged."""

    @property
    def memory(self) -> float:
        """Weight of yesterday's reference price against yesterday's price, in [0, 1)."""
        ...

    def factor(self, item: IntArray, discount: FloatArray, reference: FloatArray) -> FloatArray:
        """Factor on normal demand; never falls with the discount. All arguments broadcast.

        `reference` is the price that customers are used to, as a fraction of the list price.
        """
        ...

    def scar(self, lift: FloatArray) -> FloatArray:
        """Units lost later at list price, per extra unit of a sale, because customers got used to less; (n_items,)."""
        ...


class Attention(Protocol):
    """How the deals that are live at one moment share the attention that they draw."""

    def share(self, depth: FloatArray, position: IntArray | None) -> FloatArray:
        """Attention of each of the deals (n,), relative to a deal that is alone in it; above 0.

        `position` counts from 1; None: all positions alike.
        """
        ...


class Choice(Protocol):
    """How items of one group compete."""

    @property
    def outside(self) -> float:
        """Share of a group's customers who buy nothing at list prices, in (0, 1]; 1: items do not compete."""
        ...

    def factor(self, group: IntArray, base: FloatArray, appeal: FloatArray) -> FloatArray:
        """Factor on each item's demand that its group's state causes, (n, ...).

        `group` (n,) numbers the groups, `base` (n, ...) is expected units at list price with all items on the shelf,
        `appeal` (n, ...) the item's own factor: 1 as usual, 0 when sold out.
        """
        ...


@dataclass(frozen=True, slots=True)
class Undivided:
    """Every deal is seen as if it were alone."""

    def share(self, depth: FloatArray, position: IntArray | None) -> FloatArray:
        """1 for every deal."""
        return np.ones(len(depth))


@dataclass(frozen=True, slots=True)
class Independent:
    """Items do not compete."""

    outside: float = 1.0

    def factor(self, group: IntArray, base: FloatArray, appeal: FloatArray) -> FloatArray:
        """1 for every item."""
        return np.ones_like(base)


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """The mechanisms of one world, with the parameters of its items.

    Args:
        price: response to price.
        lift: factor from being shown in a sale with undivided attention, at least 1, (n_items,).
        pull: share of extra units that is missing in the weeks after, in [0, 1], (n_items,).
        wait: share of extra units that is missing in the days before, in [0, 1], (n_items,).
        notice_days: how long before its start a sale is known to customers.
        attention: how deals share attention.
        choice: how items of one group compete.
        cover: factor on the days of demand that the merchant keeps in stock.
    """

    price: PriceResponse
    lift: FloatArray
    pull: FloatArray
    wait: FloatArray
    notice_days: int = 0
    attention: Attention = Undivided()
    choice: Choice = Independent()
    cover: float = 1.0

    def appeal(
        self, item: IntArray, discount: FloatArray, reference: FloatArray, attention: FloatArray | float = 1.0
    ) -> FloatArray:
        """Own factor of an item in a sale on its demand outside sales, at least 1; 1 without a discount."""
        none = np.zeros_like(discount)
        price = self.price.factor(item, discount, reference) / self.price.factor(item, none, reference)
        return np.asarray(np.where(discount > 0.0, (1.0 + (self.lift[item] - 1.0) * attention) * price, 1.0))

    def missing(self, item: IntArray, extra: FloatArray) -> FloatArray:
        """Units missing before and after, as `extra` (n, ...) units of `item` (n,) were sold; none if not positive."""
        share = np.minimum(self.pull + self.wait + self.price.scar(self.lift), 1.0)[item]
        return np.asarray(share.reshape(-1, *[1] * (extra.ndim - 1)) * np.maximum(extra, 0.0))


Mechanism = Callable[[Law, MarketConfig, ItemBase, np.random.Generator], Law]


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A way in which demand may really work.

    Args:
        assumes: what is assumed, and why, in a sentence or two.
        mechanisms: what is changed in the plainest law, in this order; each has a stream of random numbers of its own.
    """

    assumes: str
    mechanisms: tuple[Mechanism, ...]
