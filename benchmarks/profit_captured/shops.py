"""The sale every row is asked to plan, and the shop it is planned for."""

from __future__ import annotations

from datetime import timedelta

from benchmarks.profit_captured.case import Case
from flashlift import market
from flashlift.domain import Campaign, Slot
from flashlift.limits import Appearances, MarginFloor

__all__ = ["campaign_of", "make_case"]


def campaign_of(shop: market.SimulatedShop) -> Campaign:
    """Two days, two slots of four hours a day, five positions each; every item at most once; 10 % margin kept."""
    slots = tuple(
        Slot(
            slot_id=f"day{day}-{hour}h",
            start=shop.now + timedelta(days=day, hours=hour),
            end=shop.now + timedelta(days=day, hours=hour + 4),
            positions=5,
        )
        for day in (1, 2)
        for hour in (10, 18)
    )
    return Campaign(
        slots=slots,
        ladder=(0.1, 0.15, 0.2, 0.25, 0.3, 0.4),
        limits=(Appearances(maximum=1), MarginFloor(margin_frac=0.1)),
    )


def make_case(world: str, seed: int, *, n_events: int, n_draws: int, randomized_frac: float) -> Case:
    """Simulate one shop up to the eve of its sale.

    Args:
        world: one of `market.WORLDS`.
        seed: of the shop, and of everything random in its rows.
        n_events: size of the log.
        n_draws: demand draws that estimators make.
        randomized_frac: share of past promotions drawn by lot.
    """
    config = market.MarketConfig.sized(n_events, world=world, randomized_frac=randomized_frac)
    shop = market.simulate(config, seed=seed)
    return Case(
        tables=shop.tables,
        items=shop.sale_items,
        campaign=campaign_of(shop),
        now=shop.now,
        n_draws=n_draws,
        seed=seed,
        shop=shop,
    )
