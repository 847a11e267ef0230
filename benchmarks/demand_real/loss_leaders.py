"""Ta-Feng: do real costs survive the way from the log to the items of a sale, and are items sold below cost seen?

The file books the cost of each line (ASSET) beside its revenue (SALES_PRICE). It is read by flashlift's ordinary
mapping; what flashlift knows of costs afterwards is compared with the file's own lines.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import polars as pl

from benchmarks.intent.sets import KEY, NOW, SETS
from flashlift import events
from flashlift.events.costs import with_costs

__all__ = ["NEEDS", "TITLE", "margins"]

TITLE = "Ta-Feng, margins and loss leaders"
NEEDS = "ta_feng/ta_feng.parquet"


def margins(data: Path) -> pl.DataFrame:
    """`what`, `file` and `flashlift`: shares, margins and counts from the lines and from flashlift's tables."""
    lines = pl.read_parquet(data / NEEDS).filter(pl.col("AMOUNT") > 0)
    source = SETS["ta_feng"].source(data)
    source = replace(source, columns={**source.columns, "unit_cost": "ASSET / AMOUNT"})
    with tempfile.TemporaryDirectory() as name:
        store = Path(name) / "shop"
        events.ingest([source], store, key=KEY, now=NOW)
        tables, quality = events.open_store(store), events.quality(store)
        end = quality.last + timedelta(seconds=1)  # type: ignore[operator]
        goods = events.sale_items(tables, at=end)
        kept = tables.events.filter(pl.col("event") == "purchase").select("item_id", "at", "price", "quantity")
        assert tables.history is not None  # the mapping reads a cost
        bought = with_costs(kept.collect(), tables.history)
    return _compared(lines, bought, goods, quality)


def _compared(lines: pl.DataFrame, bought: pl.DataFrame, goods: pl.DataFrame, quality: events.Quality) -> pl.DataFrame:
    revenue, spent = lines["SALES_PRICE"].sum(), lines["ASSET"].sum()
    sold = (bought["price"] * bought["quantity"]).sum()
    cost = (bought["unit_cost"] * bought["quantity"]).sum()
    per_item = lines.group_by("PRODUCT_ID").agg(pl.col("SALES_PRICE").sum(), pl.col("ASSET").sum())
    flagged = goods.filter(~pl.col("cost_assumed") & (pl.col("list_price") < pl.col("unit_cost")))
    late = lines.filter(pl.col("TRANSACTION_DT") > lines["TRANSACTION_DT"].max() - timedelta(days=28))  # type: ignore[operator]
    usual = late.group_by("PRODUCT_ID").agg(
        (pl.col("SALES_PRICE") / pl.col("AMOUNT")).median().alias("price"),
        (pl.col("ASSET") / pl.col("AMOUNT")).median().alias("cost"),
    )
    often = lines.group_by("PRODUCT_ID").agg(below=(pl.col("SALES_PRICE") < pl.col("ASSET")).mean())
    leaders = set(often.filter(pl.col("below") > 0.5)["PRODUCT_ID"])
    told = set(quality.loss_leaders["item_id"])
    truly = set(usual.filter(pl.col("price") < pl.col("cost"))["PRODUCT_ID"])
    named = set(flagged["item_id"])
    rows = [
        ("lines read", float(len(lines)), float(len(bought))),
        ("lines rejected or cancelled", 0.0, float(quality.rows_rejected)),
        ("share of lines below cost", (lines["SALES_PRICE"] < lines["ASSET"]).mean(),
         (bought["price"] < bought["unit_cost"] - 1e-9).mean()),
        ("margin of all sales", (revenue - spent) / revenue, (sold - cost) / sold),
        ("share of items that lost money over the three months", (per_item["SALES_PRICE"] < per_item["ASSET"]).mean(),
         None),
        ("items of the sale with a real cost", None, (~goods["cost_assumed"]).mean()),
        ("items whose usual price of the last 28 days is below cost", float(len(truly)), float(len(named))),
        ("of the file's, flagged by flashlift", float(len(truly)), float(len(truly & named))),
        ("items that most lines sold below cost (data quality)", float(len(leaders)), float(len(told))),
        ("of the file's, named by flashlift", float(len(leaders)), float(len(leaders & told))),
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=["what", "file", "flashlift"], orient="row")
