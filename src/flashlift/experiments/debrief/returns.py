"""Which share of each offer's units comes back: refunds in the log, and those that are usually still to come."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import numpy as np
import polars as pl

from flashlift.domain import Slot
from flashlift.experiments.debrief.happened import refund_delays
from flashlift.protocols import FloatArray
from flashlift.schema import Tables

__all__ = ["returned_frac"]

FEW_DELAYS = 30  # refunds of the past, below which their delays are not known
ALL_BACK = 0.98  # share of the usual refunds, from which the few still to come are left out
PLANNED_UNITS = 20.0  # that the planned share of returns counts for, beside those sold


def returned_frac(
    facts: pl.DataFrame,
    tables: Tables,
    slots: Sequence[Slot],
    planned: float,
    *,
    until: datetime,
    n_draws: int,
    rng: np.random.Generator,
    notes: list[str],
) -> FloatArray:
    """Draws of the share, (n_offers, n_draws).

    Args:
        facts: from `happened`.
        tables: the shop, for the delays of past refunds.
        slots: those that are over.
        planned: share of returns that was planned.
        until: end of what is known.
        n_draws: number of draws.
        rng: of the draws.
        notes: what is assumed is added to them.
    """
    units, back = facts["units"].to_numpy(), np.minimum(facts["returned"].to_numpy(), facts["units"].to_numpy())
    delays = refund_delays(tables.events, before=min(s.start for s in slots))
    if len(delays) < FEW_DELAYS and not back.any():
        if planned > 0.0:
            notes.append("The log holds hardly any refunds, so returns are taken to be as planned.")
        return np.full((len(units), n_draws), planned)
    age = {s.slot_id: (until - s.end) / timedelta(days=1) for s in slots}
    ages = np.array([age[slot_id] for slot_id in facts["slot_id"]])
    done = np.ones(len(units)) if len(delays) < FEW_DELAYS else np.searchsorted(delays, ages) / len(delays)
    rate = rng.gamma(
        back.sum() + PLANNED_UNITS * max(planned, 1e-3), 1.0 / ((units * done).sum() + PLANNED_UNITS), n_draws
    )
    done = np.where(done > ALL_BACK, 1.0, done)
    open_frac = np.minimum(rate * (1.0 - done)[:, None], 1.0)
    to_come = rng.binomial((units - back)[:, None], open_frac)
    if (done < 0.95).any():
        notes.append(
            f"Of refunds that come, {done.min():.0%} usually have by now; the rest is estimated from those that did."
        )
    share = (back[:, None] + to_come) / np.maximum(units, 1)[:, None]
    return np.where(units[:, None] > 0, share, planned)
