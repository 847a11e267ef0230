"""Tables of the plan that only some campaigns have: sellers' nominations, and prices drawn by lot."""

from __future__ import annotations

from flashlift.report.blocks import Block, Column, table
from flashlift.report.evidence import Evidence
from flashlift.report.formats import count, decimal, money, percent, price

__all__ = ["exploration", "nominations"]

MOST_ROWS = 400


def nominations(evidence: Evidence) -> tuple[Block, ...]:
    """What became of each nomination; nothing where there are none."""
    frame, currency = evidence.nominations, evidence.currency
    if frame is None or frame.is_empty():
        return ()
    columns = [
        Column(heading="Item", cell=lambda r: r["item_id"], holds="code"),
        Column(heading="Seller", cell=lambda r: r["seller"] or "–", holds="words"),
        Column(heading="Price", cell=lambda r: price(r["price"], currency)),
        Column(heading="Stock", cell=lambda r: count(r["stock"])),
        Column(heading="Pays", cell=lambda r: percent(r["funding_frac"], 0)),
        Column(heading="Taken", cell=lambda r: "yes" if r["taken"] else "no", holds="words"),
        Column(heading="Units", cell=lambda r: decimal(r["expected_units"], 1)),
        Column(heading="Funding", cell=lambda r: money(r["expected_funding"], currency)),
        Column(heading="Why", cell=lambda r: r["why"], holds="words"),
    ]
    taken = f"{count(int(frame['taken'].sum()))} of {count(frame.height)} nominations taken"
    note = "Pays: the seller's share of the discount; funding: what that comes to, as expected. " + _rest(frame.height)
    return (table(taken, frame.head(MOST_ROWS), columns, note=note.strip()),)


def exploration(evidence: Evidence) -> tuple[Block, ...]:
    """Prices that were drawn, beside those that could have been; nothing where none was."""
    frame, currency = evidence.exploration, evidence.currency
    if frame is None or frame.is_empty():
        return ()
    columns = [
        Column(heading="Item", cell=lambda r: r["item_id"], holds="code"),
        Column(heading="Slot", cell=lambda r: r["slot_id"], holds="code"),
        Column(heading="Price", cell=lambda r: price(r["price"], currency)),
        Column(heading="Chance", cell=lambda r: percent(r["propensity"], 0)),
        Column(heading="", cell=lambda r: _role(planned=r["planned"], drawn=r["drawn"]), holds="words"),
        Column(heading="Units", cell=lambda r: decimal(r["expected_units"], 1)),
        Column(heading="Gain", cell=lambda r: price(r["expected_value"], currency)),
    ]
    note = (
        "A few places draw their price by lot, where that teaches most about the price response for the profit it may "
        "cost; the chances make the result usable as an experiment. " + _rest(frame.height)
    )
    return (table("Prices drawn by lot", frame.head(MOST_ROWS), columns, note=note.strip()),)


def _role(*, planned: bool, drawn: bool) -> str:
    return ", ".join(word for word, holds in (("best price", planned), ("drawn", drawn)) if holds)


def _rest(height: int) -> str:
    return f"The first {MOST_ROWS} rows; all are in the plan's files." if height > MOST_ROWS else ""
