"""What files say about items, customers and promotions, and how the store folds it into one table each.

A log repeats the same title with every event; each file keeps what it said only once, with the time it said it last.
These records merge in any order, so the tables do not depend on how the log was cut into files. What a catalog or
customer list says outranks the log, and a later list outranks an earlier one.
"""

from __future__ import annotations

from collections.abc import Sequence

import dataframely as dy
import polars as pl

from flashlift.events.mapping import CUSTOMER_COLUMNS, ITEM_COLUMNS, ITEM_VALUES
from flashlift.schema import Customers, ItemHistory, Items, Ties

__all__ = [
    "MIN_SHARED_HEAD",
    "customers_table",
    "history_table",
    "item_records",
    "items_table",
    "list_table",
    "merged",
    "merged_values",
    "mutual",
    "person_records",
    "value_records",
]

MIN_SHARED_HEAD = 20

# Words that say how an item looks, how large it is or how many come together, not what it is.
_MODIFIERS = (
    "small medium large big mini tiny giant jumbo tall short long wide narrow single double triple pack "
    "packs set pair piece pieces assorted asstd asst ass colour colours color colors design designs size "
    "sizes cm mm ml cl inch kg lb oz red blue green yellow pink white black brown grey gray orange purple "
    "ivory cream gold silver turquoise lilac violet beige navy mint clear natural amber charcoal "
    "multicolour multicolor fuchsia aqua ruby teal bronze copper"
)

_VALUE = pl.Enum(list(ITEM_VALUES))
_BUCKET = ["item_id", "bucket"]


def item_records(rows: pl.DataFrame, *, rank: int, from_title: bool) -> pl.DataFrame:
    """What the rows say about each item: one record per different statement, with the time it was made last.

    Args:
        rows: `item_id`, `at` (null in a catalog) and any other columns of Items.
        rank: 0 for a log, a growing number for catalogs; a higher rank is believed first.
        from_title: the category may be derived from the title.
    """
    types = Items.create_empty().schema
    given = rows.columns
    stated = [pl.col(c).cast(types[c]) if c in given else pl.lit(None, dtype=types[c]).alias(c) for c in ITEM_COLUMNS]
    marked = rows.select("item_id", *stated, "at", rank=pl.lit(rank), from_title=pl.lit(from_title))
    return merged([marked])


def person_records(rows: pl.DataFrame, *, rank: int) -> pl.DataFrame:
    """What the rows say about each customer; see `item_records`."""
    stated = [pl.col(c) if c in rows.columns else pl.lit(None, dtype=pl.String).alias(c) for c in CUSTOMER_COLUMNS]
    marked = rows.select("customer_id", *stated, "at", rank=pl.lit(rank)).drop_nulls("customer_id")
    return merged([marked])


def merged(records: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Records of several batches as those of one."""
    together = pl.concat(records)
    return together.group_by([c for c in together.columns if c != "at"]).agg(pl.col("at").max())


def value_records(rows: pl.DataFrame, *, daily: bool) -> pl.DataFrame:
    """How often the rows name each price, cost and stock of an item, by day (UTC) or by instant.

    Args:
        rows: `item_id`, `at` and any of list_price, unit_cost, stock.
        daily: collect the statements of a day; False keeps every instant apart.
    """
    bucket = pl.col("at").dt.truncate("1d") if daily else pl.col("at")
    # A row of a history holds from its instant on, but what an event says is known only after it.
    known = pl.col("at").dt.offset_by("1us") if daily else pl.col("at")
    named = [c for c in ITEM_VALUES if c in rows.columns]
    long = (
        rows.with_columns(bucket=bucket, at=known)
        .unpivot(on=named, index=["item_id", "at", "bucket"])
        .drop_nulls("value")
    )
    counted = long.with_columns(
        pl.col("variable").cast(_VALUE), pl.col("value").cast(pl.Float64), n=pl.lit(1, dtype=pl.Int64)
    )
    return merged_values([counted])


def merged_values(records: Sequence[pl.DataFrame]) -> pl.DataFrame:
    """Value records of several batches or files as those of one."""
    keys = [*_BUCKET, "variable", "value"]
    return (
        pl.concat([r.select(*keys, "at", "n") for r in records])
        .group_by(keys)
        .agg(pl.col("at").max(), pl.col("n").sum())
    )


def history_table(records: pl.DataFrame) -> pl.DataFrame:
    """Schema ItemHistory from value records: one row per item and bucket, valid right after its last statement.

    Of a day, the price is the one named most often (the higher of equals), the cost the lower median, the stock the
    last one named.
    """
    by = {name: records.filter(pl.col("variable") == name) for name in ITEM_VALUES}
    counted = (
        by["unit_cost"]
        .sort("value")
        .with_columns(upto=pl.col("n").cum_sum().over(_BUCKET), total=pl.col("n").sum().over(_BUCKET))
    )
    chosen = {
        "price": by["list_price"].sort("n", "value").unique(_BUCKET, keep="last", maintain_order=True),
        "unit_cost": counted.filter(2 * pl.col("upto") >= pl.col("total")).unique(
            _BUCKET, keep="first", maintain_order=True
        ),
        "on_hand": by["stock"].sort("at", "value").unique(_BUCKET, keep="last", maintain_order=True),
    }
    rows = records.group_by(_BUCKET).agg(pl.col("at").max())
    for name, frame in chosen.items():
        rows = rows.join(frame.select(*_BUCKET, pl.col("value").alias(name)), on=_BUCKET, how="left")
    one_per_instant = rows.group_by("item_id", "at").agg(
        pl.col(c).sort_by("bucket").drop_nulls().last() for c in chosen
    )
    return ItemHistory.validate(one_per_instant.sort("item_id", "at").select(ItemHistory.column_names()), cast=True)


def items_table(records: pl.DataFrame) -> pl.DataFrame:
    """Schema Items: the last statement about each column of each item, by rank, then by time.

    Prices, costs and stocks are those of catalogs alone; what a log says of them has a date and stands in the history.
    """
    items = _last_statements(records, "item_id", ITEM_COLUMNS, pl.col("from_title").any())
    return Items.validate(_with_derived_categories(items).select(Items.column_names()).sort("item_id"), cast=True)


def customers_table(records: pl.DataFrame) -> pl.DataFrame:
    """Schema Customers, by the same order of belief as `items_table`."""
    customers = _last_statements(records, "customer_id", CUSTOMER_COLUMNS)
    return Customers.validate(customers.select(Customers.column_names()).sort("customer_id"), cast=True)


def list_table(rows: pl.DataFrame, schema: type[dy.Schema]) -> pl.DataFrame:
    """Rows in `schema`, ordered by its key; of two with the same key, the one read later."""
    key = schema.primary_key()
    return schema.validate(rows.unique(key, keep="last", maintain_order=True).sort(key), cast=True)


def mutual(ties: pl.DataFrame) -> pl.DataFrame:
    """Ties one row each way, whichever way they were told."""
    one, other = Ties.column_names()
    return pl.concat([ties, ties.select(pl.col(other).alias(one), pl.col(one).alias(other))])


def _last_statements(records: pl.DataFrame, key: str, columns: Sequence[str], *more: pl.Expr) -> pl.DataFrame:
    ordered = records.sort("rank", "at", *columns)
    return ordered.group_by(key, maintain_order=True).agg(*(pl.col(c).drop_nulls().last() for c in columns), *more)


def _with_derived_categories(items: pl.DataFrame) -> pl.DataFrame:
    """Where allowed and missing: the head word of the title, if enough items share it, else "other"."""
    words = pl.col("title").str.to_lowercase().str.extract_all(r"[^\s,.;:/()\[\]&+*!?\"']+")
    plain = pl.element().filter(~pl.element().is_in(_MODIFIERS.split()) & ~pl.element().str.contains(r"\d"))
    last = words.list.eval(plain).list.last()
    heads = items.select(last.alias("head")).to_series()
    # A plural counts as its singular where that is a head word too: candles are candle, christmas stays.
    singular = heads.str.replace(r"^(.*[^s])s$", "${1}")
    head = pl.lit(heads.zip_with(~singular.is_in(heads.drop_nulls().unique().to_list()), singular))
    derived = pl.col("from_title") & pl.col("category").is_null()
    items = items.with_columns(head=pl.when(derived).then(head), derived=derived)
    shared = pl.col("head").is_not_null() & (pl.len().over("head") >= MIN_SHARED_HEAD)
    return items.with_columns(
        category=pl.when("derived").then(pl.when(shared).then("head").otherwise(pl.lit("other"))).otherwise("category"),
        attributes=pl.when("derived")
        .then(pl.coalesce("attributes", pl.lit('{"category_source": "title"}')))
        .otherwise("attributes"),
    )
