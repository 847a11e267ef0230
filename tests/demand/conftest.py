"""Shops to learn from: a simulated one with known truth, and the bundled real one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib import resources

import numpy as np
import polars as pl
import pytest

from flashlift.demand import DemandConfig, FittedDemand, fit
from flashlift.domain import Slot
from flashlift.market import MarketConfig, SimulatedShop, simulate
from flashlift.schema import EVENT_KINDS, Events, Items, Tables

QUICK = DemandConfig(max_rows=40_000, rounds=30, folds=2)


def make_slots(
    start: datetime, n: int, *, hours: float = 4.0, every_hours: float = 24.0, after_hours: float = 30.0
) -> list[Slot]:
    first = start + timedelta(hours=after_hours)
    return [
        Slot(
            slot_id=f"s{k}",
            start=first + timedelta(hours=every_hours * k),
            end=first + timedelta(hours=every_hours * k + hours),
            positions=5,
        )
        for k in range(n)
    ]


def make_items(n: int, category: str | None = "a") -> pl.DataFrame:
    frame = pl.DataFrame(
        {
            "item_id": [f"i{k:03d}" for k in range(n)],
            "title": pl.Series([None] * n, dtype=pl.String),
            "category": pl.Series([category] * n, dtype=pl.String),
            "brand": pl.Series([None] * n, dtype=pl.String),
            "list_price": [10.0] * n,
            "unit_cost": [5.0] * n,
            "stock": [100] * n,
            "attributes": pl.Series([None] * n, dtype=pl.String),
        }
    )
    return Items.validate(frame)


def make_events(item: list[str], at: list[datetime], price: list[float | None], quantity: list[int]) -> pl.DataFrame:
    n = len(item)
    text = pl.Series([None] * n, dtype=pl.String)
    frame = pl.DataFrame(
        {
            "event_id": [str(k) for k in range(n)],
            "customer_id": text,
            "item_id": item,
            "event": pl.Series(["purchase"] * n, dtype=pl.Enum(list(EVENT_KINDS))),
            "at": pl.Series(at, dtype=pl.Datetime("us", "UTC")),
            "price": pl.Series(price, dtype=pl.Float64),
            "currency": text,
            "quantity": pl.Series(quantity, dtype=pl.Int64),
            **dict.fromkeys(("order_id", "session_id", "exposure_id", "channel", "region", "store_id"), text),
        }
    )
    return Events.validate(frame).sort("at", "event_id")


def steady_shop(n_items: int, days: int, *, price: float | None = 10.0, seed: int = 0) -> Tables:
    """Three purchases per item and day on average, always at one price."""
    rng = np.random.default_rng(seed)
    start = datetime(2025, 1, 1, tzinfo=UTC)
    counts = rng.poisson(3.0, (n_items, days))
    item, day = (a.repeat(counts.ravel()) for a in (b.ravel() for b in np.indices(counts.shape)))
    seconds = rng.integers(8 * 3600, 20 * 3600, len(item))
    at = [start + timedelta(days=int(d), seconds=int(s)) for d, s in zip(day, seconds, strict=True)]
    events = make_events([f"i{k:03d}" for k in item], at, [price] * len(item), [1] * len(item))
    return Tables(events=events.lazy(), items=make_items(n_items))


@pytest.fixture(scope="session")
def quick() -> DemandConfig:
    return QUICK


@pytest.fixture(scope="session")
def shop() -> SimulatedShop:
    return simulate(MarketConfig.sized(150_000), seed=5)


@pytest.fixture(scope="session")
def model(shop: SimulatedShop) -> FittedDemand:
    return fit(shop.tables, until=shop.now, config=QUICK, rng=np.random.default_rng(1))


@pytest.fixture(scope="session")
def online_retail() -> Tables:
    """The 400 best-selling codes of the bundled data, cancellations and free goods dropped."""
    with resources.as_file(resources.files("flashlift") / "data" / "online_retail.parquet") as path:
        raw = pl.read_parquet(path)
    lines = raw.filter(~pl.col("InvoiceNo").str.starts_with("C") & (pl.col("UnitPrice") > 0) & (pl.col("Quantity") > 0))
    best = (
        lines["StockCode"]
        .value_counts(sort=True, name="n")
        .sort("n", "StockCode", descending=True)["StockCode"]
        .head(400)
    )
    lines = lines.filter(pl.col("StockCode").is_in(best.implode())).with_row_index("event_id")
    text = pl.lit(None, dtype=pl.String)
    events = lines.select(
        pl.col("event_id").cast(pl.String),
        pl.col("CustomerID").cast(pl.Int64).cast(pl.String).alias("customer_id"),
        pl.col("StockCode").alias("item_id"),
        pl.lit("purchase").cast(pl.Enum(list(EVENT_KINDS))).alias("event"),
        pl.col("InvoiceDate").dt.replace_time_zone("UTC").alias("at"),
        pl.col("UnitPrice").alias("price"),
        pl.lit("GBP").alias("currency"),
        pl.col("Quantity").cast(pl.Int64).alias("quantity"),
        pl.col("InvoiceNo").alias("order_id"),
        *(text.alias(name) for name in ("session_id", "exposure_id", "channel", "region", "store_id")),
    )
    items = (
        events.group_by("item_id")
        .agg(pl.col("price").median().alias("list_price"))
        .select(
            "item_id",
            *(text.alias(name) for name in ("title", "category", "brand")),
            "list_price",
            pl.lit(None, dtype=pl.Float64).alias("unit_cost"),
            pl.lit(None, dtype=pl.Int64).alias("stock"),
            text.alias("attributes"),
        )
        .sort("item_id")
    )
    return Tables(events=events.sort("at", "event_id").lazy(), items=Items.validate(items))
