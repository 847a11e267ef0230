"""Past sales beside what their items would have sold without them, ready for the response."""

from __future__ import annotations

import logging

import numpy as np

from flashlift.demand.baseline import CrossFit
from flashlift.demand.panel import Panel
from flashlift.demand.profile import by_day
from flashlift.demand.response import SaleRows
from flashlift.demand.selection import MerchantRule, drawn_by_lot, passing_state
from flashlift.demand.state import MIN_HISTORY
from flashlift.protocols import FloatArray, IntArray

__all__ = ["sale_rows"]

log = logging.getLogger(__name__)


def sale_rows(
    panel: Panel, cross: CrossFit, hidden: float, rng: np.random.Generator
) -> tuple[SaleRows, IntArray, IntArray, float | None]:
    """Past sales with their cross-fitted baselines, the first day of each and its last (days of the panel).

    Last: the log position at which the control of the position is 0; None where no sale has a position.
    """
    sales = panel.sales.filter(panel.sales["depth"].is_not_null())
    cut = by_day(sales, panel.profile)
    window, share = cut["window"].to_numpy(), cut["share"].to_numpy()
    day = cut["day"].to_numpy() - panel.first_day
    item = sales["item"].to_numpy().astype(np.int64)
    origin, last = np.full(len(item), panel.n_days), np.full(len(item), -1)
    np.minimum.at(origin, window, day)
    np.maximum.at(last, window, day)
    state = cross.history.state(item, np.clip(origin, 0, panel.n_days))
    usable = (origin >= MIN_HISTORY) & (last < panel.n_days) & (state.days[:, -1] >= 7)
    cell = usable[window]
    window, day, share = window[cell], day[cell], share[cell]
    daily = cross.predict(item[window], origin[window], day)
    baseline = np.bincount(window, share * daily, len(item)).astype(np.float64)
    keep = np.flatnonzero(usable & (baseline > 1e-4))
    kept = sales[keep]
    x = -np.log1p(-np.minimum(kept["depth"].to_numpy(), 0.95))
    demand, others = passing_state(cross, item[keep], origin[keep], rng)
    chosen = ~drawn_by_lot(kept["randomized"].to_numpy().astype(bool), demand, x)
    rule = MerchantRule.learn(demand, x, chosen, others, hidden)
    log.info("The merchant's rule: %s", rule)
    place, log_position = _place(kept["position"].to_numpy())
    rows = SaleRows(
        item=item[keep],
        units=kept["units"].to_numpy(),
        baseline=baseline[keep],
        x=x,
        controls=np.column_stack(
            [
                demand,
                place,
                # Only where both kinds exist can they be compared.
                chosen & (not chosen.all()),
                (chosen & (not chosen.all())) * x,
                rule.expected_gap(demand, x, chosen),
            ]
        ),
        lump=panel.lump[item[keep]],
    )
    return rows, origin[keep], last[keep], log_position


def _place(position: FloatArray) -> tuple[FloatArray, float | None]:
    """Log position around its mean, 0 where it is not known; and that mean, None where no position is known."""
    place = np.log(np.asarray(position, dtype=np.float64))
    known = np.isfinite(place)
    if not known.any():
        return np.zeros(len(place)), None
    usual = float(place[known].mean())
    return np.where(known, place - usual, 0.0), usual
