"""The rows of the limits that have a price, read again from the campaign, and what they take from an offer.

Part of the proof (`flashlift.planning.verify`): shares no code with the planner, only the names of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl

from flashlift.domain import Campaign
from flashlift.limits import Budget, CategoryCount
from flashlift.planning.finding import Broken
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["PricedRow", "Tolls", "priced_rows"]

Weight = Literal["offers", "discount", "quota"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRow:
    """A row of a limit and the price of one unit of its bound, in shop currency.

    Args:
        name: such as `positions[fri-20h]`.
        price: not negative for a maximum, not positive for a minimum.
        bound: of the row.
        items: rows of the items table that it counts, (n,); None: all.
        slot: the slot that it counts; None: all.
        weight: what it counts: offers, currency of discount, or units of quota.
    """

    name: str
    price: float
    bound: float
    items: IntArray | None
    slot: int | None
    weight: Weight

    def takes(self, item: int, slot: int, discount_cost: float, quota: float) -> float:
        """What the row takes from an offer, in shop currency."""
        inside = self.items is None or item in self.items
        if not inside or self.slot not in (None, slot):
            return 0.0
        return self.price * {"offers": 1.0, "discount": discount_cost, "quota": quota}[self.weight]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolls:
    """What all rows take together.

    Args:
        flat: from any offer, (n_items, n_slots).
        discount: per unit of currency of discount, (n_items, n_slots).
        quota: per unit of quota, (n_items, n_slots).
    """

    flat: FloatArray
    discount: FloatArray
    quota: FloatArray

    @classmethod
    def of(cls, rows: Sequence[PricedRow], n_items: int, n_slots: int) -> Tolls:
        """Sum of the rows."""
        parts = {weight: np.zeros((n_items, n_slots)) for weight in ("offers", "discount", "quota")}
        for row in rows:
            items = slice(None) if row.items is None else row.items
            slots = slice(None) if row.slot is None else slice(row.slot, row.slot + 1)
            parts[row.weight][items, slots] += row.price
        return cls(flat=parts["offers"], discount=parts["discount"], quota=parts["quota"])

    def of_offers(
        self, item: IntArray, slot: IntArray, units: FloatArray, given: FloatArray, quota: FloatArray
    ) -> FloatArray:
        """Taken from offers of `units` at `given` below list price, all (n,)."""
        taken: FloatArray = self.flat[item, slot] + units * given * self.discount[item, slot]
        return taken + quota * self.quota[item, slot]


def priced_rows(
    campaign: Campaign, items: pl.DataFrame, prices: pl.DataFrame
) -> tuple[list[PricedRow], tuple[Broken, ...]]:
    """Rows with a price, and what is wrong with a price: its sign, no number, or a row that the campaign has not.

    Args:
        campaign: slots and limits.
        items: table SaleItems.
        prices: `row` (its name) and `price`.
    """
    asked = {str(row): float(price) for row, price in prices.iter_rows()}
    rows: list[PricedRow] = []
    broken: list[Broken] = []

    def add(
        name: str,
        bound: float,
        *,
        upper: bool,
        inside: IntArray | None = None,
        slot: int | None = None,
        weight: Weight = "offers",
    ) -> None:
        price = asked.pop(name, 0.0)
        if not (0.0 <= price < np.inf if upper else -np.inf < price <= 0.0):
            broken.append(Broken(limit="sign of a price", where=name, amount=abs(price), unit="currency"))
        elif price:
            rows.append(PricedRow(name=name, price=price, bound=bound, items=inside, slot=slot, weight=weight))

    for number, slot in enumerate(campaign.slots):
        add(f"positions[{slot.slot_id}]", slot.positions, upper=True, slot=number)
    for limit in campaign.limits:
        match limit:
            case CategoryCount():
                path = limit.category.split("/")
                names = items[SaleItems.category.name]
                inside = np.flatnonzero([str(name or "").split("/")[: len(path)] == path for name in names])
                where: list[tuple[str, int | None]] = [(f"category[{limit.category}]", None)]
                if limit.per_slot:
                    where = [(f"category[{limit.category}, {s.slot_id}]", k) for k, s in enumerate(campaign.slots)]
                for name, place in where:
                    add(f"{name} minimum", limit.minimum, upper=False, inside=inside, slot=place)
                    if limit.maximum is not None:
                        add(f"{name} maximum", limit.maximum, upper=True, inside=inside, slot=place)
            case Budget():
                add("budget", limit.amount, upper=True, weight="discount")
            case _:
                pass  # how often an item appears is in the schedules, and what may run is in the table of offers
    row_of = {f"stock[{item}]": row for row, item in enumerate(items[SaleItems.item_id.name])}
    stock = items[SaleItems.stock.name].to_numpy()
    for name in [name for name in asked if name in row_of]:
        add(name, float(stock[row_of[name]]), upper=True, inside=np.array([row_of[name]]), weight="quota")
    unknown = [
        Broken(limit="known row", where=name, amount=abs(price), unit="currency") for name, price in asked.items()
    ]
    return rows, (*broken, *unknown)
