import gzip
import logging
import sqlite3
from datetime import UTC, datetime

import polars as pl
import pytest

from flashlift.errors import InputError, SettingsError
from flashlift.events import Source, ingest, open_store, quality
from flashlift.events import read as reader
from flashlift.privacy import Key

KEY = Key(bytes(range(32)))
NOW = datetime(2020, 1, 1, tzinfo=UTC)
ROWS = pl.DataFrame(
    {
        "user": [17850.0, 17850.0, None, 12.0],
        "sku": ["001", "85123A", "85123A", "7"],
        "what": ["view", "buy", "buy", "buy"],
        "ts": ["2019-05-01 10:00:00", "2019-05-01 10:05:00", "2019-05-02 23:59:59", "2019-05-03 00:00:00"],
        "total": [None, 5.0, 7.5, 3.0],
        "n": [None, 2.0, 3.0, 1.0],
        "Shop Name": ["web", "web", "app", None],
    }
)
COLUMNS = {
    "customer_id": "user",
    "item_id": "sku",
    "event": "what",
    "at": "ts",
    "price": "total / n",
    "quantity": "n",
    "channel": "Shop Name",
}


def contents(source: Source, folder) -> pl.DataFrame:
    ingest([source], folder, key=KEY, now=NOW)
    return open_store(folder).events.collect()


def as_file(form: str, folder):
    path = folder / f"log.{form}"
    match form:
        case "csv":
            ROWS.write_csv(path)
        case "tsv":
            ROWS.write_csv(path, separator="\t")
        case "txt":
            ROWS.write_csv(path, separator=";")
        case "csv.gz":
            path.write_bytes(gzip.compress(ROWS.write_csv().encode()))
        case "parquet":
            ROWS.write_parquet(path)
        case "ndjson":
            ROWS.write_ndjson(path)
        case "db":
            with sqlite3.connect(path) as base:
                base.execute(
                    'CREATE TABLE log (user REAL, sku TEXT, what TEXT, ts TEXT, total REAL, n INT, "Shop Name" TEXT)'
                )
                base.executemany("INSERT INTO log VALUES (?, ?, ?, ?, ?, ?, ?)", ROWS.rows())
            base.close()
            return Source(format="sql", url=f"sqlite:///{path}", query="SELECT * FROM log", columns=COLUMNS)
    kind = {"tsv": "csv", "txt": "csv", "csv.gz": "csv"}.get(form, form)
    return Source(format=kind, path=path, columns=COLUMNS)


@pytest.mark.parametrize("batch", [1, 3, 1000])
@pytest.mark.parametrize("form", ["csv", "tsv", "txt", "csv.gz", "ndjson", "db"])
def test_every_format_tells_the_same_events(tmp_path, monkeypatch, form, batch):
    monkeypatch.setattr(reader, "BATCH_ROWS", batch)
    expected = contents(as_file("parquet", tmp_path), tmp_path / "expected")
    found = contents(as_file(form, tmp_path), tmp_path / "found")
    assert found.equals(expected)
    assert found["price"].to_list() == [None, 2.5, 2.5, 3.0]
    assert found["quantity"].to_list() == [1, 2, 3, 1]
    assert found["item_id"].to_list() == ["001", "85123A", "85123A", "7"]
    assert found["customer_id"][0] == found["customer_id"][1] != found["customer_id"][3]


def test_a_query_is_read_again_without_harm(tmp_path):
    source = as_file("db", tmp_path)
    ingest([source], tmp_path / "s", key=KEY, now=NOW)
    manifest = (tmp_path / "s" / "manifest.json").read_text()
    assert not ingest([source], tmp_path / "s", key=KEY, now=NOW).changed
    assert quality(tmp_path / "s").rows_read == 4
    with sqlite3.connect(tmp_path / "log.db") as base:
        base.execute("INSERT INTO log VALUES (1, '7', 'buy', '2019-05-04', 2, 1, 'web')")
    base.close()
    report = ingest([source], tmp_path / "s", key=KEY, now=NOW).files[0]
    assert (report.accepted, report.already_stored) == (1, 4)
    assert manifest != (tmp_path / "s" / "manifest.json").read_text()


def test_folders_and_globs_are_read_in_order_of_names(tmp_path):
    for n in (2, 1, 3):
        ROWS.with_columns(order=pl.lit(n)).write_csv(tmp_path / f"day{n}.csv")
    (tmp_path / "notes.md").write_text("no log")
    for path in (tmp_path, tmp_path / "day*.csv", str(tmp_path / "day*.csv")):
        assert [p.name for p in reader.files(Source(format="csv", path=path))] == ["day1.csv", "day2.csv", "day3.csv"]


def test_later_types_are_not_lost(tmp_path):
    """The first 20,000 rows of a column look like numbers, the last one does not."""
    n = 20_001
    frame = pl.DataFrame(
        {"item_id": [*(str(k) for k in range(n - 1)), "last-A"], "event": ["view"] * n, "at": ["2019-05-01"] * n}
    )
    frame.write_csv(tmp_path / "a.csv")
    assert "last-A" in contents(Source(format="csv", path=tmp_path / "a.csv"), tmp_path / "c")["item_id"]
    mixed = [f'{{"item_id": {k}, "event": "view", "at": "2019-05-01"}}' for k in range(n - 1)]
    (tmp_path / "a.ndjson").write_text(
        "\n".join([*mixed, '{"item_id": "last-A", "event": "view", "at": "2019-05-01", "region": "north"}']) + "\n"
    )
    found = contents(Source(format="ndjson", path=tmp_path / "a.ndjson"), tmp_path / "n")
    assert "last-A" in found["item_id"]
    assert found["region"].drop_nulls().to_list() == ["north"]


def test_a_file_without_header(tmp_path):
    (tmp_path / "a.csv").write_text("x,view,1556704800\ny,buy,1556704801\n")
    source = Source(format="csv", path=tmp_path / "a.csv", header=("item_id", "event", "at"))
    assert contents(source, tmp_path / "s")["item_id"].to_list() == ["x", "y"]


def test_bytes_that_are_no_utf8_do_not_stop_the_reading(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"item_id,event,at,title\nx,view,2019-05-01,5\xa3 off\n")
    assert contents(Source(format="csv", path=tmp_path / "a.csv"), tmp_path / "s").height == 1


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("none.csv", None, "There is no file .*none.csv"),
        ("zero.csv", b"", "zero.csv is empty"),
        ("zero.parquet", b"", "zero.parquet is empty"),
        ("head.csv", b"item_id,event,at\n", "head.csv is empty: it holds no rows"),
        ("blank.csv", b"\n\n", "blank.csv"),
        ("fake.parquet", b"item_id,event\n", "cannot be read as parquet"),
        ("cut.parquet", b"PAR1" + bytes(50), "cannot be read as parquet"),
        ("fake.ndjson", b"not json at all\n", "fake.ndjson"),
    ],
)
def test_bad_files_are_named(tmp_path, name, data, message):
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        ingest([Source(format=name.split(".")[1], path=tmp_path / name)], tmp_path / "s", key=KEY, now=NOW)
    assert "\n" not in str(caught.value)


def test_bad_places_are_named(tmp_path):
    with pytest.raises(InputError, match="holds no file ending in"):
        reader.files(Source(format="csv", path=tmp_path))
    with pytest.raises(InputError, match="There is no file"):
        reader.files(Source(format="csv", path=tmp_path / "*.csv"))
    with pytest.raises(SettingsError, match="needs a path"):
        reader.files(Source(format="csv"))
    with pytest.raises(SettingsError, match="needs url and query"):
        reader.feeds(Source(format="sql", url="sqlite://"))
    with pytest.raises(InputError, match="cannot be told from its name"):
        reader.file_format(tmp_path / "log.xlsx")


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+nodriver://me:s3cret-Pass@nowhere/shop",
        "postgresql://me:s3cret-Pass@127.0.0.1:1/shop",
        "nothing://me:s3cret-Pass@nowhere/shop",
        "sqlite:////no/such/folder/s3cret-Pass/x.db",
        "s3cret-Pass",
    ],
)
def test_no_message_shows_the_password(tmp_path, caplog, url):
    source = Source(format="sql", url=url, query="SELECT 1", columns=COLUMNS)
    with caplog.at_level(logging.DEBUG), pytest.raises((InputError, SettingsError)) as caught:
        ingest([source], tmp_path / "s", key=KEY, now=NOW)
    assert "\n" not in str(caught.value)
    if not url.startswith("sqlite"):
        assert "s3cret-Pass" not in f"{caught.value} {source!r} {caplog.text}"
        assert caught.value.__cause__ is None


@pytest.mark.parametrize("query", ["SELECT * FROM nothing", "SELEKT", "SELECT * FROM log WHERE 1 = 0"])
def test_failing_queries_are_named(tmp_path, query):
    source = as_file("db", tmp_path)
    with pytest.raises(InputError, match="query on sqlite"):
        ingest([Source(format="sql", url=source.url, query=query, columns=COLUMNS)], tmp_path / "s", key=KEY, now=NOW)


def test_a_colon_in_a_query_is_no_parameter(tmp_path):
    source = as_file("db", tmp_path)
    query = "SELECT *, ':x' AS colon, '10%' AS percent FROM log WHERE ts < '2019-05-02 23:59:59'"
    found = contents(Source(format="sql", url=source.url, query=query, columns=COLUMNS), tmp_path / "s")
    assert found.height == 2
