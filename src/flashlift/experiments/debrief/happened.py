"""What the log says of each planned offer: whether it ran, at which price, what it sold, what came back."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.domain import Offer, Slot
from flashlift.errors import InputError
from flashlift.protocols import FloatArray
from flashlift.schema import Events, ItemHistory, SaleItems, Tables

__all__ = ["NOT_RUN", "OTHER_PRICE", "RAN", "happened", "lines_in", "refund_delays", "whole_until"]

RAN, OTHER_PRICE, NOT_RUN, UNSEEN = "ran", "other price", "not run", "nothing seen"
SAME_FRAC = 0.01  # prices nearer than this are the same: currency and rounding
STOPPED = 0.01  # chance, over all offers of a sale, that purchases cease so early without a cause
FEW_LINES = 50  # of offers whose stock lasted, below which their pace is not known
DELAY_DAYS = 365  # of purchases before the sale, from which delays of refunds are learned
_ITEM, _SLOT = Events.item_id.name, "slot_id"


def whole_until(last_event: datetime) -> datetime:
    """Until when a log is taken to be complete: the full hour after its last event."""
    return last_event.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)


def lines_in(
    events: pl.LazyFrame, slots: Sequence[Slot], kinds: Sequence[str], item_ids: Sequence[str]
) -> pl.DataFrame:
    """Events of some kinds and items in each slot: `slot_id`, `offset` (share of the slot gone by) and Events' columns.

    An event within two overlapping slots is told for both.
    """
    kept = events.filter(Events.event.col.is_in(list(kinds)), Events.item_id.col.is_in(list(item_ids)))
    parts = [
        kept.filter(Events.at.col >= slot.start, Events.at.col < slot.end).with_columns(
            pl.lit(slot.slot_id).alias(_SLOT),
            ((Events.at.col - slot.start).dt.total_seconds() / (3600 * slot.hours)).alias("offset"),
        )
        for slot in slots
    ]
    return pl.concat(pl.collect_all(parts))


def happened(
    tables: Tables,
    offers: Sequence[Offer],
    slots: Sequence[Slot],
    items: pl.DataFrame,
    *,
    currency: str,
    until: datetime,
) -> pl.DataFrame:
    """Look up what became of each offer.

    Args:
        tables: the shop, with the sale in its log.
        offers: those of slots that are over.
        slots: these slots.
        items: table SaleItems of the plan.
        currency: of the plan's prices.
        until: end of what is known.

    Returns:
        A row per offer, in the order given: `item_id`, `slot_id`, `units` (bought in the slot at any price), `lines`,
        `price` (mean price paid; where nothing was bought the price last seen; null: no event has one), `status`
        (`ran`, `other price`, `not run`: the list price was paid; `nothing seen`), `most` (units of the customer who
        bought most; null where none is known), `returned`, `views`, `sold_out` (the quota or the shelf was empty, or
        purchases ceased), `why_out`, `elapsed_frac` (share of the slot's demand that came before it ended, else 1).

    Raises:
        InputError: sales in the slots are in another currency than the plan.
    """
    ids = sorted({offer.item_id for offer in offers})
    seen = lines_in(tables.events, slots, ["purchase", "view", "click", "cart", "favorite"], ids)
    bought = seen.filter(Events.event.col == "purchase")
    _same_currency(bought, currency)
    price, units = Events.price.col, Events.quantity.col
    sold = bought.group_by(_ITEM, _SLOT).agg(
        units=units.sum(),
        lines=pl.len(),
        paid=(price * units).sum() / pl.when(price.is_not_null()).then(units).sum(),
        last=pl.col("offset").max(),
        last_at=Events.at.col.max(),
    )
    head = bought.drop_nulls(Events.customer_id.name).group_by(_ITEM, _SLOT, Events.customer_id.name)
    most = head.agg(most=units.sum()).group_by(_ITEM, _SLOT).agg(pl.col("most").max())
    looked = seen.filter(Events.event.col != "purchase")
    shown = looked.group_by(_ITEM, _SLOT).agg(
        seen_price=price.median(), views=(Events.event.col == "view").sum().cast(pl.Int64)
    )
    back = _returned(tables.events, bought, until)
    frame = _planned(offers, items)
    for part in (sold, most, shown, back):
        frame = frame.join(part, on=[_ITEM, _SLOT], how="left", maintain_order="left")
    frame = frame.with_columns(
        pl.col("units", "lines", "returned").fill_null(0), price=pl.coalesce("paid", "seen_price")
    ).with_columns(status=_status())
    return _sold_out(frame, tables, slots, bought).drop("paid", "seen_price", "last", "last_at")


def _planned(offers: Sequence[Offer], items: pl.DataFrame) -> pl.DataFrame:
    plan = pl.DataFrame(
        {
            _ITEM: [o.item_id for o in offers],
            _SLOT: [o.slot_id for o in offers],
            "planned_price": [o.price for o in offers],
            "quota": [o.quota for o in offers],
        },
        schema={_ITEM: pl.String, _SLOT: pl.String, "planned_price": pl.Float64, "quota": pl.Int64},
    )
    return plan.join(items.select(_ITEM, SaleItems.list_price.name), on=_ITEM, how="left", maintain_order="left")


def _same_currency(bought: pl.DataFrame, currency: str) -> None:
    other = bought.filter(Events.currency.col.is_not_null(), Events.currency.col != currency)
    if not other.is_empty():
        found = other[Events.currency.name].unique().sort().to_list()
        raise InputError(
            f"{other.height} purchases of the sale are in {', '.join(found)}, the plan is in {currency}. Give "
            "cleaning.rates in the settings and ingest again, or correct shop.currency."
        )


def _status() -> pl.Expr:
    price, planned, listed = pl.col("price"), pl.col("planned_price"), pl.col(SaleItems.list_price.name)
    return (
        pl.when(price.is_null())
        .then(pl.lit(UNSEEN))
        .when((price - planned).abs() <= SAME_FRAC * planned)
        .then(pl.lit(RAN))
        .when(price >= (1.0 - SAME_FRAC / 2) * listed)
        .then(pl.lit(NOT_RUN))
        .otherwise(pl.lit(OTHER_PRICE))
    )


def _returned(events: pl.LazyFrame, bought: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Units of each offer that came back until now: by order where the refund names one, else by customer."""
    if bought.is_empty():
        return pl.DataFrame(schema={_ITEM: pl.String, _SLOT: pl.String, "returned": pl.Int64})
    start = bought[Events.at.name].min()
    order, customer = Events.order_id.name, Events.customer_id.name
    back = events.filter(
        Events.event.col == "refund",
        Events.at.col > start,
        Events.at.col < until,
        Events.item_id.col.is_in(bought[_ITEM].unique().to_list()),
    ).collect()
    parts = []
    for key, refunds in ((order, back.drop_nulls(order)), (customer, back.filter(pl.col(order).is_null()))):
        came = refunds.group_by(_ITEM, key).agg(back=Events.quantity.col.sum(), at=Events.at.col.max())
        went = (
            bought.drop_nulls(key).group_by(_ITEM, key, _SLOT).agg(Events.quantity.col.sum(), first=Events.at.col.min())
        )
        parts.append(
            went.join(came, on=[_ITEM, key])
            .filter(pl.col("at") > pl.col("first"))
            .select(_ITEM, _SLOT, returned=pl.min_horizontal("back", Events.quantity.name))
        )
    return pl.concat(parts).group_by(_ITEM, _SLOT).agg(pl.col("returned").sum())


def refund_delays(events: pl.LazyFrame, *, before: datetime) -> list[float]:
    """Days from purchase to refund of orders in the year before a sale, where both name the order; sorted."""
    key = [Events.order_id.name, Events.item_id.name]
    past = events.filter(
        Events.at.col < before, Events.at.col >= before - timedelta(days=DELAY_DAYS), Events.order_id.col.is_not_null()
    )
    went = past.filter(Events.event.col == "purchase").group_by(key).agg(went=Events.at.col.min())
    came = past.filter(Events.event.col == "refund").group_by(key).agg(came=Events.at.col.min())
    days = (pl.col("came") - pl.col("went")).dt.total_seconds() / 86_400
    found = went.join(came, on=key).select(days=days).filter(pl.col("days") >= 0.0).sort("days").collect()
    return [float(one) for one in found["days"]]


def _sold_out(frame: pl.DataFrame, tables: Tables, slots: Sequence[Slot], bought: pl.DataFrame) -> pl.DataFrame:
    """Mark offers whose stock did not last, and when it ended."""
    sold = pl.col("status").is_in([RAN, OTHER_PRICE]) & (pl.col("units") > 0)
    known = frame.with_columns(emptied=_emptied(frame, tables, slots)).with_columns(
        why_out=pl.when(sold & (pl.col("units") >= pl.col("quota")))
        .then(pl.lit("quota"))
        .when(sold & pl.col("emptied"))
        .then(pl.lit("empty shelf"))
    )
    lasting = bought.join(known.filter(pl.col("why_out").is_null()), on=[_ITEM, _SLOT], how="semi")
    passed = _pace(lasting["offset"].to_numpy(), known["last"].fill_null(1.0).to_numpy())
    # The latest of n instants lies before a moment with the probability of one of them to the power of n.
    ceased = pl.Series(passed ** np.maximum(known["lines"].to_numpy(), 1)) < STOPPED / max(frame.height, 1)
    return (
        known.with_columns(
            why_out=pl.coalesce("why_out", pl.when(sold & ceased).then(pl.lit("sales ceased"))),
            passed=pl.Series(passed),
        )
        .with_columns(sold_out=pl.col("why_out").is_not_null())
        .with_columns(elapsed_frac=pl.when("sold_out").then(pl.col("passed")).otherwise(1.0))
        .drop("emptied", "passed")
    )


def _pace(offset: FloatArray, at: FloatArray) -> FloatArray:
    """Share of a slot's demand that comes before each moment: as where stock lasted; evenly where few units tell it."""
    if len(offset) < FEW_LINES:
        return at
    return np.asarray(np.searchsorted(np.sort(offset), at, side="right") / len(offset))


def _emptied(frame: pl.DataFrame, tables: Tables, slots: Sequence[Slot]) -> pl.Series:
    """Whether the stock record says that the shelf was empty after an offer's last sale, with no sale in between."""
    none = pl.Series("emptied", [False] * frame.height, dtype=pl.Boolean)
    if tables.history is None:
        return none
    zero = tables.history.filter(ItemHistory.on_hand.col == 0).select(_ITEM, ItemHistory.at.col.alias("zero_at"))
    ends = pl.DataFrame({_SLOT: [s.slot_id for s in slots], "end": [s.end for s in slots]})
    rows = frame.with_row_index("row").join(ends, on=_SLOT, how="left").join(zero, on=_ITEM)
    rows = rows.filter(pl.col("zero_at") >= pl.col("last_at"), pl.col("zero_at") <= pl.col("end") + timedelta(days=1))
    if rows.is_empty():
        return none
    later = tables.events.filter(
        Events.event.col == "purchase",
        Events.at.col >= min(s.start for s in slots),
        Events.item_id.col.is_in(rows[_ITEM].unique().to_list()),
    ).select(_ITEM, sold_at=Events.at.col)
    between = (
        rows.lazy()
        .join(later, on=_ITEM)
        .filter(pl.col("sold_at") > pl.col("last_at"), pl.col("sold_at") < pl.col("zero_at"))
        .select("row", "zero_at")
        .unique()
        .collect()
    )
    out = rows.join(between, on=["row", "zero_at"], how="anti")["row"].unique()
    return pl.Series("emptied", range(frame.height)).is_in(out.cast(pl.Int64).implode())
