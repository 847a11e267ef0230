"""What of a sale can be judged: slots that are over, items that the shop has, offers that the log knows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Offer, Plan, Slot
from flashlift.errors import InputError, InsufficientDataError
from flashlift.experiments.debrief.forecast import Forecast
from flashlift.experiments.debrief.happened import NOT_RUN, UNSEEN
from flashlift.schema import ItemHistory, SaleItems, Tables

__all__ = ["known_items", "over", "told_stock", "unseen"]

NEVER = 0.01  # chance of no sale at all, below which an offer without any event is taken not to have run


def over(plan: Plan, campaign: Campaign, until: datetime, notes: list[str]) -> tuple[list[Slot], list[Offer]]:
    """Slots that are over, and their offers; a note says what is left out.

    Raises:
        InputError: the plan is empty.
        InsufficientDataError: no slot is over.
    """
    if not plan.offers:
        raise InputError("The plan holds no offers, so there is nothing to debrief.")
    used = {offer.slot_id for offer in plan.offers}
    every = [slot for slot in campaign.slots if slot.slot_id in used]
    slots = [slot for slot in every if slot.end <= until]
    if not slots:
        first = min(every, key=lambda slot: slot.end)
        state = "before the sale began" if until <= min(s.start for s in every) else "before its first slot was over"
        raise InsufficientDataError(
            f"The log ends {until:%Y-%m-%d %H:%M} UTC, {state} ({first.slot_id} runs {first.start:%Y-%m-%d %H:%M} to "
            f"{first.end:%Y-%m-%d %H:%M}). Ingest the log of the sale, then debrief."
        )
    if len(slots) < len(every):
        notes.append(
            f"The sale is not over: {len(slots)} of {len(every)} slots are, and only their offers are judged. Planned "
            "figures are those of these offers."
        )
    names = {slot.slot_id for slot in slots}
    return slots, [offer for offer in plan.offers if offer.slot_id in names]


def known_items(offers: Sequence[Offer], tables: Tables, notes: list[str]) -> None:
    """Note items that the shop does not have.

    Raises:
        InputError: it has none of them.
    """
    known = set(tables.items[SaleItems.item_id.name])
    missing = sorted({offer.item_id for offer in offers} - known)
    if not missing:
        return
    if len(missing) == len({offer.item_id for offer in offers}):
        raise InputError(
            f"None of the plan's items ({missing[0]!r} ...) is in the shop's log. Give the plan of this shop, or "
            "ingest its log."
        )
    notes.append(
        f"{len(missing)} items of the plan are not in the shop any more: {', '.join(missing[:5])}. They count as sold "
        "nothing."
    )


def unseen(facts: pl.DataFrame, expected: Forecast, notes: list[str]) -> pl.DataFrame:
    """Offers of which the log holds nothing: not run where so little is no chance, else run without a sale."""
    silent = (expected.wanted == 0).mean(axis=1) < NEVER
    unseen = (facts["status"] == UNSEEN).to_numpy()
    if unseen.any():
        gone, quiet = int((unseen & silent).sum()), int((unseen & ~silent).sum())
        if gone:
            notes.append(f"{gone} offers left no event at all where sales were all but sure: taken not to have run.")
        if quiet:
            notes.append(
                f"{quiet} offers left no event; so few sales were expected that they may have run all the same."
            )
    status = np.where(unseen, np.where(silent, NOT_RUN, "ran"), facts["status"].to_numpy())
    return facts.with_columns(status=pl.Series(status.tolist(), dtype=pl.String))


def told_stock(tables: Tables, slots: Sequence[Slot], notes: list[str]) -> None:
    """Note where no stock record tells which shelves were empty."""
    start = min(slot.start for slot in slots)
    if (
        tables.history is None
        or tables.history.filter(ItemHistory.at.col >= start, ItemHistory.on_hand.col.is_not_null()).is_empty()
    ):
        notes.append(
            "The log holds no stock record since the sale began. A shelf that was empty shows only where a quota was "
            "reached or sales ceased early; any other one is counted as a weak response."
        )
