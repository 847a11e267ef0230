"""Section on stock: what sell-outs cost so far, and the units to order for the sale."""

from __future__ import annotations

from typing import Any

from flashlift.report.blocks import Block, Column, Note, Section, table
from flashlift.report.evidence import Evidence
from flashlift.report.formats import count, decimal, percent
from flashlift.report.marks import legend, mark

__all__ = ["stock"]

MOST_ITEMS = 400
MOST_EMPTY = 20


def stock(evidence: Evidence) -> Section:
    """What empty shelves cost, and how many units of each item to have on hand for the sale."""
    lead = (
        "The quantity at which one more unit would cost as much as it earns: the quantile (price - cost) / "
        "(price - salvage) of the units demanded, after returns."
    )
    return Section(anchor="stock", title="Stock to order", lead=lead, blocks=(*_blocks(evidence), *_lost(evidence)))


def _blocks(evidence: Evidence) -> tuple[Block, ...]:
    frame = evidence.stock
    if evidence.plan is None:
        return (Note(text=evidence.reason("plan", "demand"), tone="absent"),)
    if frame is None:
        return (Note(text="The settings do not ask for it (campaign.stock_to_order).", tone="absent"),)
    if frame.is_empty():
        return (Note(text="The plan is empty, so nothing is to be ordered.", tone="absent"),)
    columns = [
        Column(heading="Item", cell=lambda r: r["title"] or r["item_id"], holds="words"),
        Column(heading="Order", cell=lambda r: mark(count(r["order_units"]), cost=r["cost_assumed"])),
        Column(heading="Demand", cell=lambda r: decimal(r["mean_units"], 1)),
        Column(heading="Interval", cell=lambda r: f"{count(r['ci_lower'])} to {count(r['ci_upper'])}"),
        Column(heading="Service level", cell=lambda r: mark(percent(r["service_level"], 0), cost=r["cost_assumed"])),
        Column(heading="Left over", cell=lambda r: mark(decimal(r["leftover_units"], 1), cost=r["cost_assumed"])),
        Column(heading="Lost sales", cell=lambda r: mark(decimal(r["lost_units"], 1), cost=r["cost_assumed"])),
        Column(heading="Code", cell=lambda r: r["item_id"], holds="code"),
    ]
    note = (
        "Units on hand when the sale begins, not beside what is there. Demand: mean and 90% interval without any limit "
        "of stock; service level: chance that nobody goes away empty-handed. No order is told where a leftover unit "
        f"loses nothing. {legend(evidence)}"
    )
    hidden = frame.height - MOST_ITEMS
    title = "Units to order" if hidden <= 0 else f"Units to order, first {MOST_ITEMS} items; all are in stock.csv"
    return (table(title, frame.head(MOST_ITEMS), columns, note=note.strip()),)


def _lost(evidence: Evidence) -> tuple[Block, ...]:
    """Demand that met an empty shelf; nothing where demand was not fitted."""
    frame = evidence.lost_sales
    if frame is None:
        return ()
    if frame.is_empty():
        return (Note(text="The log shows no item without stock, or does not tell, so no lost demand is recovered."),)
    total = frame.row(0, named=True)
    said = (
        f"Sell-outs cost about {count(total['lost_units'])} units at list price (90% interval {_ends(total)}) beside "
        f"{count(total['units'])} sold: {count(total['empty_days'])} days of an item without stock, at the forecast "
        "made the same morning."
    )
    columns = [
        Column(heading="Item", cell=lambda r: r["item_id"], holds="code"),
        Column(heading="Days empty", cell=lambda r: decimal(r["empty_days"], 1)),
        Column(heading="Sold", cell=lambda r: count(r["units"])),
        Column(heading="Lost", cell=lambda r: decimal(r["lost_units"], 1)),
        Column(heading="Interval", cell=_ends),
    ]
    note = "What customers bought instead is not subtracted, and extra units of sales that sold out are not counted."
    shown = frame[1 : 1 + MOST_EMPTY]
    return Note(text=said), table(f"Lost to sell-outs, first {shown.height} items", shown, columns, note=note)


def _ends(row: dict[str, Any]) -> str:
    return f"{decimal(row['ci_lower'], 1)} to {decimal(row['ci_upper'], 1)}"
