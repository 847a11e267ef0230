"""What a plan really did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from flashlift.domain import Estimate
from flashlift.market.play import Arm, Forward

__all__ = ["Outcome", "outcome"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a plan, or the arms of an experiment, really did.

    Args:
        value: true V(plan), the incremental profit of the account: mean over futures, with the Monte-Carlo interval.
        units: one row per offer: variant, item_id, slot_id, quota, `mean_units` sold over all futures, and the
            `event_units` sold in the one future that `events` tells.
        gross_sales: mean revenue of the offers, in shop currency.
        sell_through: mean share of all quotas that is sold, in [0, 1]; None where the quotas sum to 0. Arms that share
            stock share the largest quota of an item in a slot.
        assignment: customer_id, variant.
        events: schema Events from the first slot's start to the end of the account; empty where not asked for. What
            customers who waited did not buy before that is in `value`, but not missing from any event here.
    """

    value: Estimate
    units: pl.DataFrame
    gross_sales: float
    sell_through: float | None
    assignment: pl.DataFrame
    events: pl.DataFrame


def outcome(arms: Sequence[Arm], forward: Forward, assignment: pl.DataFrame, events: pl.DataFrame) -> Outcome:
    """Figures of what was played."""
    told = [(arm.name, offer) for arm in arms for offer in arm.offers]
    mean_units = forward.sold.mean(axis=1)
    units = pl.DataFrame(
        {
            "variant": pl.Series([name for name, _ in told], dtype=pl.String),
            "item_id": pl.Series([offer.item_id for _, offer in told], dtype=pl.String),
            "slot_id": pl.Series([offer.slot_id for _, offer in told], dtype=pl.String),
            "quota": np.array([offer.quota for _, offer in told], dtype=np.int64),
            "mean_units": mean_units,
            "event_units": forward.sold[:, 0].astype(np.int64),
        }
    )
    quota = forward.allotted
    return Outcome(
        value=forward.estimate(),
        units=units,
        gross_sales=float(mean_units @ forward.price),
        sell_through=float(mean_units.sum() / quota) if quota else None,
        assignment=assignment,
        events=events,
    )
