"""The rows of the limits that have a price, read again from the campaign, and what they take from an offer.

Part of the proof (`flashlift.planning.verify`): shares no code with the planner, only the names of the rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import polars as pl

from flashlift.domain import Campaign
from flashlift.planning.finding import Broken
from flashlift.planning.verify_rows import Weight, rows, stock_rows
from flashlift.protocols import FloatArray, IntArray

__all__ = ["PricedRow", "Tolls", "priced_rows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PricedRow:
    """A row of a limit and the price of one unit of its bound, in shop currency.

    Args:
        name: such as `positions[fri-20h]`.
        price: not negative for a maximum, not positive for a minimum.
        bound: of the row.
        items: rows of the items table that it counts, in rising order, (n,).
        factor: how often it counts them, (n,).
        slots: the slots that it counts, (m,).
        weight: what it counts: offers, currency of discount, or units of quota.
    """

    name: str
    price: float
    bound: float
    items: IntArray
    factor: FloatArray
    slots: IntArray
    weight: Weight

    def takes(self, item: int, slot: int, discount_cost: float, quota: float) -> float:
        """What the row takes from an offer, in shop currency."""
        at = int(np.searchsorted(self.items, item))
        if at == len(self.items) or self.items[at] != item or slot not in self.slots:
            return 0.0
        amount = {"offers": 1.0, "discount": discount_cost, "quota": quota}[self.weight]
        return float(self.price * self.factor[at] * amount)


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
            parts[row.weight][np.ix_(row.items, row.slots)] += row.price * row.factor[:, None]
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
    """Rows with a price, and what is wrong with a price: sign, size beyond a penalty, or a row the campaign has not.

    Args:
        campaign: slots and limits.
        items: table SaleItems.
        prices: `row` (its name) and `price`.
    """
    asked = {str(row): float(price) for row, price in prices.iter_rows()}
    stock = stock_rows(campaign, items, set(asked))
    priced: list[PricedRow] = []
    broken: list[Broken] = []
    for row in chain(rows(campaign, items), stock):
        price = asked.pop(row.name, 0.0)
        most = np.inf if row.penalty is None else row.penalty
        if not (0.0 <= price < np.inf if row.upper else -np.inf < price <= 0.0):
            broken.append(Broken(limit="sign of a price", where=row.name, amount=abs(price), unit="currency"))
        elif abs(price) > most * (1.0 + 1e-12):  # to break the limit would be cheaper, so that the bound would not hold
            broken.append(Broken(limit="penalty", where=row.name, amount=abs(price) - most, unit="currency"))
        elif price:
            counted = np.flatnonzero(row.takes)
            priced.append(
                PricedRow(
                    name=row.name,
                    price=price,
                    bound=row.bound,
                    items=counted,
                    factor=row.takes[counted],
                    slots=np.flatnonzero(row.slots),
                    weight=row.weight,
                )
            )
    unknown = [
        Broken(limit="known row", where=name, amount=abs(price), unit="currency") for name, price in asked.items()
    ]
    return priced, (*broken, *unknown)
