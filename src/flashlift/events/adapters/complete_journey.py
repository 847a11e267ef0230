"""Complete Journey (84.51°): a grocery's transactions, products, households, and promotions by product, store and week.

Per unit, the price paid is sales_value / quantity, and the base price, outside of any promotion, is (sales_value +
retail_disc + coupon_match_disc) / quantity. Times are UTC. Fuel is sold in thousandths of a gallon, so its quantities
run into the thousands; it and coupon lines, booked in the same category, are no products and are rejected by a rule of
their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl

from flashlift.errors import InputError
from flashlift.events.read import file_format
from flashlift.events.source import FILE_SUFFIXES, Source

__all__ = ["sources"]

_TRANSACTIONS = {
    "customer_id": "household_id",
    "item_id": "product_id",
    "event": "'purchase'",
    "at": "transaction_timestamp",
    "price": "sales_value / quantity",
    "quantity": "quantity",
    "order_id": "basket_id",
    "store_id": "store_id",
    "channel": "'store'",
    "list_price": "(sales_value + retail_disc + coupon_match_disc) / quantity",
}
_PRODUCTS = {
    "item_id": "product_id",
    "title": "CONCAT_WS(' ', product_type, package_size)",
    "category": "LOWER(CONCAT_WS('/', REPLACE(department, '/', '-'), REPLACE(product_category, '/', '-')))",
    "brand": "brand",
}
_HOUSEHOLDS = {"customer_id": "household_id", "segment": "CONCAT_WS(', ', age, income, household_comp)"}
_PROMOTIONS = {"item_id": "item_id", "start": "start", "end": "end", "position": "position"}
_FUEL = {"fuel": "department = 'FUEL' OR product_category = 'COUPON/MISC ITEMS'"}

# An item counts as promoted in a week when at least this share of the stores in the list showed or printed it.
MIN_STORE_FRAC = 0.1
_FRONT = ("D", "F", "H", "L", "Z")  # mailer: front page, back page, wraps, free on one of them
_ENTRANCE = ("1", "3")  # display: store front, front end cap


def sources(source: Source) -> list[Source]:
    """The transactions of a folder, and whatever of the other files lies beside them.

    Raises:
        InputError: the path is no folder, or holds no transactions.
    """
    folder = Path(source.path or "")
    if not folder.is_dir():
        raise InputError(f"Complete Journey is read from a folder, and {folder} is none. Give the folder of its files.")
    found = {name: _file(folder, name) for name in ("transactions", "products", "demographics", "promotions")}
    if (transactions := found["transactions"]) is None:
        raise InputError(f"{folder} holds no transactions file (transactions.parquet or .csv). Check the path.")
    products = found["products"]
    reject = _FUEL if products else {}
    join = _with_departments(products) if products else None
    columns = {**_TRANSACTIONS, **source.columns}
    result = [_plain(source, transactions, columns, prepare=join, reject={**reject, **source.reject})]
    if products:
        result.append(_plain(source, products, _PRODUCTS))
    if households := found["demographics"]:
        result.append(_plain(source, households, _HOUSEHOLDS))
    if promotions := found["promotions"]:
        result.append(_plain(source, promotions, _PROMOTIONS, prepare=promoted_weeks))
    return result


def promoted_weeks(promotions: pl.LazyFrame) -> pl.LazyFrame:
    """Promotions by item and week from those by product, store and week.

    Position 1: mostly on a front or back page, a wrap, or at the entrance; 2: on another display; 3: inside the mailer.
    Weeks run from Monday to Sunday in New York; week 2 began on 2017-01-02. The list names no prices.
    """
    front = pl.col("mailer_location").is_in(_FRONT) | pl.col("display_location").is_in(_ENTRANCE)
    place = pl.when(front).then(1).when(pl.col("display_location") != "0").then(2).otherwise(3)
    monday = pl.datetime(2016, 12, 26, time_zone="America/New_York")
    return (
        promotions.cast({"display_location": pl.String, "mailer_location": pl.String, "week": pl.Int64})
        .filter((pl.col("display_location") != "0") | (pl.col("mailer_location") != "0"))
        .select("product_id", "week", "store_id", position=place)
        .group_by(pl.col("product_id").alias("item_id"), "week", "position")
        .agg(here=pl.len())
        .sort("item_id", "week", "here", "position", descending=[False, False, True, False])
        .group_by("item_id", "week", maintain_order=True)
        .agg(pl.col("here").sum(), pl.col("position").first())
        .join(promotions.select(stores=pl.col("store_id").n_unique()), how="cross")
        .filter(pl.col("here") >= MIN_STORE_FRAC * pl.col("stores"))
        .with_columns(
            start=monday.dt.offset_by(pl.format("{}w", pl.col("week") - 1)),
            end=monday.dt.offset_by(pl.format("{}w", "week")),
        )
        .sort("item_id", "week")
    )


def _with_departments(products: Path) -> Callable[[pl.LazyFrame], pl.LazyFrame]:
    def join(transactions: pl.LazyFrame) -> pl.LazyFrame:
        product = pl.col("product_id").cast(pl.String)
        kinds = _scan(products).select(product, "department", "product_category")
        return transactions.with_columns(product).join(kinds, on="product_id", how="left", maintain_order="left")

    return join


def _plain(source: Source, path: Path, columns: dict[str, str], **fields: object) -> Source:
    base = replace(source, format=file_format(path), path=path, columns=columns, reject={})
    return replace(base, timezone=source.timezone or "UTC", currency=source.currency or "USD", **fields)  # type: ignore[arg-type]


def _file(folder: Path, name: str) -> Path | None:
    known = [folder / f"{name}{suffix}" for suffixes in FILE_SUFFIXES.values() for suffix in suffixes]
    return next((path for path in known if path.is_file()), None)


def _scan(path: Path) -> pl.LazyFrame:
    return pl.scan_csv(path, infer_schema=False) if file_format(path) == "csv" else pl.scan_parquet(path)
