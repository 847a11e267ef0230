import json
from datetime import UTC, datetime

import polars as pl

from flashlift.events import Source, open_store, quality, rejected_rows
from flashlift.events.catalog import MIN_SHARED_HEAD
from flashlift.schema import Competitors, Exposures, Stores, Ties


def test_the_last_statement_of_a_log_counts(tmp_path, log, read):
    rows = {
        "item_id": ["x", "x", "x", "y"],
        "at": [datetime(2019, 5, d) for d in (1, 3, 2, 1)],
        "title": ["old", "new", "between", None],
        "brand": ["b", None, None, None],
        "event": ["view"] * 4,
    }
    read(log(rows))
    items = open_store(tmp_path / "store").items
    assert items.select("item_id", "title", "brand").rows() == [("x", "new", "b"), ("y", None, None)]


def test_a_catalog_outranks_the_log_and_a_later_one_an_earlier(tmp_path, log, read):
    read(log({"title": ["of the log"], "list_price": [1.0], "event": ["view"]}))
    for n, title in enumerate(["first", "second"]):
        pl.DataFrame(
            {"item_id": ["x"], "title": [title], "brand": ["acme" if n == 0 else None], "stock": [n]}
        ).write_csv(tmp_path / f"{n}.csv")
        read(Source(format="csv", path=tmp_path / f"{n}.csv"))
    item = open_store(tmp_path / "store").items.row(0, named=True)
    assert (item["title"], item["brand"], item["stock"], item["list_price"]) == ("second", "acme", 1, None)


def test_history_folds_a_day_and_keeps_instants_of_a_stock_list(tmp_path, log, read):
    day = [datetime(2019, 5, 1, h) for h in (8, 9, 10, 11)] + [datetime(2019, 5, 2, 8)]
    read(
        log(
            {
                "at": day,
                "list_price": [5.0, 6.0, 6.0, 5.0, 7.0],
                "unit_cost": [1.0, 9.0, 2.0, 3.0, 4.0],
                "stock": [9, 8, 7, 6, 5],
                "event": ["view"] * 5,
            }
        )
    )
    history = open_store(tmp_path / "store").history
    utc = [t.replace(tzinfo=UTC, microsecond=1) for t in (day[3], day[4])]
    # Of equals the higher price; of 1, 2, 3, 9 the lower median; the last stock. Known right after it was said.
    assert history.rows() == [("x", utc[0], 6.0, 2.0, 6), ("x", utc[1], 7.0, 4.0, 5)]
    pl.DataFrame({"item_id": ["x", "x"], "at": ["2019-05-03 10:00", "2019-05-03 10:30"], "stock": [4, 3]}).write_csv(
        tmp_path / "s.csv"
    )
    read(Source(format="csv", path=tmp_path / "s.csv"))
    assert open_store(tmp_path / "store").history["on_hand"].to_list() == [6, 5, 4, 3]
    # What has a date is no part of the catalog.
    assert open_store(tmp_path / "store").items["stock"].to_list() == [None]


def test_a_history_in_our_own_names(tmp_path, read):
    rows = {"item_id": ["x"], "at": ["2019-05-03"], "price": [5.0], "unit_cost": [2.0], "on_hand": [7]}
    pl.DataFrame(rows).write_parquet(tmp_path / "h.parquet")
    read(Source(format="parquet", path=tmp_path / "h.parquet"))
    history = open_store(tmp_path / "store").history
    assert history.rows() == [("x", datetime(2019, 5, 3, tzinfo=UTC), 5.0, 2.0, 7)]


def test_values_that_cannot_be_are_dropped_and_counted(tmp_path, log, read):
    read(
        log(
            {
                "list_price": [0.0, -1.0, None, 2.0],
                "unit_cost": ["x", "-1", "0", ""],
                "item_id": list("abcd"),
                "event": ["view"] * 4,
            }
        )
    )
    history = open_store(tmp_path / "store").history
    assert history.select("item_id", "price", "unit_cost").rows() == [("c", None, 0.0), ("d", 2.0, None)]
    manifest = json.loads((tmp_path / "store" / "manifest.json").read_text())
    assert manifest["manifest"]["files"][0]["values_dropped"] == 4


def test_categories_from_titles(tmp_path, log, read):
    mugs = [f"BLUE {w} MUG, SIZE 3" for w in map(str, range(MIN_SHARED_HEAD - 1))] + ["SET OF 2 MUGS RED"]
    rare = [f"lone word{k}x" for k in range(5)] + [None, "12 cm", "CHRISTMAS"]
    titles = [*mugs, *rare]
    rows = {"item_id": [f"i{k:02d}" for k in range(len(titles))], "title": titles, "event": ["view"] * len(titles)}
    read(log(rows, category_from_title=True))
    items = open_store(tmp_path / "store").items
    assert items["category"].to_list() == ["mug"] * MIN_SHARED_HEAD + ["other"] * len(rare)
    assert json.loads(items["attributes"][0]) == {"category_source": "title"}


def test_given_categories_are_not_derived(tmp_path, log, read):
    read(log({"title": ["a MUG"], "category": ["home/kitchen"], "event": ["view"]}, category_from_title=True))
    item = open_store(tmp_path / "store").items.row(0, named=True)
    assert (item["category"], item["attributes"]) == ("home/kitchen", None)
    read(log({"title": ["a MUG"], "item_id": ["z"], "event": ["view"]}, "second.parquet"))
    assert open_store(tmp_path / "store").items["category"].to_list() == ["home/kitchen", None]


def test_customers_from_a_log_and_from_a_list(tmp_path, log, read):
    times = [datetime(2019, 5, d) for d in (2, 1, 1)]
    read(
        log(
            {
                "customer_id": ["ann", "ann", None],
                "at": times,
                "region": ["south", "north", "west"],
                "event": ["view"] * 3,
            }
        )
    )
    customers = open_store(tmp_path / "store").customers
    assert customers["region"].to_list() == ["south"]
    pl.DataFrame(
        {"customer_id": ["ann", "bob", ""], "segment": ["gold", "iron", "?"], "account_id": ["acme", "acme", ""]}
    ).write_csv(tmp_path / "c.csv")
    read(Source(format="csv", path=tmp_path / "c.csv"))
    found = open_store(tmp_path / "store").customers
    ann = found.filter(pl.col("customer_id") == customers["customer_id"][0]).row(0, named=True)
    assert (ann["region"], ann["segment"]) == ("south", "gold")
    assert found.height == 2
    assert found["account_id"].n_unique() == 1
    assert "acme" not in found["account_id"]
    assert rejected_rows(tmp_path / "store").collect()["rule"].to_list() == ["incomplete_customers"]


def test_promotions(tmp_path, read):
    rows = {
        "sku": ["x", "x", ""],
        "from": ["2019-05-01"] * 3,
        "to": ["2019-05-03"] * 3,
        "p": ["9", "-1", "5"],
        "drawn": ["true", "no", "1"],
    }
    pl.DataFrame(rows).write_csv(tmp_path / "p.csv")
    columns = {"item_id": "sku", "start": '"from"', "end": "to", "price": "p", "randomized": "drawn"}
    read(Source(format="csv", path=tmp_path / "p.csv", columns=columns, timezone="Asia/Tokyo"))
    promotions = open_store(tmp_path / "store").promotions
    # Of the same item and start, the later row; a price that cannot be is null.
    assert promotions.select("item_id", "price", "randomized").rows() == [("x", None, False)]
    assert promotions["start"].item() == datetime(2019, 4, 30, 15, tzinfo=UTC)
    assert quality(tmp_path / "store").rules["rule"].to_list() == ["incomplete_promotions"]


def test_ties_are_pseudonyms_and_mutual_whichever_way_they_are_told(tmp_path, log, read):
    read(log({"customer_id": ["ann"]}))
    known = open_store(tmp_path / "store").events.collect()["customer_id"].item()
    rows = {"customer_id": ["ann", "bob", "ann", "cid", ""], "friend_id": ["bob", "ann", "cid", "cid", "ann"]}
    pl.DataFrame(rows).write_csv(tmp_path / "t.csv")
    report = read(Source(format="csv", path=tmp_path / "t.csv"))
    assert report.files[0].table == "ties"
    assert (report.files[0].accepted, report.files[0].rejected) == (3, 2)
    ties = Ties.validate(open_store(tmp_path / "store").ties)
    pairs = set(ties.rows())
    assert len(pairs) == ties.height == 4
    assert {(friend, customer) for customer, friend in pairs} == pairs
    assert known in ties["customer_id"]
    kept = rejected_rows(tmp_path / "store").collect()
    assert sorted(kept["rule"]) == ["incomplete_ties", "self_tie"]
    for path in (tmp_path / "store").rglob("*.parquet"):
        assert not {"ann", "bob", "cid"} & {str(v) for row in pl.read_parquet(path).rows() for v in row}, path
    assert not any(name in text for text in kept["content"] for name in ("ann", "bob", "cid"))


def test_stores_and_where_they_cannot_be(tmp_path, read):
    rows = {"shop no": [1, 2, 2, None], "y": ["52.5", "91", "48.1", "0"], "x": ["13.4", "11.6", "11.6", "0"]}
    pl.DataFrame(rows).write_csv(tmp_path / "s.csv")
    columns = {"store_id": "shop no", "lat": "y", "lon": "x"}
    read(Source(format="csv", path=tmp_path / "s.csv", columns=columns))
    stores = Stores.validate(open_store(tmp_path / "store").stores)
    assert stores.rows() == [("1", 52.5, 13.4), ("2", 48.1, 11.6)]  # of two rows of a store, the later one
    found = quality(tmp_path / "store")
    assert found.rules["rule"].to_list() == ["incomplete_stores"]
    assert found.sources.select("table", "accepted", "rejected").row(0) == ("stores", 3, 1)
    pl.DataFrame({"store_id": ["2"], "lat": [-90.5], "lon": [0.5]}).write_ndjson(tmp_path / "s.ndjson")
    read(Source(format="ndjson", path=tmp_path / "s.ndjson"))
    assert open_store(tmp_path / "store").stores.rows()[1] == ("2", None, 0.5)


def test_exposures(tmp_path, log, read):
    rows = {
        "exposure_id": ["e1", "e2", "e3"],
        "customer_id": ["ann", "bob", "ann"],
        "item_id": ["x", "x", ""],
        "at": ["2019-05-01 10:00", "2019-05-01 11:00", "2019-05-01 12:00"],
        "position": ["1", "0", "2"],
        "propensity": ["0.25", "1.5", "0.1"],
        "variant": ["treatment", "control", "control"],
    }
    pl.DataFrame(rows).write_csv(tmp_path / "e.csv")
    read(log({"customer_id": ["ann"]}), Source(format="csv", path=tmp_path / "e.csv"))
    tables = open_store(tmp_path / "store")
    shown = Exposures.validate(tables.exposures)
    assert shown.select("exposure_id", "position", "propensity", "variant").rows() == [
        ("e1", 1, 0.25, "treatment"),
        ("e2", None, None, "control"),
    ]
    assert shown["customer_id"][0] == tables.events.collect()["customer_id"].item()
    assert shown["at"][0] == datetime(2019, 5, 1, 10, tzinfo=UTC)
    assert rejected_rows(tmp_path / "store").collect()["rule"].to_list() == ["incomplete_exposures"]


def test_prices_of_competitors_and_what_cannot_be_one(tmp_path, log, read):
    rows = {
        "item_id": ["x", "x", "x", "x", "x", "x", "", "y"],
        "at": ["2019-05-01 08:00"] * 6 + ["2019-05-02 08:00"] * 2,
        "seller": ["north", "south", "east", "west", "yen", "north", "north", "north"],
        "price": ["9.50", "-3", "0", "cheap", "900", "9.00", "5", "20"],
        "currency": ["EUR", "EUR", "EUR", "EUR", "JPY", "EUR", "EUR", "usd"],
    }
    pl.DataFrame(rows).write_csv(tmp_path / "c.csv")
    told = Source(format="csv", path=tmp_path / "c.csv", currency="EUR", rates={"USD": 0.9})
    report = read(log({"customer_id": ["ann"]}), told)
    assert report.files[1].table == "competitors"
    assert (report.files[1].accepted, report.files[1].rejected) == (3, 5)
    found = Competitors.validate(open_store(tmp_path / "store").competitors)
    assert found.select("item_id", "seller", "price").rows() == [("x", "north", 9.0), ("y", "north", 18.0)]
    assert found["at"].to_list() == [datetime(2019, 5, day, 8, tzinfo=UTC) for day in (1, 2)]
    rules = ["incomplete_competitors", "negative_price", "unknown_currency", "unreadable_price", "zero_price"]
    assert sorted(rejected_rows(tmp_path / "store").collect()["rule"]) == rules
    sources = quality(tmp_path / "store").sources
    assert sources.select("table", "rows", "accepted", "rejected").row(1) == ("competitors", 8, 3, 5)


def test_a_log_with_sellers_of_its_own_stays_a_log(tmp_path, log, read):
    read(log({"customer_id": ["ann"], "seller": ["north"]}))
    assert open_store(tmp_path / "store").competitors is None


def test_lists_can_be_read_again_and_grow(tmp_path, read):
    pl.DataFrame({"customer_id": [1], "friend_id": [2]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"customer_id": [2, 2], "friend_id": [1, 3]}).write_parquet(tmp_path / "b.parquet")
    for name, height in (("a", 2), ("b", 4), ("a", 4)):
        read(Source(format="parquet", path=tmp_path / f"{name}.parquet"))
        assert open_store(tmp_path / "store").ties.height == height
