"""The bundled data set: golden counts, and the same counts by another way."""

from datetime import UTC, datetime

import polars as pl
import pytest

from flashlift.events import bundled, ingest, open_store, quality, rejected_rows, sale_items, time_split
from flashlift.privacy import Key

# Counted by hand from the file as described in `plain_counts`; 541,909 rows in all.
GOLDEN = {
    "purchase": 522_533,
    "refund": 7_355,
    "duplicate": 5_270,
    "service_code": 2_944,
    "adjustment": 1_336,
    "cancellation_without_purchase": 1_311,
    "zero_price": 1_155,
    "absurd_quantity": 5,
}
CODES = {"POST", "DOT", "C2", "M", "D", "S", "B", "BANK CHARGES", "AMAZONFEE", "CRUK", "PADS"}


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("retail") / "store"
    ingest([bundled()], folder, key=Key(bytes(range(32))), now=datetime(2020, 1, 1, tzinfo=UTC))
    return folder


def plain_counts() -> dict[str, int]:
    """The rules in plain Python, in one pass over the rows and one over the cancellations."""
    counts = dict.fromkeys(GOLDEN, 0)
    seen, bought, cancelled = set(), {}, []
    for row in pl.read_parquet(bundled().path).drop("Description").iter_rows():
        invoice, code, quantity, at, price, customer, _ = row
        if row in seen:
            counts["duplicate"] += 1
            continue
        seen.add(row)
        if code.upper() in CODES or code.startswith("gift_"):
            counts["service_code"] += 1
        elif quantity < 0 and price == 0:
            counts["adjustment"] += 1
        elif abs(quantity) > 10_000:
            counts["absurd_quantity"] += 1
        elif price == 0:
            counts["zero_price"] += 1
        elif invoice.startswith("C"):
            cancelled.append((at, invoice, -quantity, customer, code))
        else:
            counts["purchase"] += 1
            if customer is not None:
                bought.setdefault((customer, code), []).append([at, quantity])
    for lines in bought.values():
        lines.sort(key=lambda line: line[0])
    for at, _, quantity, customer, code in sorted(cancelled):
        fits = [line for line in bought.get((customer, code), []) if line[0] < at and line[1] >= quantity]
        if fits:
            fits[-1][1] -= quantity
        counts["refund" if fits else "cancellation_without_purchase"] += 1
    return counts


def test_golden_counts(store):
    found = quality(store)
    counts = dict(found.rules.select("rule", "rows").iter_rows()) | dict(
        found.kinds.select("event", "rows").iter_rows()
    )
    assert counts == GOLDEN
    assert sum(counts.values()) == found.rows_read == 541_909
    assert rejected_rows(store).select(pl.len()).collect().item() == found.rows_rejected == 12_021


def test_the_plain_way_counts_the_same():
    assert plain_counts() == GOLDEN


def test_tables_of_the_bundled_data(store):
    tables = open_store(store)
    events = tables.events.collect()
    assert events["customer_id"].n_unique() - 1 == 4_333
    assert tables.items.height == events["item_id"].n_unique() == 3_906
    assert tables.customers.height == 4_333
    assert events["at"].is_sorted()
    assert (events["at"][0], events["at"][-1]) == (
        datetime(2010, 12, 1, 8, 26, tzinfo=UTC),
        datetime(2011, 12, 9, 12, 50, tzinfo=UTC),
    )
    assert events["region"].n_unique() == 38
    assert tables.items["category"].null_count() == 0
    assert 0.3 < (tables.items["category"] != "other").mean() < 0.9
    refunds = events.filter(pl.col("event") == "refund")
    assert refunds.filter(pl.col("order_id").str.starts_with("C")).is_empty()


def test_british_summer_time(store):
    raw = pl.read_parquet(bundled().path).filter(pl.col("InvoiceNo") == "558638")["InvoiceDate"][0]
    events = open_store(store).events.filter(pl.col("order_id") == "558638").collect()
    assert raw.month == 7
    assert (raw.replace(tzinfo=UTC) - events["at"][0]).total_seconds() == 3600


def test_sale_items_of_the_bundled_data(store):
    tables = open_store(store)
    split = time_split(tables.events, valid_days=28, test_days=28)
    assert split.test_end == datetime(2011, 12, 10, tzinfo=UTC)
    items = sale_items(tables, at=split.train_end)
    assert items.height > 3_000
    assert items["cost_assumed"].all()
    assert items["stock_assumed"].all()
    # The cake stand sold at 12.75 for single pieces all year; bulk buyers paid 10.95.
    assert items.filter(pl.col("item_id") == "22423")["list_price"].item() == 12.75
