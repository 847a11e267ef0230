"""The debrief of a sale as one HTML file, in the look of the report."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import polars as pl

from flashlift import charts
from flashlift.experiments.debrief import Debrief
from flashlift.report.blocks import Block, Column, Note, Section, figure, table
from flashlift.report.formats import count, decimal, interval, money, percent, price, slot_start
from flashlift.report.page import Headline, write_page

__all__ = ["write_debrief"]

MOST_OFFERS, MOST_LESSONS = 100, 12
_MONEY = {"gross sales", "discount given", "contribution in the slots", "incremental profit"}
_ASKS = {
    "stock": "Stock and quotas",
    "traffic": "Traffic",
    "response": "Response to the discounts",
    "discount in vain": "Discounts in vain",
    "returns": "Returns",
    "execution": "Execution",
}


def write_debrief(
    found: Debrief,
    path: Path,
    *,
    title: str,
    created: datetime,
    learned: pl.DataFrame,
    last: pl.DataFrame,
    decision: str,
) -> None:
    """Write the page, whole or not at all; it loads nothing from outside.

    Args:
        found: the debrief.
        path: of the file.
        title: name of the shop.
        created: when it was made, UTC.
        learned: elasticities before and after (`flashlift.pipeline.debrief`).
        last: this sale and earlier ones, a row each.
        decision: who approved the plan, in words.

    Raises:
        OutputError: the place cannot be written.
    """
    sections = [
        _reasons(found),
        _lessons(found, learned),
        _totals(found),
        _slots(found),
        _last(found, last),
        _limits(found),
        _offers(found),
        _unknown(found),
    ]
    write_page(
        path,
        what="Debrief of the flash sale",
        title=title,
        currency=found.currency,
        headline=_headline(found, decision),
        sections=sections,
        legend="",
        created=created,
        span=f"{found.start:%d %b %Y} to {found.seen_until:%d %b %Y}",
    )


def _headline(found: Debrief, decision: str) -> Headline:
    actual, gap, currency = found.actual, found.difference, found.currency
    state, _, rest = decision.partition(" ")
    seen = f"{found.days_after:.0f} of {found.days_wanted} days after the sale are in the log"
    calibrated = found.calibration
    return Headline(
        figure=money(actual.value, currency),
        meaning=f"incremental profit of the sale; 90% interval {interval(actual.ci_lower, actual.ci_upper, currency)}; "
        f"planned {money(found.planned, currency)}",
        caution="Units and prices are facts of the log. What would have happened without the sale is not: it is "
        "estimated by the demand model from before the sale and by items that no offer touched. "
        + ("" if found.over else f"Not final: {seen}."),
        cards=(
            ("Gap", money(gap.value, currency), f"90% interval {interval(gap.ci_lower, gap.ci_upper, currency)}"),
            ("Forecast", f"{calibrated.inside_frac:.0%}", f"of {calibrated.n} offers within its 90% intervals"),
            ("Days after", f"{found.days_after:.0f} of {found.days_wanted}", "of the account are seen"),
            ("Plan", state, rest or "by nobody"),
        ),
    )


def _reasons(found: Debrief) -> Section:
    currency = found.currency
    columns = [
        Column(heading="Reason", cell=lambda r: r["reason"], holds="code"),
        Column(heading="Changed the profit by", cell=lambda r: money(r["value"], currency)),
        Column(heading="90% interval", cell=lambda r: interval(r["ci_lower"], r["ci_upper"], currency)),
        Column(heading="Beyond chance", cell=lambda r: "yes" if r["stands_out"] else "–", holds="code"),
        Column(heading="What it is", cell=lambda r: r["meaning"], holds="words"),
    ]
    frame = found.reasons
    note = (
        "Causes are changed one after the other from forecast to actual, in this order, and add up to the gap. Parts "
        "below a tenth of the plan or the gap are not called beyond chance."
    )
    moved = (frame["value"] != 0.0).any()
    drawn = [figure(charts.gap_waterfall(frame, planned=found.planned, currency=currency))] if moved else []
    blocks: tuple[Block, ...] = (*drawn, table("The gap by reason", frame, columns, note=note))
    return Section(anchor="reasons", title="Why it came otherwise", lead=found.paragraph(), blocks=blocks)


def _totals(found: Debrief) -> Section:
    currency = found.currency

    def show(name: str, value: float | None) -> str:
        if name in _MONEY:
            return money(value, currency)
        return percent(value) if name == "sell-through" else decimal(value, 1)

    columns = [
        Column(heading="Figure", cell=lambda r: r["figure"], holds="code"),
        Column(heading="Planned", cell=lambda r: show(r["figure"], r["planned"])),
        Column(
            heading="90% of outcomes",
            cell=lambda r: f"{show(r['figure'], r['planned_ci_lower'])} to {show(r['figure'], r['planned_ci_upper'])}",
        ),
        Column(heading="Actual", cell=lambda r: show(r["figure"], r["actual"])),
        Column(
            heading="Its interval",
            cell=lambda r: (
                "known"
                if r["ci_lower"] is None
                else f"{show(r['figure'], r['ci_lower'])} to {show(r['figure'], r['ci_upper'])}"
            ),
        ),
        Column(heading="As forecast", cell=lambda r: "yes" if r["inside"] else "no", holds="code"),
    ]
    fifths = ", ".join(str(k) for k in found.calibration.pit)
    note = (
        f"{found.calibration.sentence} Offers by the fifth of their forecast in which they ended, lowest first: "
        f"{fifths}; even where the forecast is true."
    )
    return Section(
        anchor="totals",
        title="Planned against actual",
        lead="What the plan expected of its offers in their slots, with the range in which 90% of outcomes lay, and "
        "what the log says.",
        blocks=(table("In total", found.totals, columns, note=note),),
    )


def _offers(found: Debrief) -> Section:
    currency = found.currency
    columns = [
        Column(heading="Item", cell=lambda r: r["title"] or r["item_id"], holds="words"),
        Column(heading="Slot", cell=lambda r: r["slot_id"], holds="code"),
        Column(heading="Units planned", cell=lambda r: decimal(r["planned_units"], 1)),
        Column(
            heading="90% of outcomes",
            cell=lambda r: f"{decimal(r['planned_ci_lower'], 0)} to {decimal(r['planned_ci_upper'], 0)}",
        ),
        Column(heading="Sold", cell=lambda r: count(r["units"])),
        Column(heading="Of quota", cell=lambda r: percent(r["sell_through"], 0)),
        Column(heading="Missed", cell=lambda r: decimal(r["lost_units"], 0) if r["sold_out"] else "–"),
        Column(heading="Back", cell=lambda r: count(r["returned"])),
        Column(heading="Contribution", cell=lambda r: money(r["contribution"], currency)),
        Column(heading="Planned", cell=lambda r: money(r["planned_contribution"], currency)),
        Column(heading="State", cell=_state, holds="code"),
        Column(heading="Price planned", cell=lambda r: price(r["planned_price"], currency)),
        Column(heading="Paid", cell=lambda r: price(r["price"], currency)),
    ]
    rows = found.offers.sort("planned_contribution", descending=True)
    return Section(
        anchor="offers",
        title="Offer by offer",
        lead="Contribution is that of the units sold in the slot, after returns; what the item would have earned "
        "without the sale is not taken off here.",
        blocks=(
            figure(charts.offers_against_plan(found.offers)),
            table("The offers", rows.head(MOST_OFFERS), columns, note=_more(rows.height, MOST_OFFERS)),
        ),
    )


def _state(row: dict[str, object]) -> str:
    if row["sold_out"]:
        return f"sold out ({row['why_out']})"
    return str(row["status"])


def _slots(found: Debrief) -> Section:
    currency = found.currency
    columns = [
        Column(heading="Slot", cell=lambda r: r["slot_id"], holds="code"),
        Column(heading="Start (UTC)", cell=lambda r: slot_start(r["start"]), holds="code"),
        Column(heading="Offers run", cell=lambda r: f"{r['ran']} of {r['offers']}"),
        Column(heading="Sold out", cell=lambda r: count(r["sold_out"])),
        Column(heading="Units planned", cell=lambda r: decimal(r["planned_units"], 1)),
        Column(heading="Sold", cell=lambda r: count(r["units"])),
        Column(heading="Sell-through", cell=lambda r: percent(r["sell_through"], 0)),
        Column(heading="Traffic", cell=lambda r: decimal(r["traffic"], 2)),
        Column(
            heading="90% interval",
            cell=lambda r: f"{decimal(r['traffic_ci_lower'], 2)} to {decimal(r['traffic_ci_upper'], 2)}",
        ),
        Column(
            heading="Controls sold / forecast",
            cell=lambda r: f"{count(r['control_units'])} / {decimal(r['control_expected'], 0)}",
        ),
        Column(heading="Contribution", cell=lambda r: money(r["contribution"], currency)),
        Column(heading="Planned", cell=lambda r: money(r["planned_contribution"], currency)),
    ]
    note = (
        "Traffic: factor on the forecast, told from items outside the sale (controls) and their views; 1: as forecast."
    )
    return Section(
        anchor="slots",
        title="Slot by slot",
        lead="Which hours sold, and whether customers were there at all.",
        blocks=(
            figure(charts.slots_against_plan(found.slots)),
            table("All slots", found.slots, columns, note=note),
        ),
    )


def _lessons(found: Debrief, learned: pl.DataFrame) -> Section:
    blocks: list[Block] = []
    for kind, heading in _ASKS.items():
        rows = found.lessons.filter(kind=kind)
        if not rows.is_empty():
            columns = [
                Column(heading="About", cell=lambda r: r["subject"], holds="words"),
                Column(heading="Evidence and advice", cell=lambda r: r["says"], holds="words"),
            ]
            blocks.append(table(heading, rows.head(MOST_LESSONS), columns, note=_more(rows.height, MOST_LESSONS)))
    if not blocks:
        blocks.append(Note(text="No single lesson stands out from chance."))
    if learned.is_empty():
        blocks.append(
            Note(
                text="To learn the response from this sale, run flashlift train demand and debrief once more; the "
                "change of each category then stands here."
            )
        )
    else:
        ends = [
            Column(heading="Category", cell=lambda r: r["category"], holds="words"),
            Column(heading="Items", cell=lambda r: count(r["items"])),
            Column(heading="Elasticity before", cell=lambda r: decimal(r["before"], 2)),
            Column(heading="90% interval", cell=lambda r: _ends(r, "before")),
            Column(heading="After", cell=lambda r: decimal(r["after"], 2)),
            Column(heading="90% interval", cell=lambda r: _ends(r, "after")),
        ]
        note = "Mean over the sale's items of each category; after: the demand model trained on this sale too."
        blocks.append(table("What the demand model learned", learned, ends, note=note))
    lead = "Only what chance over all rows looked at does not explain, with its evidence."
    return Section(anchor="lessons", title="What the next plan should learn", lead=lead, blocks=tuple(blocks))


def _more(height: int, shown: int) -> str:
    return f"{height - shown} more are in debrief.json." if height > shown else ""


def _ends(row: dict[str, float], side: str) -> str:
    return f"{decimal(row[f'{side}_ci_lower'], 2)} to {decimal(row[f'{side}_ci_upper'], 2)}"


def _limits(found: Debrief) -> Section:
    columns = [
        Column(heading="Limit", cell=lambda r: r["limit"], holds="words"),
        Column(heading="Bound", cell=lambda r: decimal(r["bound"], 2)),
        Column(heading="Planned", cell=lambda r: decimal(r["planned"], 2)),
        Column(heading="Actual", cell=lambda r: decimal(r["actual"], 2)),
        Column(
            heading="Kept",
            cell=lambda r: "not told" if r["kept"] is None else "yes" if r["kept"] else "no",
            holds="code",
        ),
        Column(heading="Measured as", cell=lambda r: r["says"], holds="words"),
    ]
    return Section(
        anchor="limits",
        title="Were the limits kept?",
        lead="Limits of the campaign that a log can tell of; the others bound the plan, not the sale.",
        blocks=(table("Limits", found.limits, columns),),
    )


def _last(found: Debrief, last: pl.DataFrame) -> Section:
    currency = found.currency
    columns = [
        Column(heading="Sale", cell=lambda r: r["sale"], holds="words"),
        Column(heading="Start (UTC)", cell=lambda r: slot_start(r["start"]), holds="code"),
        Column(heading="Days each", cell=lambda r: decimal(r["days"], 1)),
        Column(heading="Offers", cell=lambda r: count(r["offers"])),
        Column(heading="Discount", cell=lambda r: percent(r["discount_frac"], 0)),
        Column(heading="Units", cell=lambda r: count(r["units"])),
        Column(heading="Incremental units", cell=lambda r: decimal(r["incremental_units"], 1)),
        Column(heading="Gross sales", cell=lambda r: money(r["gross_sales"], currency)),
        Column(heading="Contribution", cell=lambda r: money(r["contribution"], currency)),
        Column(heading="Sell-through", cell=lambda r: percent(r["sell_through"], 0)),
    ]
    note = (
        "Recorded promotions by the day they began, and debriefed sales. Incremental units: what the demand model's "
        "response says the discount brought; quotas of recorded promotions are not known."
    )
    blocks: tuple[Block, ...] = (table("Side by side", last, columns, note=note),)
    if last.height == 1:
        blocks += (Note(text="The log records no earlier sale.", tone="absent"),)
    return Section(anchor="last", title="Beside the last sales", lead="Same account, other sales.", blocks=blocks)


def _unknown(found: Debrief) -> Section:
    notes = tuple(Note(text=note) for note in found.notes) or (Note(text="Nothing beyond the intervals."),)
    return Section(
        anchor="unknown",
        title="What this debrief cannot know",
        lead="Read the figures with these in mind.",
        blocks=notes,
    )
