"""Sections about the plan: offers, limits, comparison, proof."""

from __future__ import annotations

from math import isfinite
from typing import Any

import polars as pl

from flashlift import charts
from flashlift.domain import BEYOND_FRAC
from flashlift.report import others_section
from flashlift.report.blocks import Block, Column, Note, Section, figure, table
from flashlift.report.evidence import Evidence
from flashlift.report.formats import count, decimal, interval, money, percent, price, slot_start
from flashlift.report.marks import legend, mark

__all__ = ["comparison", "limits", "offers", "proof"]

MOST_OFFERS = 400


def offers(evidence: Evidence) -> Section:
    """The plan as a calendar and as a table."""
    lead = "What runs when, at which price, and with how many units. Slot times are UTC."
    return Section(anchor="plan", title="The plan", lead=lead, blocks=_offer_blocks(evidence))


def _offer_blocks(evidence: Evidence) -> tuple[Block, ...]:
    rows, currency = evidence.plan_table, evidence.currency
    if rows is None:
        return (Note(text=evidence.reason("plan", "demand"), tone="absent"),)
    if rows.is_empty():
        return (Note(text="No offer earns more than not running it, so the plan is empty.", tone="alert"),)
    columns = [
        Column(heading="Item", cell=lambda r: r["title"] or r["item_id"], holds="words"),
        Column(heading="Start (UTC)", cell=lambda r: slot_start(r["start"]), holds="code"),
        Column(heading="List price", cell=lambda r: price(r["list_price"], currency)),
        Column(heading="Discount", cell=lambda r: percent(r["discount_frac"], 0)),
        Column(heading="Rests on", cell=_rests_on, holds="code"),
        Column(heading="Price", cell=lambda r: price(r["price"], currency)),
        Column(heading="Quota", cell=lambda r: mark(count(r["quota"]), stock=r["stock_assumed"])),
        Column(heading="Units", cell=lambda r: mark(decimal(r["expected_units"], 1), stock=r["stock_assumed"])),
        Column(heading="Gain", cell=lambda r: mark(money(r["expected_value"], currency), cost=r["cost_assumed"])),
        *_goal_columns(evidence),
        Column(heading="Category", cell=lambda r: r["category"] or "–", holds="code"),
        Column(heading="Code", cell=lambda r: r["item_id"], holds="code"),
        Column(heading="Slot", cell=lambda r: r["slot_id"], holds="code"),
    ]
    shown = rows.sort("start", "slot_id", "expected_value", descending=[False, False, True]).head(MOST_OFFERS)
    hidden = rows.height - shown.height
    note = " ".join(
        part
        for part in (
            "Units and gain are expected values; gain is profit against not offering the item, on the planner's draws.",
            f"The plan is the best for {evidence.other_goal}, each figure told by itself."
            if evidence.other_goal
            else "",
            "Rests on: past sales as deep as this, so many points beyond them, or an assumption.",
            f"{hidden} more offers are in the plan file." if hidden else "",
            legend(evidence),
        )
        if part
    )
    return (
        *_warning(rows),
        figure(charts.calendar(rows, currency=currency or "units of currency")),
        table(f"All {rows.height} offers" if not hidden else f"First {shown.height} offers", shown, columns, note=note),
        *others_section.nominations(evidence),
        *others_section.exploration(evidence),
    )


def _goal_columns(evidence: Evidence) -> list[Column]:
    """The other figures that a goal beyond profit asks for, and what the next sale loses."""
    later = Column(heading="Shadow cost", cell=lambda r: money(r["shadow_cost"], evidence.currency))
    planned = [] if evidence.campaign is None or evidence.campaign.next_sale is None else [later]
    if not evidence.other_goal:
        return planned
    return [
        Column(heading="Added sales", cell=lambda r: money(r["expected_revenue"], evidence.currency)),
        Column(heading="Buyers", cell=lambda r: decimal(r["expected_buyers"], 1)),
        Column(
            heading="Stock cleared",
            cell=lambda r: mark(money(r["expected_stock_cleared"], evidence.currency), cost=r["cost_assumed"]),
        ),
        *planned,
    ]


def _warning(rows: pl.DataFrame) -> list[Block]:
    """What cannot be known from the log is said before the offers are shown."""
    blind = rows["beyond_frac"].null_count()
    if not blind:
        return []
    text = (
        f"{blind} of {rows.height} offers rest on a price response that is not identifiable from these logs: prices "
        "moved too little. Theirs is an assumption of the settings; run a small test before the sale."
    )
    return [Note(text=text, tone="alert")]


def _rests_on(row: dict[str, Any]) -> str:
    """The basis of an offer, short enough for a column."""
    beyond = row["beyond_frac"]
    if beyond is None:
        return "an assumption"
    return "past sales" if beyond < BEYOND_FRAC else f"{100 * beyond:.0f} points beyond"


def limits(evidence: Evidence) -> Section:
    """What each limit costs, and whether all are kept."""
    lead = "Each limit has a price: the profit that one more unit of it would add."
    if evidence.other_goal:
        lead = f"Each limit has a price: what one more unit of it would add to the goal, {evidence.other_goal}."
    return Section(anchor="limits", title="What each limit costs", lead=lead, blocks=_limit_blocks(evidence))


def _limit_blocks(evidence: Evidence) -> tuple[Block, ...]:
    if evidence.plan is None:
        return (Note(text=evidence.reason("plan", "demand"), tone="absent"),)
    prices, currency = evidence.plan.limit_prices, evidence.currency
    blocks: list[Block] = _verdict(evidence)
    named = {"limit": list(prices), "value": [float(v) for v in prices.values()]}
    frame = pl.DataFrame(named, schema={"limit": pl.String, "value": pl.Float64})
    frame = frame.sort(pl.col("value").abs(), "limit", descending=[True, False])
    if not frame.filter(pl.col("value").abs() > 1e-9).is_empty():
        of = "worth" if evidence.other_goal else "profit"
        blocks.append(figure(charts.limit_prices(prices, currency=currency or "units of currency", of=of)))
    elif not frame.is_empty():
        blocks.append(Note(text="No limit holds the plan back: loosening any of them would add nothing."))
    columns = [
        Column(heading="Limit", cell=lambda r: r["limit"], holds="words"),
        Column(
            heading="Worth per unit" if evidence.other_goal else "Profit per unit",
            cell=lambda r: mark(price(r["value"], currency), cost=evidence.cost_assumed),
        ),
    ]
    if not frame.is_empty():
        blocks.append(table("All limits", frame.head(60), columns, note=legend(evidence)))
    return tuple(blocks) or (Note(text="The campaign sets no limits.", tone="absent"),)


def _verdict(evidence: Evidence) -> list[Block]:
    found, soft = evidence.broken, evidence.soft
    if found is None:
        return []
    columns = [
        Column(heading="Finding", cell=lambda r: str(r["limit"]), holds="words"),
        Column(heading="Where", cell=lambda r: str(r["where"]), holds="words"),
        Column(heading="By how much", cell=_amount),
    ]
    allowed: list[Block] = []
    if soft is not None and not soft.is_empty():
        allowed = [table("Soft limits broken, at the price that the campaign puts on it", soft, columns)]
    if found.is_empty():
        kept = "every limit that must be kept is kept" if allowed else "every limit kept"
        text = f"A checker that shares no code with the planner found {kept} and the plan's own figures true."
        return [Note(text=text), *allowed]
    faults = "1 fault" if found.height == 1 else f"{count(found.height)} faults"
    text = f"The independent checker found {faults}. Do not run this plan as it is."
    return [Note(text=text, tone="alert"), table("Findings", found, columns), *allowed]


def _amount(row: dict[str, Any]) -> str:
    return f"{decimal(row['amount'], 2)} {row['unit']}" if isfinite(row["amount"]) else "not a number"


def comparison(evidence: Evidence) -> Section:
    """The plan beside rules of thumb."""
    lead = "The same demand draws, the same limits, the same account of profit: only the choice of offers differs."
    if evidence.comparison is None or evidence.comparison.is_empty():
        blocks: tuple[Block, ...] = (Note(text=evidence.reason("plan", "demand"), tone="absent"),)
    else:
        blocks = _comparison_blocks(evidence, evidence.comparison)
    return Section(anchor="comparison", title="Against rules of thumb", lead=lead, blocks=blocks)


def _comparison_blocks(evidence: Evidence, frame: pl.DataFrame) -> tuple[Block, ...]:
    currency, cost, stock = evidence.currency, evidence.cost_assumed, evidence.stock_assumed
    columns = [
        Column(heading="Plan", cell=lambda r: r["plan"], holds="words"),
        Column(heading="Incremental profit", cell=lambda r: mark(money(r["value"], currency), cost=cost)),
        Column(heading="Interval", cell=lambda r: mark(interval(r["ci_lower"], r["ci_upper"], currency), cost=cost)),
        Column(heading="Gross sales", cell=lambda r: mark(money(r["gross_sales"], currency), stock=stock)),
        Column(heading="Units", cell=lambda r: mark(count(r["units"]), stock=stock)),
        Column(heading="Sell-through", cell=lambda r: mark(percent(r["sell_through"]), stock=stock)),
        Column(heading="Added sales", cell=lambda r: mark(money(r["revenue"], currency), stock=stock)),
        Column(heading="Buyers", cell=lambda r: mark(count(r["buyers"]), stock=stock)),
        Column(heading="Stock cleared", cell=lambda r: mark(money(r["stock_cleared"], currency), cost=cost)),
    ]
    said = (
        "Large gross sales can go with a loss: discounts on units that would have sold anyway. Added sales, profit "
        "and stock cleared (at cost) count all items over the sale and the days after it, against no sale."
    )
    note = f"{said} {legend(evidence)}"
    return (
        figure(charts.value_comparison(frame, currency=currency or "units of currency")),
        table("Side by side", frame, columns, note=note.strip()),
        *_pareto(evidence),
    )


def _pareto(evidence: Evidence) -> tuple[Block, ...]:
    """Profit against gross sales, where `flashlift pareto` was run for this campaign."""
    points, currency = evidence.pareto, evidence.currency
    if points is None or points.is_empty():
        return ()
    cost, stock = evidence.cost_assumed, evidence.stock_assumed
    columns = [
        Column(heading="Weight of gross sales", cell=lambda r: f"{r['weight']:.3f}"),
        Column(heading="Incremental profit", cell=lambda r: mark(money(r["profit"], currency), cost=cost)),
        Column(heading="Added sales", cell=lambda r: mark(money(r["revenue"], currency), stock=stock)),
        Column(heading="Buyers", cell=lambda r: mark(count(r["buyers"]), stock=stock)),
        Column(heading="Stock cleared", cell=lambda r: mark(money(r["stock_cleared"], currency), cost=cost)),
        Column(heading="Offers", cell=lambda r: count(r["offers"])),
        Column(heading="Gap", cell=lambda r: percent(r["gap_frac"], 2)),
    ]
    note = "Weight w: the best plan for (1 - w) x profit + w x gross sales; campaign.goal with these weights makes it."
    return (
        figure(charts.pareto(points, currency=currency or "units of currency")),
        table("Profit against gross sales", points, columns, note=f"{note} {legend(evidence)}".strip()),
    )


def proof(evidence: Evidence) -> Section:
    """How the gain is to be proved."""
    lead = "A forecast is not a result. This is how the sale can show whether it earned more."
    if evidence.test_design is None:
        blocks: tuple[Block, ...] = (Note(text=evidence.reason("experiments", "plan", "demand"), tone="absent"),)
    else:
        blocks = tuple(Note(text=part) for part in evidence.test_design.split("\n") if part.strip())
    return Section(anchor="proof", title="How to prove it", lead=lead, blocks=blocks)
