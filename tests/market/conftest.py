from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import numpy as np
import pytest
from tests.market.offers import offer

from flashlift.domain import Offer, Slot
from flashlift.market import MarketConfig, SimulatedShop, simulate

MakeOffers = Callable[..., list[Offer]]


@pytest.fixture(scope="session")
def shop() -> SimulatedShop:
    return simulate(MarketConfig.sized(60_000), seed=4)


@pytest.fixture(scope="session")
def slots(shop: SimulatedShop) -> list[Slot]:
    first = shop.now + timedelta(days=3, hours=18)
    return [
        Slot(
            slot_id=f"s{k}",
            start=first + timedelta(days=k),
            end=first + timedelta(days=k, hours=8),  # past midnight
            positions=20,
        )
        for k in range(2)
    ]


@pytest.fixture(scope="session")
def offers_of(shop: SimulatedShop) -> MakeOffers:
    def make(rows: Sequence[int], slot_id: str = "s0", discount: float = 0.2, quota: int = 10_000) -> list[Offer]:
        return [offer(shop, row, slot_id, discount, quota) for row in rows]

    return make


@pytest.fixture(scope="session")
def best(shop: SimulatedShop) -> list[int]:
    """Rows of the twelve best sellers that have plenty of stock."""
    ample = shop.past.on_hand[-1] > 60 * shop.items.rate
    return np.argsort(np.where(ample, -shop.items.rate, 0.0))[:12].tolist()
