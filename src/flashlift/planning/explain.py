"""Why this item at this price, why not that one, and what each limit costs: the prices of a certificate, in words.

At the prices of the limits an offer is worth its expected profit (or what else the campaign's goal makes of it) less
what it takes from them (its reduced value). What is in the plan is worth more than nothing at these prices, what is not
in it less than the best other use of its place, up to the gap of the plan: a plan of binary choices may differ from its
prices by so much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Offer, Plan
from flashlift.errors import InputError
from flashlift.planning.certificate import Certificate
from flashlift.planning.closed import closed_by
from flashlift.planning.tolls import PricedRow, Tolls, priced_rows
from flashlift.schema import SaleItems

__all__ = ["Explained", "explain"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A plan explained.

    Args:
        limits: what one more unit of each row that binds is worth: `row`, `price`, `bound`, `unit`; the dearest first.
        plan: the plan.
        campaign: its limits.
        items: table SaleItems.
    """

    limits: pl.DataFrame
    plan: Plan
    campaign: Campaign
    items: pl.DataFrame
    _offers: pl.DataFrame
    _rows: Sequence[PricedRow]

    def item(self, item_id: str) -> str:
        """Why the item is in the plan, and at this price, or what would have to change for it to enter.

        Raises:
            InputError: the item is not in the campaign's catalog.
        """
        row = self.items[SaleItems.item_id.name].index_of(item_id)
        if row is None:
            raise InputError(
                f"Item {item_id} is not among the {self.items.height:,} items that the plan chose from (those that "
                "sold most, campaign.candidates). Check its spelling, or raise that number."
            )
        mine = self._offers.filter(pl.col("item") == row)
        if not mine.height:
            return f"{item_id} could not run: {closed_by(self.campaign, self.items, row)}."
        chosen = [offer for offer in self.plan.offers if offer.item_id == item_id]
        if chosen:
            return " ".join(self._inside(offer, row, mine) for offer in chosen)
        return self._outside(item_id, row, mine)

    def entering(self, n: int = 10) -> pl.DataFrame:
        """The items outside the plan that are nearest to entering, each with its best offer.

        Returns:
            `item_id`, `slot_id`, `price`, `value` (expected profit, or worth for another goal), `short` (by how much
            more it would have to earn).
        """
        ids, slots = self.items[SaleItems.item_id.name], [slot.slot_id for slot in self.campaign.slots]
        inside = {offer.item_id for offer in self.plan.offers}
        best = self._offers.sort("worth", "item", descending=[True, False]).unique("item", keep="first")
        best = best.with_columns(item_id=ids.gather(best["item"]), slot_id=pl.Series(slots).gather(best["slot"]))
        outside = best.filter(~pl.col("item_id").is_in(list(inside))).sort("worth", "item", descending=[True, False])
        short = (0.0 - pl.col("worth")).clip(0.0) + 0.0  # no -0
        return outside.head(n).select("item_id", "slot_id", "price", "value", short=short)

    @property
    def _earns(self) -> str:
        return "earns" if self.campaign.profit_alone else "is worth"

    def _inside(self, offer: Offer, row: int, mine: pl.DataFrame) -> str:
        slot = [one.slot_id for one in self.campaign.slots].index(offer.slot_id)
        cells = mine.filter(pl.col("slot") == slot).sort("worth", descending=True)
        here = cells.filter((pl.col("price") - offer.price).abs() < 0.005).row(0, named=True)
        text = (
            f"{offer.item_id} runs in {offer.slot_id} at {offer.price:.2f} ({offer.discount_frac:.0%} off): it "
            f"{self._earns} {here['value']:.2f}{self._taken(row, slot, here)}. "
        )
        if here["worth"] >= 0.0:
            text += f"That is {here['worth']:.2f} more than its place is worth to others."
        else:
            text += f"That is {-here['worth']:.2f} short of it, and fills what whole offers leave of the limits."
        others = cells.filter((pl.col("price") - offer.price).abs() >= 0.005)
        if others.height:
            next_price = others.row(0, named=True)
            text += f" The next best price there is {next_price['price']:.2f}, worth {next_price['worth']:.2f}."
        elsewhere = mine.filter(pl.col("slot") != slot).sort("worth", descending=True)
        if elsewhere.height:
            best = elsewhere.row(0, named=True)
            text += f" Its best other slot is {self.campaign.slots[best['slot']].slot_id}, worth {best['worth']:.2f}."
        return text

    def _outside(self, item_id: str, row: int, mine: pl.DataFrame) -> str:
        best = mine.sort("worth", descending=True).row(0, named=True)
        slot = self.campaign.slots[best["slot"]].slot_id
        where = f"its best offer, {best['price']:.2f} in {slot}, {self._earns} {best['value']:.2f}"
        if best["worth"] >= 0.0:
            return (
                f"{item_id} is not in the plan, though {where}{self._taken(row, best['slot'], best)}: it is level "
                f"with what runs there, within the gap of the plan ({self.plan.gap_frac:.2%})."
            )
        short = -best["worth"]
        text = f"{item_id} is not in the plan: {where}{self._taken(row, best['slot'], best)}. It would enter if it "
        text += f"{'earned' if self.campaign.profit_alone else 'were worth'} {short:.2f} more"
        cost = float(self.items[SaleItems.unit_cost.name][row])
        if self.campaign.profit_alone and best["units"] > 0.0 and short / best["units"] <= cost:
            text += f", such as by a unit cost of {cost - short / best['units']:.2f} in place of {cost:.2f}"
        return f"{text}."

    def _taken(self, row: int, slot: int, cell: dict[str, float]) -> str:
        """What the limits take from the offer, the dearest first."""
        given = float(self.items[SaleItems.list_price.name][row]) - cell["price"]
        taken = [(one.takes(row, slot, given * cell["units"], cell["quota"]), one.name) for one in self._rows]
        words = [f"{abs(toll):.2f} for {name}" for toll, name in sorted(taken, reverse=True) if toll > 0.005]
        helped = [f"{-toll:.2f} for {name}" for toll, name in sorted(taken) if toll < -0.005]
        said = f" and takes {', '.join(words)}" if words else ""
        return f"{said}, with {', '.join(helped)} in its favor" if helped else said


def explain(plan: Plan, campaign: Campaign, items: pl.DataFrame, certificate: Certificate) -> Explained:
    """Read a certificate.

    Args:
        plan: the plan.
        campaign: its limits.
        items: table SaleItems that it chose from.
        certificate: its proof.

    Raises:
        InputError: the certificate is not of this campaign.
    """
    rows, broken = priced_rows(campaign, items, certificate.prices)
    if broken:
        raise InputError(
            f"The certificate is not of this campaign: {broken[0].limit} {broken[0].where}. Plan the campaign again."
        )
    cells = certificate.cells.with_columns(pl.col("price").cast(pl.Float64).round(2))
    tolls = Tolls.of(rows, items.height, len(campaign.slots))
    item, slot = (cells[name].to_numpy().astype(np.int64) for name in ("item", "slot"))
    units, quota = (cells[name].to_numpy().astype(np.float64) for name in ("units", "quota"))
    given = items[SaleItems.list_price.name].to_numpy()[item] - cells["price"].to_numpy()
    worth = cells["value"].to_numpy() - tolls.of_offers(item, slot, units, given, quota)
    unit = {"offers": "offer", "discount": "currency of discount", "quota": "unit of stock"}
    limits = pl.DataFrame(
        {
            "row": [row.name for row in rows],
            "price": [row.price for row in rows],
            "bound": [float(row.bound) for row in rows],
            "unit": [unit[row.weight] for row in rows],
        },
        schema={"row": pl.String, "price": pl.Float64, "bound": pl.Float64, "unit": pl.String},
    )
    return Explained(
        limits=limits.sort(pl.col("price").abs(), descending=True, maintain_order=True),
        plan=plan,
        campaign=campaign,
        items=items,
        _offers=cells.with_columns(worth=pl.Series(worth)),
        _rows=rows,
    )
