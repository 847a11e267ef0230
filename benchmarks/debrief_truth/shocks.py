"""What goes otherwise than anybody could forecast, one thing at a time, in a shop whose past stays as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from flashlift.domain import Offer
from flashlift.market import SimulatedShop
from flashlift.market.law import PriceResponse
from flashlift.protocols import FloatArray, IntArray

__all__ = ["REASON", "SHOCKS", "shocked"]

TRAFFIC = 0.7  # of the usual customers
RESPONSE = 0.5  # of the discount and of the attention that customers notice
STOCK = 0.5  # of the units that an offer was expected to sell
REFUNDS = 0.25  # of orders; 5 % are planned


@dataclass(frozen=True, slots=True, kw_only=True)
class Flat:
    """Customers notice only a share of a discount."""

    usual: PriceResponse
    share: float

    @property
    def memory(self) -> float:
        return self.usual.memory

    def factor(self, item: IntArray, discount: FloatArray, reference: FloatArray) -> FloatArray:
        return self.usual.factor(item, self.share * np.asarray(discount), reference)

    def scar(self, lift: FloatArray) -> FloatArray:
        return self.usual.scar(lift)


def _as_usual(shop: SimulatedShop, _: Sequence[Offer]) -> SimulatedShop:
    return shop


def _traffic(shop: SimulatedShop, _: Sequence[Offer]) -> SimulatedShop:
    return replace(shop, items=replace(shop.items, rate=TRAFFIC * shop.items.rate))


def _response(shop: SimulatedShop, _: Sequence[Offer]) -> SimulatedShop:
    law = shop.law
    lift = 1.0 + RESPONSE * (law.lift - 1.0)
    return replace(shop, law=replace(law, price=Flat(usual=law.price, share=RESPONSE), lift=lift))


def _stock(shop: SimulatedShop, offers: Sequence[Offer]) -> SimulatedShop:
    row = {item_id: k for k, item_id in enumerate(shop.items.frame["item_id"])}
    left = shop.past.on_hand.copy()
    wanted: dict[int, float] = {}
    for offer in offers:
        wanted[row[offer.item_id]] = wanted.get(row[offer.item_id], 0.0) + offer.expected_units
    for item, units in wanted.items():
        left[-1, item] = min(left[-1, item], max(1, round(STOCK * units)))
    return replace(shop, past=replace(shop.past, on_hand=left))


def _returns(shop: SimulatedShop, _: Sequence[Offer]) -> SimulatedShop:
    return replace(shop, config=replace(shop.config, refund_frac=REFUNDS))


SHOCKS: Mapping[str, Callable[[SimulatedShop, Sequence[Offer]], SimulatedShop]] = {
    "none": _as_usual,
    "traffic": _traffic,
    "response": _response,
    "stock": _stock,
    "returns": _returns,
}
"""Name of each shock and what it makes of the shop on the eve of the sale."""

REASON = {"traffic": "traffic", "response": "response", "stock": "sell-out", "returns": "returns"}
"""The part of the gap that a shock should be found in."""


def shocked(shop: SimulatedShop, shock: str, offers: Sequence[Offer]) -> SimulatedShop:
    """The shop as it will be during the sale."""
    return SHOCKS[shock](shop, offers)
