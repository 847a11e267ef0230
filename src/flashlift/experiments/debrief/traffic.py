"""How far the shop's traffic was off in each slot: items that no offer touches, in its hours, beside their forecast.

Views are a second measurement where the log has them: the controls' units were forecast, and their views per unit are
those of the weeks before. Control items are in no sale then, are no substitute or complement of an offered item, and
had stock enough for what was forecast.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.domain import Slot
from flashlift.experiments.debrief.forecast import Forecast
from flashlift.experiments.debrief.happened import lines_in
from flashlift.experiments.debrief.level import Measured, joined, measure, posterior
from flashlift.protocols import DemandDraws, FloatArray, IntArray
from flashlift.schema import Events, ItemHistory, Promotions, SaleItems, Tables

__all__ = ["Traffic", "counts", "in_a_sale", "read_traffic"]

SHARED_SD = 0.3  # of the log factor of the whole sale: what nobody foresaw
OWN_SD = 0.15  # of a slot beside it
MOST_CONTROLS = 1_000
ENOUGH = 1.5  # stock of a control, as a multiple of what was forecast of it by then
CHANCE = 0.1  # of a slot told wrongly as busier or quieter, among all slots
USUAL_DAYS = 28  # that tell the views per unit
VIEWS_VARIANCE = 0.01  # of the log of views per unit from one week to another


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """Factor on forecast traffic.

    Args:
        slots: `slot_id`, `controls`, `expected_units`, `units`, `expected_views`, `views` of the control items, and
            the factor as `value`, `ci_lower`, `ci_upper` (90 %), and `low` and `high` at a level corrected for the
            number of slots; views are null where the log has none.
        slot: draws of the factor in each slot of the campaign, (n_slots, n_draws).
        window: draws of the factor in the windows around them, (n_windows, n_draws).
        units: units of the control items behind all of them.
    """

    slots: pl.DataFrame
    slot: FloatArray
    window: FloatArray
    units: float


def read_traffic(
    tables: Tables,
    forecast: Forecast,
    slots: Sequence[Slot],
    over: Sequence[Slot],
    items: pl.DataFrame,
    rng: np.random.Generator,
) -> Traffic:
    """Measure every slot and window together.

    Args:
        tables: the shop, with the sale in its log.
        forecast: of the sale.
        slots: of the campaign.
        over: those that are over; what is told of the others comes from these.
        items: table SaleItems, in the row order of the draws.
        rng: of the draws.
    """
    everything = (*slots, *forecast.windows)
    free, stock = _free(forecast, items.height), _stock(items)
    taken = in_a_sale(tables, everything, items)
    views_per_unit = _views_per_unit(tables, min(s.start for s in slots), items, free)
    units, views, clump = counts(tables, everything, items)
    done = {slot.slot_id for slot in (*over, *forecast.windows)}
    gone = np.zeros(items.height)
    found = [Measured(log=0.0, variance=np.inf, actual=0.0, expected=0.0) for _ in everything]
    rows = dict.fromkeys((slot.slot_id for slot in slots), _NOTHING)
    for k in sorted(range(len(everything)), key=lambda k: everything[k].start):
        draws, at = _place(forecast, k, len(slots))
        some = free[~taken[k, free]]
        wanted = draws.units(some, np.full(len(some), at), np.zeros(len(some)))
        gone[some] += wanted.mean(axis=1)
        kept = stock[some] >= ENOUGH * gone[some]
        some, wanted = some[kept], wanted[kept]
        if everything[k].slot_id not in done:
            continue
        found[k], told = _measure(units[k, some], views[k, some], wanted, views_per_unit, clump, rng)
        if k < len(slots):
            rows[everything[k].slot_id] = {"controls": len(some), **told}
    factor = posterior(found, forecast.draws.n_draws, rng, shared_sd=SHARED_SD, own_sd=OWN_SD)
    n, far = len(slots), CHANCE / 2 / len(slots)
    lower, upper, low, high = np.quantile(factor[:n], [0.05, 0.95, far, 1.0 - far], axis=1)
    frame = pl.DataFrame([{"slot_id": name, **row} for name, row in rows.items()], schema=_SCHEMA).with_columns(
        value=np.median(factor[:n], axis=1), ci_lower=lower, ci_upper=upper, low=low, high=high
    )
    return Traffic(slots=frame, slot=factor[:n], window=factor[n:], units=sum(one.actual for one in found))


_SCHEMA = {
    "slot_id": pl.String,
    "controls": pl.Int64,
    "expected_units": pl.Float64,
    "units": pl.Float64,
    "expected_views": pl.Float64,
    "views": pl.Float64,
}
_NOTHING: dict[str, float | None] = {"controls": 0}


def _place(forecast: Forecast, k: int, n_slots: int) -> tuple[DemandDraws, int]:
    if k < n_slots:
        return forecast.draws, k
    assert forecast.other is not None
    return forecast.other, k - n_slots


def _free(forecast: Forecast, n_items: int) -> IntArray:
    """Items that no offer touches, at most so many, spread over the table."""
    cross = forecast.draws.cross()
    offered = np.isin(cross.source, forecast.item)
    touched = np.union1d(forecast.item, cross.target[offered])
    free = np.setdiff1d(np.arange(n_items), touched)
    return free[np.unique(np.linspace(0, len(free) - 1, min(len(free), MOST_CONTROLS)).astype(np.int64))]


def _stock(items: pl.DataFrame) -> FloatArray:
    """Stock at the plan's time; no bound where it is only assumed."""
    known = items[SaleItems.stock.name].to_numpy().astype(np.float64)
    return np.where(items[SaleItems.stock_assumed.name].to_numpy(), np.inf, known)


def in_a_sale(tables: Tables, windows: Sequence[Slot], items: pl.DataFrame) -> npt.NDArray[np.bool_]:
    """Whether an item was in a recorded sale or had an empty shelf within each window, (n_windows, n_items)."""
    key = SaleItems.item_id.name
    ids = items.select(key).with_row_index("row")
    out = np.zeros((len(windows), items.height), dtype=bool)
    for k, window in enumerate(windows):
        for table, hit in (
            (tables.promotions, (Promotions.start.col < window.end) & (Promotions.end.col > window.start)),
            (
                tables.history,
                (ItemHistory.on_hand.col == 0)
                & (ItemHistory.at.col >= window.start)
                & (ItemHistory.at.col <= window.end),
            ),
        ):
            if table is not None:
                out[k, ids.join(table.filter(hit), on=key, how="semi")["row"].to_numpy()] = True
    return out


def counts(tables: Tables, windows: Sequence[Slot], items: pl.DataFrame) -> tuple[FloatArray, FloatArray, float]:
    """Units bought and views of every item in every window, (n_windows, n_items); and how views clump.

    The last is the mean number of views that come with a view, from one visit (or customer): 1 if each came alone.
    """
    key = SaleItems.item_id.name
    row = items.select(key).with_row_index("row")
    place = pl.DataFrame({"slot_id": [w.slot_id for w in windows], "window": range(len(windows))})
    lines = lines_in(tables.events, windows, ["purchase", "view"], items[key].to_list())
    lines = lines.join(row, on=key).join(place, on="slot_id")
    out = np.zeros((2, len(windows), items.height))
    is_view = lines[Events.event.name] == "view"
    for k, part in enumerate((lines.filter(~is_view), lines.filter(is_view))):
        weight = part[Events.quantity.name].to_numpy() if k == 0 else np.ones(part.height)
        np.add.at(out[k], (part["window"].to_numpy(), part["row"].to_numpy()), weight)
    visit = pl.coalesce(Events.session_id.name, Events.customer_id.name, Events.event_id.name)
    clump = lines.filter(is_view).group_by(visit.alias("visit")).len()["len"].to_numpy().astype(np.float64)
    return out[0], out[1], float((clump**2).sum() / clump.sum()) if len(clump) else 1.0


def _views_per_unit(tables: Tables, start: datetime, items: pl.DataFrame, free: IntArray) -> float | None:
    """Views per unit of the controls in the weeks before; None where the log has no views or hardly any units."""
    ids = items[SaleItems.item_id.name].gather(free).to_list()
    past = tables.events.filter(
        Events.at.col < start, Events.at.col >= start - timedelta(days=USUAL_DAYS), Events.item_id.col.is_in(ids)
    )
    units = Events.quantity.col.filter(Events.event.col == "purchase").sum()
    seen = past.select(units=units, views=(Events.event.col == "view").sum()).collect().row(0)
    return float(seen[1]) / float(seen[0]) if seen[0] >= 30 and seen[1] > seen[0] else None


def _measure(
    units: FloatArray,
    views: FloatArray,
    wanted: FloatArray,
    views_per_unit: float | None,
    clump: float,
    rng: np.random.Generator,
) -> tuple[Measured, dict[str, float | None]]:
    """One window: by units, and by views where there are any."""
    one = measure(units, wanted, rng)
    told: dict[str, float | None] = {"expected_units": one.expected, "units": one.actual}
    if views_per_unit is None or one.expected <= 0.0:
        return one, told | {"expected_views": None, "views": None}
    expected, seen = one.expected * views_per_unit, float(views.sum())
    shared = max(one.variance - 1.0 / (one.actual + 0.5), 0.0)  # what is wrong with the forecast of units is in both
    both = joined(
        one,
        float(np.log((seen + 0.5) / (expected + 0.5))),
        clump / (seen + 0.5) + VIEWS_VARIANCE,
        shared,
    )
    return both, told | {"expected_views": expected, "views": seen}
