"""Offers at a shop's own prices."""

from __future__ import annotations

import numpy as np

from flashlift.domain import Offer
from flashlift.market import SimulatedShop


def offer(shop: SimulatedShop, row: int, slot_id: str = "s0", discount: float = 0.2, quota: int = 10_000) -> Offer:
    return Offer(
        item_id=f"i{row}",
        slot_id=slot_id,
        discount_frac=discount,
        price=float(shop.items.price(np.array([discount]), np.array([row]))[0]),
        quota=quota,
        expected_units=0.0,
        expected_value=0.0,
    )
