"""A plan judged from its certificate: no solver, no demand model, and no code of the planner.

At prices y of the rows of the limits, of the sign that each row demands, every plan within the limits is worth at most

    y @ bounds + sum over items of max over schedules of (worth of its offers - y @ what they take from the rows)

(weak duality; Geoffrion, Lagrangean relaxation for integer programming, Math. Prog. Study 2, 1974). The rows are read
here again from the campaign and the items; a schedule is any set of an item's slots with as many appearances and as
much pause between them as the campaign allows. Which offers may run, and their values, are taken from the table of the
certificate; it is as good as the demand model that it came from.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import polars as pl

from flashlift.domain import Campaign, Plan
from flashlift.limits import Appearances
from flashlift.planning.check import check
from flashlift.planning.check_claims import worth_stated
from flashlift.planning.finding import Broken, place
from flashlift.planning.tolls import PricedRow, Tolls, priced_rows
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import SaleItems

__all__ = ["Proof", "verify"]

PART = 2_048  # items whose offers are unpacked together


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What a certificate proves, money in shop currency.

    Args:
        objective: worth of the plan's offers for the campaign's goal in the certificate's table, less the penalties of
            soft limits that it breaks.
        bound: no plan within the limits is worth more on that table.
        broken: limits that the plan breaks, and whatever in plan or certificate is not as stated; empty if all is well.
        cells: offers priced.
    """

    objective: float
    bound: float
    broken: tuple[Broken, ...]
    cells: int

    @property
    def gap_frac(self) -> float:
        """(bound - objective) / max(|objective|, 1)."""
        return max(self.bound - self.objective, 0.0) / max(abs(self.objective), 1.0)

    def to_polars(self) -> pl.DataFrame:
        """One row for each figure: `figure`, `value`."""
        figures = {"plan": self.objective, "no plan is worth more than": self.bound, "gap": self.gap_frac}
        return pl.DataFrame({"figure": list(figures), "value": list(figures.values())})

    @property
    def sentence(self) -> str:
        """The proof in one line."""
        if self.broken:
            named = ", ".join(dict.fromkeys(finding.limit for finding in self.broken))
            return f"not verified: {len(self.broken)} finding{'s' * (len(self.broken) > 1)} ({named})"
        return f"verified: every limit kept, and no plan is worth more than {self.gap_frac:.3%} above this one"


def verify(plan: Plan, campaign: Campaign, items: pl.DataFrame, prices: pl.DataFrame, cells: pl.DataFrame) -> Proof:
    """Check the limits, the offers against the table, and the bound.

    Args:
        plan: the plan.
        campaign: its limits.
        items: table SaleItems that it chose from.
        prices: `row`, `price`: prices of the rows of the limits.
        cells: `item`, `slot`, `price`, `value`, `units`, `quota`: the offers that may run, in order of item.
    """
    verdict = check(plan, campaign, items)
    broken = list(verdict.broken)
    objective = -verdict.penalties
    for found in _stated(plan, campaign, items, cells):
        if isinstance(found, Broken):
            broken.append(found)
        else:
            objective += found
    rows, unsound = priced_rows(campaign, items, prices)
    broken += unsound
    bound = sum(row.price * row.bound for row in rows) + _best_schedules(campaign, items, cells, rows)
    if not plan.objective <= bound + 1e-6 * max(abs(bound), 1.0):
        broken.append(Broken(limit="bound", where="certificate", amount=plan.objective - bound, unit="currency"))
    if abs(plan.objective - objective) > 1e-5 * max(abs(objective), 1.0):
        off = abs(plan.objective - objective)
        broken.append(Broken(limit="objective", where="plan", amount=off, unit="currency"))
    return Proof(objective=objective, bound=bound, broken=tuple(broken), cells=cells.height)


def _stated(plan: Plan, campaign: Campaign, items: pl.DataFrame, cells: pl.DataFrame) -> Iterator[Broken | float]:
    """Value of every offer in the table, or what is wrong with it."""
    slots = {slot.slot_id: number for number, slot in enumerate(campaign.slots)}
    rows = {item: number for number, item in enumerate(items[SaleItems.item_id.name])}
    known = [offer for offer in plan.offers if offer.slot_id in slots and offer.item_id in rows]
    wanted = pl.DataFrame(
        {
            "offer": np.arange(len(known)),
            "item": [rows[offer.item_id] for offer in known],
            "slot": [slots[offer.slot_id] for offer in known],
            "cents": [round(100.0 * offer.price) for offer in known],
        },
        schema={"offer": pl.Int64, "item": pl.Int64, "slot": pl.Int64, "cents": pl.Int64},
    )
    keys = pl.struct(pl.col("item").cast(pl.Int64), pl.col("slot").cast(pl.Int64))
    some = cells.filter(pl.col("item").is_in(wanted["item"].unique().cast(pl.UInt32).implode())).with_columns(
        keys.struct.field("item"),
        keys.struct.field("slot"),
        cents=(pl.col("price").cast(pl.Float64) * 100.0).round().cast(pl.Int64),
    )
    found = wanted.join(some, on=["item", "slot", "cents"], how="left").unique("offer", keep="first").sort("offer")
    for offer, row in zip(known, found.iter_rows(named=True), strict=True):
        if row["value"] is None:
            yield Broken(limit="known offer", where=place(offer), amount=1.0, unit="offers")
            continue
        yield row["value"]
        off = abs(worth_stated(offer, campaign.goal) - row["value"])
        if not off <= 1e-5 * max(abs(row["value"]), 1.0):
            yield Broken(limit="value", where=place(offer), amount=off, unit="currency")
        off = abs(offer.expected_units - row["units"])
        if not off <= 1e-5 * max(abs(row["units"]), 1.0):
            yield Broken(limit="units", where=place(offer), amount=off, unit="units")
        if not offer.quota <= row["quota"]:
            yield Broken(limit="quota", where=place(offer), amount=float(offer.quota - row["quota"]), unit="units")


def _best_schedules(campaign: Campaign, items: pl.DataFrame, cells: pl.DataFrame, rows: Sequence[PricedRow]) -> float:
    """Sum over items of the worth of the best schedule, at least 0 each."""
    if not cells.height:
        return 0.0
    tolls = Tolls.of(rows, items.height, len(campaign.slots))
    list_price = items[SaleItems.list_price.name].to_numpy().astype(np.float64)
    item = cells["item"].to_numpy()
    first = np.flatnonzero(np.diff(item, prepend=-1))  # one item's offers stand together
    cuts = [*first[::PART].tolist(), len(item)]
    total = 0.0
    for start, end in pairwise(cuts):
        part = cells[start:end]
        at, row = np.unique(part["item"].to_numpy().astype(np.int64), return_inverse=True)
        slot = part["slot"].to_numpy().astype(np.int64)
        units, quota = (part[name].to_numpy().astype(np.float64) for name in ("units", "quota"))
        given = list_price[at][row] - part["price"].cast(pl.Float64).round(2).to_numpy()
        worth = part["value"].to_numpy() - tolls.of_offers(at[row], slot, units, given, quota)
        best = np.full((len(at), len(campaign.slots)), -np.inf)
        np.maximum.at(best, (row, slot), worth)
        total += float(_schedule(campaign, best).sum())
    return total


def _schedule(campaign: Campaign, worth: FloatArray) -> FloatArray:
    """Worth of the best schedule of each item from the worth of its best offer in each slot, (n_items,)."""
    pause, most = 0.0, len(campaign.slots)
    for limit in campaign.limits:
        if isinstance(limit, Appearances):
            pause, most = max(pause, limit.cool_down_hours), min(most, limit.maximum)
    order: IntArray = np.argsort([slot.end.timestamp() for slot in campaign.slots], kind="stable")
    slots = [campaign.slots[k] for k in order]
    best = np.zeros((most + 1, len(slots) + 1, len(worth)))  # at most so many appearances in the first so many slots
    for k, slot in enumerate(slots):
        free = sum((slot.start - other.end).total_seconds() >= 3600.0 * pause - 1e-3 for other in slots[:k])
        take = worth[:, order[k]]
        for m in range(1, most + 1):
            best[m, k + 1] = np.maximum(best[m, k], take + best[m - 1, free])
    total: FloatArray = best[most, len(slots)]
    return total
