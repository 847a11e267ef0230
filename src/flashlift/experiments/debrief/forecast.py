"""What was forecast of the offers and of the shop around them, on draws."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.account import HORIZON_DAYS
from flashlift.domain import Campaign, Offer, Slot
from flashlift.protocols import DemandDraws, DemandModel, FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["Forecast", "around", "forecast"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """Draws of demand for some offers.

    Args:
        draws: of the campaign's slots.
        other: of the windows around the slots; None where nothing around them is over.
        windows: these windows: first those between the slots, then those after the last.
        between: how many of them lie between slots.
        item: row of each offer's item, (n_offers,).
        slot: index of each offer's slot, (n_offers,).
        wanted: units wanted at the planned price, unlimited by quota, (n_offers, n_draws).
        replaced: units that the slot sells without the sale, same shape.
    """

    draws: DemandDraws
    other: DemandDraws | None
    windows: tuple[Slot, ...]
    between: int
    item: IntArray
    slot: IntArray
    wanted: FloatArray
    replaced: FloatArray


def forecast(
    model: DemandModel,
    offers: Sequence[Offer],
    campaign: Campaign,
    items: pl.DataFrame,
    *,
    until: datetime,
    n_draws: int,
    rng: np.random.Generator,
) -> Forecast:
    """Ask the model. The state of `rng` that valued the plan gives the plan's own draws again.

    Args:
        model: as it was before the sale.
        offers: those to judge.
        campaign: theirs.
        items: table SaleItems that the plan was made from.
        until: end of what is known.
        n_draws: number of draws.
        rng: of the draws.
    """
    beside = rng.spawn(1)[0]
    windows, between = around(campaign.slots, until)
    draws = model.draw(items, campaign.slots, n_draws, rng=rng)
    row = {item_id: k for k, item_id in enumerate(items[SaleItems.item_id.name])}
    column = {slot.slot_id: k for k, slot in enumerate(campaign.slots)}
    item = np.array([row[offer.item_id] for offer in offers], dtype=np.int64)
    slot = np.array([column[offer.slot_id] for offer in offers], dtype=np.int64)
    list_price = items[SaleItems.list_price.name].to_numpy()[item]
    price = np.array([offer.price for offer in offers])
    return Forecast(
        draws=draws,
        other=model.draw(items, windows, n_draws, rng=beside) if windows else None,
        windows=tuple(windows),
        between=between,
        item=item,
        slot=slot,
        wanted=draws.units(item, slot, 1.0 - price / list_price),
        replaced=draws.units(item, slot, np.zeros(len(item))),
    )


def around(slots: Sequence[Slot], until: datetime) -> tuple[list[Slot], int]:
    """Windows that no slot covers, from the first slot on: those between slots, then weeks after the last one.

    Weeks are cut off where the log or the account's horizon ends. Second: how many lie between slots.
    """
    start, end = min(s.start for s in slots), max(s.end for s in slots)
    gaps: list[tuple[datetime, datetime]] = []
    at = start
    for slot in sorted(slots, key=lambda s: s.start):
        if slot.start > at:
            gaps.append((at, slot.start))
        at = max(at, slot.end)
    gaps = [(a, b) for a, b in gaps if b <= until]
    between, last = len(gaps), min(until, end + timedelta(days=HORIZON_DAYS))
    while end < last:
        gaps.append((end, min(end + timedelta(days=7), last)))
        end = gaps[-1][1]
    return [Slot(slot_id=f"window {k}", start=a, end=b, positions=1) for k, (a, b) in enumerate(gaps)], between
