"""What each customer brought in, from the shop's own log: the noise that a test has to see through."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import polars as pl

from flashlift.domain import Slot
from flashlift.errors import InputError, InsufficientDataError
from flashlift.schema import Events

__all__ = ["COVARIATE_DAYS", "customer_history", "window_history"]

COVARIATE_DAYS = 91  # a quarter: long enough to meet occasional buyers, short enough to resemble the present


def customer_history(
    events: pl.LazyFrame, *, end: datetime, window_days: float, unit_costs: pl.DataFrame | None = None
) -> pl.DataFrame:
    """Value of each known customer in the `window_days` before `end`, and in the quarter before that.

    A customer takes part when the log shows any event of theirs before the window; those who then buy
    nothing count 0. Anonymous sales belong to nobody. Purchases without a price are left out.

    Args:
        events: schema Events.
        end: end of the window, UTC; events at or after it are not read.
        window_days: length of the window, that of the sale and its aftermath.
        unit_costs: `item_id`, `unit_cost` of every item sold. With it the value is contribution (price less
            unit cost, times quantity), without it revenue; refunds are subtracted.

    Returns:
        `customer_id`, `metric` (in the window) and `covariate` (before it), in shop currency, one row per customer.

    Raises:
        InsufficientDataError: nobody is known before the window, or no purchase in it has a price.
        InputError: an item was sold that has no unit cost.
    """
    start = end - timedelta(days=window_days)
    at = Events.at.col
    known = events.filter(Events.customer_id.col.is_not_null(), at < end)
    value = (
        _money(known, unit_costs)
        .group_by(Events.customer_id.name)
        .agg(
            metric=pl.col("money").filter(at >= start).sum(),
            covariate=pl.col("money").filter(at < start, at >= start - timedelta(days=COVARIATE_DAYS)).sum(),
            priced=((at >= start) & pl.col("money").is_not_null()).sum(),
            uncosted=pl.col("uncosted").sum(),
        )
    )
    people = known.filter(at < start).select(Events.customer_id.name).unique()
    table = people.join(value, on=Events.customer_id.name, how="left").collect()
    if table.is_empty():
        raise InsufficientDataError(f"No customer is known before {start:%Y-%m-%d}. Give a longer log.")
    if table["uncosted"].sum():
        raise InputError(f"{table['uncosted'].sum()} sales are of items without a unit cost. Add their costs.")
    if not table["priced"].sum():
        raise InsufficientDataError(f"No known customer bought at a known price after {start:%Y-%m-%d}.")
    money = pl.col("metric", "covariate").fill_null(0.0)
    return table.select(Events.customer_id.name, money).sort(Events.customer_id.name)


def _money(events: pl.LazyFrame, unit_costs: pl.DataFrame | None) -> pl.LazyFrame:
    """Purchases and refunds with their signed `money`, and `uncosted` where a unit cost is missing."""
    sign = pl.when(Events.event.col == "purchase").then(1.0).otherwise(-1.0)
    sales = events.filter(Events.event.col.is_in(["purchase", "refund"]), Events.price.col.is_not_null())
    if unit_costs is None:
        margin, uncosted = Events.price.col, pl.lit(value=False)
    else:
        costs = unit_costs.lazy().select(Events.item_id.name, "unit_cost")
        sales = sales.join(costs, on=Events.item_id.name, how="left")
        margin, uncosted = Events.price.col - pl.col("unit_cost"), pl.col("unit_cost").is_null()
    return sales.with_columns(money=sign * margin * Events.quantity.col, uncosted=uncosted)


def window_history(
    events: pl.LazyFrame,
    slots: Sequence[Slot],
    *,
    end: datetime,
    weeks: int = 8,
    unit_costs: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """What each item brought in the windows of the sale, at the same weekdays and hours of the weeks before `end`.

    Args:
        events: schema Events.
        slots: windows of the sale.
        end: events at or after it are not read, UTC.
        weeks: how many weeks to look back on.
        unit_costs: as in `customer_history`.

    Returns:
        item_id, slot_id, week (1: the last whole one before `end`), metric, one row per cell with a sale or refund.

    Raises:
        InputError: no slots, or an item was sold that has no unit cost.
        InsufficientDataError: nothing was sold in these windows.
    """
    if not slots:
        raise InputError("There are no slots to look back from. Give the campaign's.")
    last = max(slot.end for slot in slots)
    back = -((end - last) // timedelta(weeks=1))  # weeks to go back until the last window has ended before `end`
    cells = pl.DataFrame(
        [
            (slot.slot_id, week + 1, slot.start - timedelta(weeks=back + week), slot.end - timedelta(weeks=back + week))
            for slot in slots
            for week in range(weeks)
        ],
        schema={
            "slot_id": pl.String,
            "week": pl.Int64,
            "from": pl.Datetime("us", "UTC"),
            "until": pl.Datetime("us", "UTC"),
        },
        orient="row",
    ).sort("from")
    at = Events.at.name
    sales = _money(events.filter(Events.at.col < end), unit_costs).sort(at)
    placed = sales.join_asof(cells.lazy(), left_on=at, right_on="from").filter(pl.col(at) < pl.col("until")).collect()
    if placed["uncosted"].any():
        raise InputError(f"{placed['uncosted'].sum()} sales are of items without a unit cost. Add their costs.")
    if placed.is_empty():
        raise InsufficientDataError(f"Nothing was sold in these windows in the {weeks} weeks before {end:%Y-%m-%d}.")
    return (
        placed.group_by(Events.item_id.name, "slot_id", "week")
        .agg(metric=pl.col("money").sum())
        .sort("item_id", "week")
    )
