"""The log as dense item x day arrays: units, interest, stock, and which days were normal (`normal`)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import numpy as np
import numpy.typing as npt
import polars as pl

from flashlift.demand.competitors import price_gaps
from flashlift.demand.config import DemandConfig
from flashlift.demand.normal import Float32Array, arrivals, normal_days, open_days
from flashlift.demand.profile import DAY_US, HourProfile, by_day
from flashlift.demand.regular_price import price_changes, regular_prices
from flashlift.demand.sales import day_prices, detected_sales, recorded_sales, sold_in_sales
from flashlift.errors import InsufficientDataError
from flashlift.holiday import holiday_days
from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events, Items, Tables

__all__ = ["Panel", "build_panel"]

_MIN_DAYS = 28
_MOST_CELLS, _YEAR_AND_MORE = 40_000_000, 400  # items times days beyond which only a year and more is read
_WHOLESALE_QUANTILE = 0.999  # a line beyond it counts as this quantity: one-off wholesale orders predict nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Item x day arrays, (n_items, n_days), and the past sales of these items.

    Args:
        item_ids: items with a purchase in the period or a row in the history of stock before its end, sorted.
        category: row number in `categories` of each item.
        categories: category paths; the first, empty one stands for items without a category.
        brand: row number in `brands` of each item.
        brands: row number of the category and name of each brand of a category; the first stands for no brand.
        first_day: first day, in days since 1970-01-01 (UTC); the last day ends at or before `until`.
        units: units bought.
        interest: views, clicks, favorites and carts; None where the log has none.
        stock: share of the day's demand that fell into hours with stock.
        normal: the same on normal days, 0 on others.
        touched: days with a part of a sale.
        price: ln of the regular price over the item's first one; None where none ever changed.
        gap: ln of the regular price over the lowest of competitors, as known at the start of each day and of the one
            after the last, (n_items, n_days + 1), NaN where unknown; None without competitors' prices.
        lump: units per purchase, size-biased (mean of q^2 / mean of q); variance over mean of units in a day.
        sales: past sales, one row each: `item`, `start`, `end`, `depth`, `position`, `randomized`, and
            `units` bought within until the item was sold out (`end` is moved to that moment).
        detected: whether the sales were detected from prices because the shop keeps no table of promotions.
        profile: the hours of a day.
        holiday: sorted days of public holidays until the year after the log, in days since 1970-01-01.
    """

    item_ids: list[str]
    category: IntArray
    categories: list[str]
    brand: IntArray
    brands: list[tuple[int, str]]
    first_day: int
    units: Float32Array
    interest: Float32Array | None
    stock: Float32Array
    normal: Float32Array
    touched: npt.NDArray[np.bool_]
    price: Float32Array | None
    gap: Float32Array | None
    lump: FloatArray
    sales: pl.DataFrame
    detected: bool
    profile: HourProfile
    holiday: IntArray

    @property
    def n_days(self) -> int:
        """Number of days."""
        return int(self.units.shape[1])

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Start of the first day and end of the last, UTC."""
        start = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=self.first_day)
        return start, start + timedelta(days=self.n_days)


def build_panel(tables: Tables, until: datetime, config: DemandConfig) -> Panel:
    """Read the log before `until` into a panel. Whole UTC days only: the day of `until` is left out unless it is over.

    Raises:
        InsufficientDataError: no purchases, no prices, or less than 28 days.
    """
    midnight = until.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    lines, item_ids = _purchases(tables, midnight, config)
    number = pl.DataFrame({"item_id": item_ids, "item": np.arange(len(item_ids))})
    first_day = int(lines["day"].min())  # type: ignore[arg-type]
    n_days = (midnight.date() - date(1970, 1, 1)).days - first_day
    if n_days < _MIN_DAYS:
        raise InsufficientDataError(
            f"The log holds purchases of {n_days} days before {until:%Y-%m-%d}; the demand model needs at least "
            f"{_MIN_DAYS} days. Give a longer log or a later date."
        )
    shape = (len(item_ids), n_days)
    profile = HourProfile.fit(lines)
    prices = day_prices(lines)
    sales, detected = _sales(tables, prices, number, midnight, config)
    empty = _out_of_stock(tables, number, midnight)
    stock = np.maximum(1.0 - _day_shares(empty, profile.always_open(), first_day, shape), 0.0).astype(np.float32)
    stock[stock < 1e-3] = 0.0
    touched = (
        _day_shares(
            sales.select("item", pl.col("from").alias("start"), pl.col("to").alias("end")), profile, first_day, shape
        )
        > 0
    )
    cell = lines.select(pl.col("item") * n_days + pl.col("day") - first_day).to_series().to_numpy()
    units = np.bincount(cell, lines["quantity"].to_numpy(), shape[0] * n_days).reshape(shape).astype(np.float32)
    regular = regular_prices(prices, touched, first_day)
    interest = _interest(tables, number, first_day, shape, midnight)
    arrival = arrivals(tables, number, midnight, first_day)
    categories, category = _categories(tables.items, item_ids)
    brands, brand = _brands(tables.items, item_ids, category)
    return Panel(
        item_ids=item_ids,
        category=category,
        categories=categories,
        brand=brand,
        brands=brands,
        first_day=first_day,
        units=units,
        interest=interest,
        stock=stock,
        normal=normal_days(open_days(units, interest, arrival), stock, touched, config),
        touched=touched,
        price=price_changes(regular),
        gap=price_gaps(tables.competitors, number, regular, first_day),
        lump=_lump(lines, len(item_ids)),
        sales=sold_in_sales(sales, empty, lines),
        detected=detected,
        profile=profile,
        holiday=_holidays(config, first_day, first_day + n_days),
    )


def _holidays(config: DemandConfig, first_day: int, end: int) -> IntArray:
    return np.zeros(0, np.int64) if config.country is None else holiday_days(config.country, first_day, end + 366)


def _purchases(tables: Tables, until: datetime, config: DemandConfig) -> tuple[pl.DataFrame, list[str]]:
    at = pl.col(Events.at.name)
    lines = (
        tables.events.filter(
            (pl.col(Events.event.name) == "purchase")
            & (at < until)
            & (at >= until - timedelta(days=config.history_days))
        )
        .select(
            Events.item_id.name,
            Events.at.name,
            Events.price.name,
            pl.col(Events.quantity.name).cast(pl.Float64),
            (at.dt.epoch("us") // DAY_US).alias("day"),
        )
        .collect(engine="streaming")
    )
    most = max(_MOST_CELLS // max(lines[Events.item_id.name].n_unique(), 1), _YEAR_AND_MORE)
    lines = lines.filter(at >= until - timedelta(days=min(most, config.history_days)))
    if lines.is_empty():
        raise InsufficientDataError(
            f"The log holds no purchases in the {config.history_days} days before {until:%Y-%m-%d}; the demand model "
            "needs purchase events with a price. Give a log with purchases."
        )
    if lines[Events.price.name].null_count() == len(lines):
        raise InsufficientDataError(
            f"The {len(lines):,} purchases before {until:%Y-%m-%d} have no prices, so nothing can be learned "
            "about discounts. Map a price column in the settings, or stop after recommendation."
        )
    item_ids = _known_items(tables, lines[Events.item_id.name], until)
    cap = float(lines[Events.quantity.name].quantile(_WHOLESALE_QUANTILE, "higher"))  # type: ignore[arg-type]
    numbered = lines.with_columns(
        pl.col(Events.item_id.name).cast(pl.Enum(item_ids)).to_physical().cast(pl.Int64).alias("item"),
        pl.col(Events.quantity.name).clip(upper_bound=cap),
    ).drop(Events.item_id.name)
    return numbered.sort("at", "item", "price", "quantity"), item_ids


def _known_items(tables: Tables, sold: pl.Series, until: datetime) -> list[str]:
    """Items that were bought, and those that the shop kept in its history of stock."""
    if tables.history is not None:
        stocked = tables.history.filter((pl.col("at") < until) & (pl.col("on_hand") > 0))["item_id"]
        sold = pl.concat([sold.unique(), stocked.unique()])
    return sold.unique().sort().to_list()


def _sales(
    tables: Tables, prices: pl.DataFrame, number: pl.DataFrame, until: datetime, config: DemandConfig
) -> tuple[pl.DataFrame, bool]:
    if tables.promotions is None:
        return detected_sales(prices, config), True
    list_prices = number.join(tables.items.select("item_id", "list_price"), on="item_id", how="left")
    known = (
        tables.promotions.filter(pl.col("start") < until)
        .with_columns(pl.min_horizontal("end", pl.lit(until).cast(pl.Datetime("us", "UTC"))).alias("end"))
        .filter(pl.col("end") > pl.col("start"))
        .join(number, on="item_id")
    )
    return recorded_sales(known, prices, list_prices.select("item", "list_price"), config), False


def _out_of_stock(tables: Tables, number: pl.DataFrame, until: datetime) -> pl.DataFrame:
    """Intervals without stock: `item`, `start`, `end`, sorted by start."""
    if tables.history is None or tables.history["on_hand"].null_count() == len(tables.history):
        return pl.DataFrame(
            schema={"item": pl.Int64, "start": pl.Datetime("us", "UTC"), "end": pl.Datetime("us", "UTC")}
        )
    return (
        tables.history.filter((pl.col("at") < until) & pl.col("on_hand").is_not_null())
        .join(number, on="item_id")
        .sort("item", "at", maintain_order=True)
        .with_columns(pl.col("at").shift(-1).over("item").fill_null(pl.lit(until)).alias("end"))
        .filter(pl.col("on_hand") == 0)
        .select("item", pl.col("at").alias("start"), "end")
        .sort("start", "item", maintain_order=True)
    )


def _day_shares(windows: pl.DataFrame, profile: HourProfile, first_day: int, shape: tuple[int, int]) -> FloatArray:
    """Share of each day's demand inside an item's windows, (n_items, n_days)."""
    cut = by_day(windows, profile)
    day = cut["day"].to_numpy() - first_day
    inside = (day >= 0) & (day < shape[1])
    cell = windows["item"].to_numpy()[cut["window"].to_numpy()] * shape[1] + day
    total = np.bincount(cell[inside], cut["share"].to_numpy()[inside], shape[0] * shape[1])
    return np.minimum(total, 1.0).reshape(shape)


def _interest(
    tables: Tables, number: pl.DataFrame, first_day: int, shape: tuple[int, int], until: datetime
) -> Float32Array | None:
    at = pl.col(Events.at.name)
    day = (at.dt.epoch("us") // DAY_US).alias("day")
    counts = (
        tables.events.filter(pl.col(Events.event.name).is_in(["view", "click", "favorite", "cart"]) & (at < until))
        .select(Events.item_id.name, day)
        .filter(pl.col("day") >= first_day)
        .group_by(Events.item_id.name, "day")
        .agg(pl.len().alias("n"))
        .join(number.lazy(), on="item_id")
        .collect(engine="streaming")
    )
    if counts.is_empty():
        return None
    cell = counts["item"].to_numpy() * shape[1] + counts["day"].to_numpy() - first_day
    return np.bincount(cell, counts["n"].to_numpy(), shape[0] * shape[1]).reshape(shape).astype(np.float32)


def _lump(lines: pl.DataFrame, n_items: int) -> FloatArray:
    """Size-biased quantity of a line, shrunk to the shop's with the weight of 20 lines of it."""
    item, quantity = lines["item"].to_numpy(), lines["quantity"].to_numpy()
    first, second = np.bincount(item, quantity, n_items), np.bincount(item, quantity**2, n_items)
    shop = second.sum() / first.sum()
    weight = 20.0 * quantity.mean()
    return np.asarray((second + weight * shop) / (first + weight))


def _categories(items: pl.DataFrame, item_ids: list[str]) -> tuple[list[str], IntArray]:
    paths = _texts(items, item_ids, Items.category.name)
    names = ["", *sorted(set(paths.to_list()) - {""})]
    return names, paths.cast(pl.Enum(names)).to_physical().cast(pl.Int64).to_numpy()


def _brands(items: pl.DataFrame, item_ids: list[str], category: IntArray) -> tuple[list[tuple[int, str]], IntArray]:
    """A name in two categories is two brands; an item without a name has number 0 in any category."""
    names = _texts(items, item_ids, Items.brand.name).to_list()
    pairs = [(int(at), name) if name else (0, "") for at, name in zip(category, names, strict=True)]
    brands = [(0, ""), *sorted(set(pairs) - {(0, "")})]
    number = {pair: k for k, pair in enumerate(brands)}
    return brands, np.array([number[pair] for pair in pairs], dtype=np.int64)


def _texts(items: pl.DataFrame, item_ids: list[str], column: str) -> pl.Series:
    """The column for each item, empty where there is nothing."""
    own = pl.DataFrame({"item_id": item_ids}).join(
        items.select(Items.item_id.name, column), on="item_id", how="left", maintain_order="left"
    )
    return own[column].fill_null("")
