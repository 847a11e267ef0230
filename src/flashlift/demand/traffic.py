"""Traffic: what the behavior model expects customers to buy in the next week, item by item.

Expected units of item i = its usual units per purchase x sum over customers of P(an order begins within 7 days) x
P(its next item is i). The sum runs over a sample of the customers seen lately and is scaled up to all of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from scipy.special import softmax

from flashlift.domain import Split
from flashlift.errors import InputError
from flashlift.protocols import FloatArray, IntentModel, Progress, Recommender, silent
from flashlift.schema import Events, Tables

__all__ = ["SCHEMA", "WEEK", "expect_traffic", "traffic_origins"]

WEEK = timedelta(days=7)
SCHEMA: dict[str, pl.DataType] = {"item_id": pl.String(), "at": pl.Datetime("us", "UTC"), "traffic": pl.Float64()}

_RECENT = timedelta(days=180)  # a customer who was away for longer is not counted
_CELLS = 10_000_000  # scores held at once
_LENT, _LARGEST = 20.0, 0.999  # purchases that the shop lends to an item; a line beyond this quantile counts as it


def traffic_origins(split: Split) -> list[datetime]:
    """Midnights, a week apart, on which a model trained before `split.train_end` knows no answer.

    Counted back from the end of validation and on from it through the test days, and the end of these.
    """
    start = split.valid_end.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    back, ahead = (start - split.train_end) // WEEK, (split.test_end - start) // WEEK
    weekly = [start + week * WEEK for week in range(-back, ahead + 1)]
    return sorted({*weekly, split.test_end.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)})


def expect_traffic(
    intent: IntentModel,
    recommender: Recommender,
    tables: Tables,
    origins: Sequence[datetime],
    *,
    most_customers: int = 4_000,
    rng: np.random.Generator,
    progress: Progress = silent,
) -> pl.DataFrame:
    """Expected units of every item of the catalog in the 7 days after each origin, up to a factor of the shop.

    An order counts as one purchase of its likely next items, so the sum over items is too low where orders are large.

    Args:
        intent: who buys.
        recommender: what; its scores must be log probabilities of the next item up to a constant of the customer.
        tables: the shop; events at or after an origin are never read for it.
        origins: moments at which the models may be asked honestly: not before the end of their training.
        most_customers: customers asked about, drawn from those with an event in the last 180 days.
        rng: draws the sample.
        progress: told the origins.

    Returns:
        `item_id`, `at`, `traffic` (units), sorted by origin and item; zeros where no customer was seen lately.

    Raises:
        InputError: the catalog is empty.
    """
    item_ids = tables.items["item_id"].unique().sort().to_list()
    if not item_ids:
        raise InputError("The catalog has no items whose traffic could be foreseen. Give a table of items.")
    parts = [pl.DataFrame(schema=SCHEMA)]
    for k, at in enumerate(origins):
        progress("traffic", k, len(origins), f"as of {at:%Y-%m-%d}")
        bought = _one_origin(intent, recommender, tables.events, item_ids, at, most_customers, rng)
        parts.append(pl.DataFrame({"item_id": item_ids, "at": [at] * len(item_ids), "traffic": bought}, schema=SCHEMA))
    progress("traffic", len(origins), len(origins))
    return pl.concat(parts)


def _one_origin(
    intent: IntentModel,
    recommender: Recommender,
    log: pl.LazyFrame,
    item_ids: list[str],
    at: datetime,
    most: int,
    rng: np.random.Generator,
) -> FloatArray:
    name, past = Events.customer_id.name, log.filter(Events.at.col < at)
    recent = Events.at.col >= at - _RECENT
    customers = past.filter(recent).select(name).drop_nulls().unique().sort(name).collect()[name].to_numpy()
    if not len(customers):
        return np.zeros(len(item_ids))
    some = customers
    if len(customers) > most:
        some = customers[np.sort(rng.choice(len(customers), most, replace=False))]
    known = past.filter(recent | Events.customer_id.col.is_in(some.tolist())).collect()
    bought = np.zeros(len(item_ids))
    step = max(_CELLS // len(item_ids), 1)
    for first in range(0, len(some), step):
        asked = some[first : first + step].tolist()
        buys = intent.purchase_probability(known, asked, at, [WEEK / timedelta(hours=1)])[:, 0]
        bought += buys @ softmax(recommender.score(known, asked, at, item_ids), axis=1)
    return bought * (len(customers) / len(some)) * _units_per_purchase(past, item_ids)


def _units_per_purchase(past: pl.LazyFrame, item_ids: list[str]) -> FloatArray:
    """Mean quantity of an item's purchases, shrunk to the shop's, (n_items,)."""
    name, quantity = Events.item_id.name, pl.col(Events.quantity.name).cast(pl.Float64)
    most = quantity.quantile(_LARGEST, "higher")
    lines = past.filter(pl.col(Events.event.name) == "purchase").select(name, quantity.clip(upper_bound=most))
    sums = lines.group_by(name).agg(pl.len().alias("n"), quantity.sum().alias("units")).collect()
    shop = float(np.sum(sums["units"].to_numpy())) / max(float(np.sum(sums["n"].to_numpy())), 1.0) or 1.0
    own = pl.DataFrame({name: item_ids}).join(sums, on=name, how="left", maintain_order="left").fill_null(0)
    return np.asarray((own["units"].to_numpy() + _LENT * shop) / (own["n"].to_numpy() + _LENT))
