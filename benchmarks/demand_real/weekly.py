"""Weeks of items in stores: prices against the usual price, what was known at an origin, and flashlift's tables of it.

A scanner panel has one row per item, store and week. flashlift reads logs of lines and days, so a week becomes its
Monday, with a line for each unit; on the other six days there is no stock, which is to say that nobody looked. So the
year keeps its length, and nothing is invented about hours or weekdays. A week without a row is a week without stock
too, not a week without demand.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from flashlift.protocols import FloatArray, IntArray
from flashlift.schema import Events, ItemHistory, Items, Promotions, Tables

__all__ = ["CUT", "FIRST_DAY", "POSITION", "Panel", "at_week", "tables", "with_usual_price"]

FIRST_DAY = datetime(2000, 1, 3, tzinfo=UTC)  # a Monday that stands for week 0
_USUAL_WEEKS = 8
_UPPER = 0.75
CUT = 0.05
_WINDOWS = (4, 13, 52)
POSITION = {"feat": 1, "deal": 4, "cut": 8}  # places of the same sale: in the advertisement, on the shelf, unannounced


def at_week(week: int) -> datetime:
    """The day that stands for a week."""
    return FIRST_DAY + timedelta(weeks=int(week))


def with_usual_price(rows: pl.DataFrame) -> pl.DataFrame:
    """Add `usual`, a price known before the week, and `promoted`: flagged, or at least 5 % below the usual price.

    The usual price is the median of the last 8 weeks without a flag. A log without any flag has sales among its
    quiet weeks, so there it is the upper quartile.

    Args:
        rows: `item`, `brand`, `store`, `week`, `units`, `price`, `deal`, `feat`.
    """
    flagged = pl.col("deal") | pl.col("feat")
    level = 0.5 if rows.select(flagged.any()).item() else _UPPER
    quiet = pl.when(~flagged).then("price").forward_fill()
    usual = quiet.rolling_quantile(level, window_size=_USUAL_WEEKS, min_samples=1, interpolation="linear").shift(1)
    rows = rows.sort("item", "week").with_columns(usual.over("item").alias("usual"))
    rows = rows.with_columns(pl.col("usual").fill_null(pl.col("price")))
    return rows.with_columns((flagged | (pl.col("price") < (1 - CUT) * pl.col("usual"))).alias("promoted"))


def tables(rows: pl.DataFrame) -> Tables:
    """flashlift's tables of `rows` (see `with_usual_price`): lines of one unit, promotions, weeks without stock."""
    at = pl.lit(FIRST_DAY) + pl.duration(weeks="week")
    lines = rows.lazy().select(
        pl.col("item").alias(Events.item_id.name),
        pl.lit("purchase").cast(Events.event.dtype).alias(Events.event.name),
        (at + pl.duration(hours=12)).dt.cast_time_unit("us").alias(Events.at.name),
        pl.col("price").alias(Events.price.name),
        pl.lit(1, pl.Int64).alias(Events.quantity.name),
        *(pl.lit(None, pl.String).alias(one.name) for one in (Events.customer_id, Events.session_id, Events.order_id)),
        "units",
    )
    place = pl.when("feat").then(POSITION["feat"]).when("deal").then(POSITION["deal"]).otherwise(POSITION["cut"])
    promotions = rows.filter("promoted").select(
        pl.col("item").alias(Promotions.item_id.name),
        at.dt.cast_time_unit("us").alias(Promotions.start.name),
        (at + pl.duration(days=1)).dt.cast_time_unit("us").alias(Promotions.end.name),
        pl.col("price").alias(Promotions.price.name),
        place.cast(pl.Int64).alias(Promotions.position.name),
        pl.lit(False).alias(Promotions.randomized.name),
    )
    items = rows.group_by("item", maintain_order=True).agg(pl.col("brand").first(), pl.col("price").max())
    goods = items.select(
        pl.col("item").alias(Items.item_id.name),
        pl.col("brand").alias(Items.category.name),
        pl.col("price").alias(Items.list_price.name),
    )
    # Lines are repeated only when they are read: a million rows stand for ten million units.
    return Tables(
        events=lines.select(pl.all().exclude("units").repeat_by("units").explode()),
        items=pl.concat([Items.create_empty(), goods], how="diagonal_relaxed"),
        promotions=promotions,
        history=_stock(rows),
    )


def _stock(rows: pl.DataFrame) -> pl.DataFrame:
    """In stock on the day of a week that has a row, and on no other."""
    day = (pl.lit(FIRST_DAY) + pl.duration(weeks="week")).dt.cast_time_unit("us")
    changes = [
        rows.select("item", at=day + pl.duration(days=days), on_hand=pl.lit(on_hand, pl.Int64))
        for days, on_hand in ((0, 1), (1, 0))
    ]
    return pl.concat(changes).select(
        pl.col("item").alias(ItemHistory.item_id.name),
        pl.col("at").alias(ItemHistory.at.name),
        pl.lit(None, pl.Float64).alias(ItemHistory.price.name),
        pl.lit(None, pl.Float64).alias(ItemHistory.unit_cost.name),
        "on_hand",
    ).sort("item_id", "at")  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is known of each item at the start of a week, for methods that take features.

    Args:
        items: item ids, sorted.
        first_week: first column.
        logs: running sums of log units over weeks without a promotion, (n_items, n_weeks + 1).
        counts: running counts of such weeks, same shape.
        usual: last known usual price before the week, same shape.
    """

    items: list[str]
    first_week: int
    logs: FloatArray
    counts: FloatArray
    usual: FloatArray

    @classmethod
    def build(cls, rows: pl.DataFrame) -> Panel:
        """Panel of `rows` (see `with_usual_price`)."""
        items = rows["item"].unique().sort().to_list()
        first = int(rows["week"].min())  # type: ignore[arg-type]
        n_weeks = int(rows["week"].max()) - first + 1  # type: ignore[arg-type]
        row = rows["item"].cast(pl.Enum(items)).to_physical().to_numpy().astype(np.int64)
        column = rows["week"].to_numpy().astype(np.int64) - first
        quiet = ~rows["promoted"].to_numpy()
        logs, counts, usual = (np.zeros((len(items), n_weeks + 1)) for _ in range(3))
        logs[row[quiet], column[quiet] + 1] = np.log(rows["units"].to_numpy()[quiet])
        counts[row[quiet], column[quiet] + 1] = 1.0
        usual[row, column] = rows["usual"].to_numpy()
        filled = np.maximum.accumulate(np.where(usual > 0, np.arange(n_weeks + 1), 0), axis=1)
        usual = np.take_along_axis(usual, filled, axis=1)
        return cls(items=items, first_week=first, logs=logs.cumsum(1), counts=counts.cumsum(1), usual=usual)

    def features(self, rows: pl.DataFrame, origin: IntArray) -> pl.DataFrame:
        """Price, flags, calendar and the item's history before week `origin` (one per row): what all methods may know.

        Returns:
            `log_price`, `log_relative` (against the usual price known at the origin), `deal`, `feat`, `level_4`,
            `level_13`, `level_52`, `level_all` (mean log units of weeks without a promotion), `log_usual`, `horizon`,
            `season_sin`, `season_cos`, with `brand`, `store`, `item` and `log_units`.
        """
        row = rows["item"].cast(pl.Enum(self.items)).to_physical().to_numpy().astype(np.int64)
        week, end = rows["week"].to_numpy().astype(np.int64), origin - self.first_week
        usual = self.usual[row, end]
        usual = np.where(usual > 0, usual, rows["price"].to_numpy())
        longest = self._level(row, end, 10_000, np.zeros(len(row)))
        made = {"level_all": longest} | {f"level_{w}": self._level(row, end, w, longest) for w in _WINDOWS}
        angle = 2 * np.pi * week / 52.18
        return rows.select("item", "brand", "store", "week", "units", "price").with_columns(
            pl.Series("log_price", np.log(rows["price"].to_numpy())),
            pl.Series("log_relative", np.log(rows["price"].to_numpy() / usual)),
            pl.Series("deal", rows["deal"].to_numpy().astype(np.float64)),
            pl.Series("feat", rows["feat"].to_numpy().astype(np.float64)),
            *(pl.Series(name, value) for name, value in made.items()),
            pl.Series("log_usual", np.log(usual)),
            pl.Series("horizon", (week - origin + 1).astype(np.float64)),
            pl.Series("season_sin", np.sin(angle)),
            pl.Series("season_cos", np.cos(angle)),
            pl.Series("log_units", np.log(rows["units"].to_numpy())),
        )

    def _level(self, row: IntArray, end: IntArray, window: int, otherwise: FloatArray) -> FloatArray:
        begin = np.maximum(end - window, 0)
        count = self.counts[row, end] - self.counts[row, begin]
        total = self.logs[row, end] - self.logs[row, begin]
        return np.asarray(np.where(count > 0, total / np.maximum(count, 1.0), otherwise))
