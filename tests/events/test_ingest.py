import itertools
import json
import os
import random
import shutil
import stat
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flashlift.errors import InputError, OutputError, SettingsError
from flashlift.events import Cleaning, Source, ingest, open_store, quality, reading, rejected_rows
from flashlift.events import read as reader
from flashlift.privacy import Key
from flashlift.schema import Customers, Events, ItemHistory, Items, Rejected

KEY = Key(bytes(range(32)))
NOW = datetime(2020, 1, 1, tzinfo=UTC)
HEADER = ["who", "item", "kind", "at", "price", "units", "order", "title", "cost"]
COLUMNS = {
    "customer_id": "who",
    "item_id": "item",
    "event": "kind",
    "at": "at",
    "price": "price",
    "quantity": "units",
    "order_id": '"order"',
    "title": "title",
    "unit_cost": "cost",
    "region": "CASE WHEN item = 'a' THEN 'north' ELSE 'south' END",
}
TIMES = [
    "2019-05-01 10:00:00",
    "2019-05-01 11:00:00",
    "2019-05-02 09:00:00",
    "2019-05-07 00:00:00",
    "2031-01-01",
    "noon",
]


def line(who, item, kind, time, price, units, order):
    # Titles and costs move with time, so that the tables depend on which statement is the last.
    place = TIMES.index(time)
    return [who, item, kind, time, price, units, order, f"{item} v{place}", str(place + len(order))]


ROWS = st.lists(
    st.builds(
        line,
        st.sampled_from(["ann", "bob", ""]),
        st.sampled_from(["a", "b", "POST"]),
        st.sampled_from(["buy", "buy", "buy", "pv", "refund", "?"]),
        st.sampled_from(TIMES),
        st.sampled_from(["1", "2.5", "0", "x"]),
        st.sampled_from(["1", "3", "3", "-1", "-2", "0", ""]),
        st.sampled_from(["o1", "o2", ""]),
    ),
    min_size=1,
    max_size=16,
)


FIRST = line("zoe", "a", "buy", TIMES[0], "7", "1", "o9")


def write(path: Path, rows):
    # A column nobody maps keeps files apart that hold the same rows; the same bytes would not be read twice.
    lines = [[*HEADER, "file"], *([*row, path.name] for row in rows)]
    path.write_text("\n".join(",".join(line) for line in lines) + "\n")
    return Source(format="csv", path=path, columns=COLUMNS)


def content(store: Path):
    """Everything a store says, in a form that does not depend on names of files."""
    tables = open_store(store)
    rejected = rejected_rows(store).collect()
    kept = rejected.filter(pl.col("rule") != "duplicate").select("rule", "content").sort(pl.all())
    report = quality(store)
    twice = int((rejected["rule"] == "duplicate").sum()) + int(report.sources["already_stored"].sum())
    return tables.events.collect(), tables.items, tables.history, tables.customers, kept, twice


def assert_same(one, other):
    for a, b in zip(one, other, strict=True):
        assert a.equals(b) if isinstance(a, pl.DataFrame) and b is not None else a == b, (a, b)


@given(
    rows=ROWS,
    cuts=st.lists(st.integers(0, 3), min_size=16, max_size=16),
    batch=st.sampled_from([2, 5, 1000]),
    data=st.data(),
)
@settings(max_examples=16, deadline=None)
def test_any_split_of_rows_into_files_gives_the_same_store(rows, cuts, batch, data):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "BATCH_ROWS", batch)
        patch.setattr(reading, "_WRONG_MAPPING_ROWS", 1000)
        place = Path(folder)
        for store in ("one", "many"):  # a first file without a single good row is refused
            ingest([write(place / "first.csv", [FIRST])], place / store, key=KEY, now=NOW)
        ingest([write(place / "all.csv", rows)], place / "one", key=KEY, now=NOW)
        piles = [[row for row, cut in zip(rows, cuts, strict=False) if cut == pile] for pile in range(4)]
        sources = [write(place / f"{n}.csv", pile) for n, pile in enumerate(piles) if pile]
        for source in data.draw(st.permutations(sources)):
            ingest([source], place / "many", key=KEY, now=NOW)
        assert_same(content(place / "one"), content(place / "many"))


@given(rows=ROWS)
@settings(max_examples=8, deadline=None)
def test_what_is_repeated_changes_nothing(rows):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "_WRONG_MAPPING_ROWS", 1000)
        place = Path(folder)
        ingest([write(place / "first.csv", [FIRST])], place / "store", key=KEY, now=NOW)
        source = write(place / "log.csv", rows)
        ingest([source], place / "store", key=KEY, now=NOW)
        before, manifest = content(place / "store"), (place / "store" / "manifest.json").read_bytes()
        again = ingest([source], place / "store", key=KEY, now=NOW)
        assert [f.known for f in again.files] == [True]
        assert not again.changed
        assert (place / "store" / "manifest.json").read_bytes() == manifest
        shutil.copy(place / "log.csv", place / "copy.csv")
        ingest([Source(format="csv", path=place / "copy.csv", columns=COLUMNS)], place / "store", key=KEY, now=NOW)
        assert (place / "store" / "manifest.json").read_bytes() == manifest
        # The same rows in another file, in another order: nothing but the count of rows already stored.
        other = write(place / "other.csv", [*reversed(rows), rows[0]])
        report = ingest([other], place / "store", key=KEY, now=NOW)
        assert not report.changed
        assert report.files[0].already_stored == len(rows) + 1
        assert_same(before[:5], content(place / "store")[:5])


def test_all_tables_keep_their_schemas(tmp_path):
    rows = [line("ann", "a", "buy", TIMES[0], "2", "3", "o1"), line("ann", "a", "refund", TIMES[1], "2", "1", "c1")]
    ingest(
        [write(tmp_path / "log.csv", [*rows, line("", "b", "?", TIMES[0], "1", "1", "")])],
        tmp_path / "s",
        key=KEY,
        now=NOW,
    )
    tables = open_store(tmp_path / "s")
    events = Events.validate(tables.events.collect())
    Items.validate(tables.items)
    ItemHistory.validate(tables.history)
    Customers.validate(tables.customers)
    Rejected.validate(rejected_rows(tmp_path / "s").collect())
    refund = events.filter(pl.col("event") == "refund").row(0, named=True)
    assert (refund["order_id"], refund["quantity"], refund["price"]) == ("o1", 1, 2.0)


def test_a_new_day_is_appended_and_its_refunds_find_old_purchases(tmp_path):
    store = tmp_path / "store"
    ingest([write(tmp_path / "day1.csv", [line("ann", "a", "buy", TIMES[0], "2", "3", "o1")])], store, key=KEY, now=NOW)
    part = next((store / "events").iterdir())
    before = part.stat().st_mtime_ns
    rows = [line("ann", "a", "refund", TIMES[2], "2", "2", "c1"), line("bob", "a", "refund", TIMES[2], "2", "1", "c2")]
    report = ingest([write(tmp_path / "day2.csv", rows)], store, key=KEY, now=NOW)
    assert (report.files[0].accepted, report.files[0].cancellations) == (0, 2)
    events = open_store(store).events.collect()
    assert events["event"].to_list() == ["purchase", "refund"]
    assert events["order_id"].to_list() == ["o1", "o1"]
    assert rejected_rows(store).collect()["rule"].to_list() == ["cancellation_without_purchase"]
    assert part.stat().st_mtime_ns == before


def test_a_purchase_that_comes_late_still_meets_its_cancellation(tmp_path):
    store = tmp_path / "store"
    ingest([write(tmp_path / "b.csv", [line("ann", "a", "refund", TIMES[1], "2", "1", "")])], store, key=KEY, now=NOW)
    assert rejected_rows(store).collect().height == 1
    ingest([write(tmp_path / "a.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "o1")])], store, key=KEY, now=NOW)
    assert rejected_rows(store).collect().height == 0
    assert open_store(store).events.collect()["event"].to_list() == ["purchase", "refund"]


def test_a_file_that_grew_brings_only_its_new_rows(tmp_path):
    store, rows = tmp_path / "store", [line("ann", "a", "buy", t, "2", "1", "") for t in TIMES[:4]]
    ingest([write(tmp_path / "log.csv", rows[:2])], store, key=KEY, now=NOW)
    report = ingest([write(tmp_path / "log.csv", rows)], store, key=KEY, now=NOW).files[0]
    assert (report.rows, report.accepted, report.already_stored) == (4, 2, 2)
    assert open_store(store).events.collect().height == 4


def test_given_event_ids_decide(tmp_path):
    frame = pl.DataFrame(
        {"id": ["e1", "e1", "e2", None, None], "item": ["a", "b", "a", "a", "a"], "price": [1.0, 2.0, 1.0, 1.0, 1.0]}
    )
    columns = {"event_id": "id", "item_id": "item", "price": "price", "event": "'buy'", "at": "'2019-05-01'"}
    frame.write_parquet(tmp_path / "a.parquet")
    ingest([Source(format="parquet", path=tmp_path / "a.parquet", columns=columns)], tmp_path / "s", key=KEY, now=NOW)
    assert sorted(open_store(tmp_path / "s").events.collect()["event_id"])[1:] == ["e1", "e2"]
    # The same identity at another time is the same event, told twice.
    late = {**columns, "at": "'2019-06-01'"}
    frame.head(1).write_parquet(tmp_path / "b.parquet")
    report = ingest(
        [Source(format="parquet", path=tmp_path / "b.parquet", columns=late)], tmp_path / "s", key=KEY, now=NOW
    )
    assert report.files[0].already_stored == 1


def test_events_come_in_order_whatever_the_files(tmp_path):
    rng = random.Random(0)
    start = datetime(2019, 1, 1)
    for n in range(6):
        times = [start + timedelta(hours=rng.randrange(24 * (3 if n % 2 else 300))) for _ in range(50)]
        pl.DataFrame({"at": times, "item_id": [f"i{n}-{k}" for k in range(50)], "event": ["view"] * 50}).write_parquet(
            tmp_path / f"{n}.parquet"
        )
    ingest([Source(format="parquet", path=tmp_path)], tmp_path / "s", key=KEY, now=NOW)
    events = open_store(tmp_path / "s").events
    order = events.select("at", "event_id").collect()
    assert order.equals(order.sort("at", "event_id"))
    assert order.height == 300
    assert (
        events.filter(pl.col("at") < datetime(2019, 2, 1, tzinfo=UTC)).collect().height
        == (order["at"] < datetime(2019, 2, 1, tzinfo=UTC)).sum()
    )


def test_parts_of_a_sorted_file_do_not_overlap(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BATCH_ROWS", 10)
    times = [datetime(2019, 1, 1) + timedelta(minutes=k // 3) for k in range(100)]
    pl.DataFrame({"at": times, "item_id": [str(k) for k in range(100)], "event": ["view"] * 100}).write_parquet(
        tmp_path / "a.parquet"
    )
    ingest([Source(format="parquet", path=tmp_path / "a.parquet")], tmp_path / "s", key=KEY, now=NOW)
    files = json.loads((tmp_path / "s" / "manifest.json").read_text())["manifest"]["files"]
    parts = files[0]["events"]
    assert len(parts) > 3
    assert all(a["last"] < b["first"] for a, b in itertools.pairwise(parts))


def test_the_store_is_private(tmp_path):
    before = os.umask(0o000)
    try:
        source = write(tmp_path / "log.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "")])
        ingest([source], tmp_path / "s", key=KEY, now=NOW)
    finally:
        os.umask(before)
    for path in [tmp_path / "s", *(tmp_path / "s").rglob("*")]:
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    secret = KEY.secret.hex().encode()
    assert all(secret not in p.read_bytes() for p in (tmp_path / "s").rglob("*") if p.is_file())


@pytest.mark.parametrize("moment", ["reading", "settling", "committing"])
def test_an_interrupted_ingestion_leaves_the_old_store_whole(tmp_path, monkeypatch, moment):
    store = tmp_path / "store"
    ingest([write(tmp_path / "a.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "")])], store, key=KEY, now=NOW)
    before = content(store)

    def die(*args, **kwargs):
        raise KeyboardInterrupt

    source = write(tmp_path / "b.csv", [line("bob", "b", "buy", TIMES[1], "2", "1", "")])
    with monkeypatch.context() as patch:
        if moment == "reading":
            patch.setattr(reading.Reading, "finish", die)
        elif moment == "settling":
            patch.setattr(sys.modules[ingest.__module__], "settle", die)
        else:
            patch.setattr("flashlift.events.store.write_text", die)
        with pytest.raises(KeyboardInterrupt):
            ingest([source], store, key=KEY, now=NOW)
    assert_same(before, content(store))
    ingest([source], store, key=KEY, now=NOW)
    assert open_store(store).events.collect().height == 2
    shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
    ingest(
        [Source(format="csv", path=tmp_path / "a.csv", columns=COLUMNS), source], tmp_path / "fresh", key=KEY, now=NOW
    )
    assert_same(content(tmp_path / "fresh"), content(store))
    # Leftovers of the interrupted attempt are gone.
    assert len(list((store / "events").iterdir())) == 2


def test_an_unfinished_first_ingestion_can_be_repeated(tmp_path):
    good = write(tmp_path / "a.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "")])
    with pytest.raises(InputError):
        ingest([good, write(tmp_path / "b.csv", [])], tmp_path / "s", key=KEY, now=NOW)
    assert ingest([good], tmp_path / "s", key=KEY, now=NOW).changed


def test_two_ingestions_at_once_are_refused(tmp_path):
    from flashlift.events.store import writing

    source = write(tmp_path / "a.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "")])
    with writing(tmp_path / "s"), pytest.raises(OutputError, match="Another ingestion"):
        ingest([source], tmp_path / "s", key=KEY, now=NOW)


def test_progress_grows_to_its_end(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "BATCH_ROWS", 2)
    calls = []
    source = write(tmp_path / "a.csv", [line("ann", "a", "buy", t, "2", "1", "") for t in TIMES[:4]])
    ingest([source], tmp_path / "s", key=KEY, now=NOW, progress=lambda *args: calls.append(args))
    reads = [(done, total) for task, done, total, *_ in calls if task == "read a.csv"]
    assert reads == sorted(reads)
    assert reads[-1] == (4, 4)
    assert calls[-1][1] == calls[-1][2]


def test_a_file_read_with_other_settings_is_refused(tmp_path):
    rows = [line("ann", "a", "buy", TIMES[0], "2", "1", "")]
    source = write(tmp_path / "a.csv", rows)
    ingest([source], tmp_path / "s", key=KEY, now=NOW)
    with pytest.raises(SettingsError, match=r"a\.csv was ingested .* with other settings"):
        ingest([source], tmp_path / "s", key=KEY, now=NOW, cleaning=Cleaning(max_quantity=5))


def test_a_store_keeps_its_key_and_currency(tmp_path):
    source = write(tmp_path / "a.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "")])
    euro = Source(format="csv", path=source.path, columns=COLUMNS, currency="EUR")
    ingest([euro], tmp_path / "s", key=KEY, now=NOW)
    with pytest.raises(SettingsError, match="another key"):
        ingest([euro], tmp_path / "s", key=Key(bytes(32)), now=NOW)
    pounds = Source(
        format="csv",
        path=write(tmp_path / "b.csv", [line("x", "a", "buy", TIMES[1], "2", "1", "")]).path,
        columns=COLUMNS,
        currency="GBP",
    )
    with pytest.raises(SettingsError, match="EUR, GBP"):
        ingest([pounds], tmp_path / "s", key=KEY, now=NOW)


def test_callers_mistakes_are_named(tmp_path):
    with pytest.raises(SettingsError, match="no source"):
        ingest([], tmp_path / "s", key=KEY, now=NOW)
    with pytest.raises(SettingsError, match="no time zone"):
        ingest([Source(format="csv", path="x.csv")], tmp_path / "s", key=KEY, now=datetime(2020, 1, 1))
    with pytest.raises(SettingsError, match=r"no format 'parkett'.*Did you mean 'parquet'"):
        ingest([Source(format="parkett", path="x")], tmp_path / "s", key=KEY, now=NOW)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"at": "title"}, "its at is never a time, e.g. at = 'a v0' in row 1"),
        ({"price": "title"}, "its price is never a number, e.g. price = 'a v0' in row 1"),
        ({"quantity": "title"}, "its quantity is never a number"),
        ({"event": "who"}, "its event is never a known kind, e.g. event = 'ann0'.*event_names"),
        ({"at": "'2031-01-01'"}, "all of it lies in the future, e.g. at = '2031-01-01' in row 1"),
    ],
)
def test_a_wrong_mapping_is_told_from_dirty_rows(tmp_path, change, message):
    rows = [line(f"ann{k}", "a", "buy", TIMES[0], "2", "1", "") for k in range(12)]
    columns = {k: v for k, v in (COLUMNS | change).items() if k != "customer_id"}
    source = Source(format="csv", path=write(tmp_path / "a.csv", rows).path, columns=columns)
    with pytest.raises(InputError, match=message):
        ingest([source], tmp_path / "s", key=KEY, now=NOW)


@pytest.mark.parametrize("time", ["noon", "2031-01-01"])
def test_one_bad_row_is_a_wrong_mapping_at_first_and_dirt_later(tmp_path, time):
    bad = write(tmp_path / "bad.csv", [line("ann", "a", "buy", time, "2", "1", "")])
    with pytest.raises(InputError, match=f"No row of bad.csv can be used: .*{time}"):
        ingest([bad], tmp_path / "s", key=KEY, now=NOW)
    report = ingest([write(tmp_path / "a.csv", [FIRST]), bad], tmp_path / "s", key=KEY, now=NOW)
    assert [(f.accepted, f.rejected) for f in report.files] == [(1, 0), (0, 1)]


def test_an_unwritable_place_is_named(tmp_path):
    source = write(tmp_path / "a.csv", [line("ann", "a", "buy", TIMES[0], "2", "1", "")])
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="cannot be written"):
        ingest([source], tmp_path / "file" / "store", key=KEY, now=NOW)
    with pytest.raises(OutputError, match="no event store"):
        ingest([source], tmp_path, key=KEY, now=NOW)
