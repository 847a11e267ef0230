"""Days of sales that owe nothing to the law of demand, to judge by whom, where and when they are bought."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import cast

import numpy as np
import polars as pl

from flashlift.market.events import Window, event_frames
from flashlift.market.items import ItemBase
from flashlift.market.population import CustomerBase
from flashlift.protocols import silent
from flashlift.schema import Events

MONDAY = datetime(2025, 3, 3, tzinfo=UTC)
N_ITEMS = 40


def weeks(n: int, *, mean_units: float, seed: int = 11) -> list[Window]:
    rng = np.random.default_rng(seed)
    found = []
    for day in range(7 * n):
        discount = np.where(rng.random(N_ITEMS) < 0.1, 0.2, 0.0)
        found.append(
            Window(
                start=MONDAY + timedelta(days=day),
                end=MONDAY + timedelta(days=day + 1),
                sold=rng.poisson(mean_units, N_ITEMS),
                looks=np.full(N_ITEMS, 4 * mean_units),
                discount=discount,
                price=np.round(10 * (1 - discount), 2),
            )
        )
    return found


def events_of(customers: CustomerBase, windows: list[Window], *, seed: int, refund_frac: float = 0.05) -> pl.DataFrame:
    items = SimpleNamespace(
        frame=pl.DataFrame({"item_id": [f"i{k}" for k in range(N_ITEMS)]}), category=np.arange(N_ITEMS) % 24
    )
    frames = event_frames(
        windows,
        cast(ItemBase, items),
        customers,
        refund_frac=refund_frac,
        until=windows[-1].end,
        prefix="e",
        chunk_rows=3000,
        progress=silent,
        rng=np.random.default_rng(seed),
    )
    return Events.validate(pl.concat(frames))


def purchases(events: pl.DataFrame, customers: CustomerBase) -> pl.DataFrame:
    who = customers.frame.select("customer_id", "segment", "account_id", home=pl.col("region"))
    return events.filter(pl.col("event") == "purchase").join(who, on="customer_id", maintain_order="left")


def sold(events: pl.DataFrame, windows: list[Window]) -> np.ndarray:
    """Units bought in each window, (n_windows, n_items)."""
    found = np.zeros((len(windows), N_ITEMS), dtype=np.int64)
    for k, window in enumerate(windows):
        inside = events.filter(
            (pl.col("event") == "purchase") & pl.col("at").is_between(window.start, window.end, closed="left")
        )
        np.add.at(found[k], inside["item_id"].str.slice(1).cast(pl.Int64).to_numpy(), inside["quantity"].to_numpy())
    return found
