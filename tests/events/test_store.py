import json

import polars as pl
import pytest

from flashlift.artifacts import Artifact, read_manifest, save
from flashlift.errors import ArtifactError
from flashlift.events import Quality, open_store, quality, rejected_rows


def test_no_store_is_an_error(tmp_path):
    for opener in (open_store, quality, rejected_rows):
        with pytest.raises(ArtifactError, match="no event store"):
            opener(tmp_path)


def test_another_artifact_is_no_store(tmp_path, log, read):
    save(Artifact(kind="plan"), tmp_path / "store")
    with pytest.raises(ArtifactError, match="holds 'plan'"):
        open_store(tmp_path / "store")
    with pytest.raises(ArtifactError, match="holds 'plan'"):
        read(log({"event": ["view"]}))


def test_a_damaged_manifest_is_named(tmp_path, log, read):
    read(log({"event": ["view"]}))
    path = tmp_path / "store" / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"manifest": {}}))
    with pytest.raises(ArtifactError, match="damaged"):
        open_store(tmp_path / "store")


def test_the_digest_of_a_store_follows_its_content(tmp_path, log, read):
    first, second = log({"event": ["view"]}, "a.parquet"), log({"event": ["view"], "item_id": ["y"]}, "b.parquet")
    read(first, second, store=tmp_path / "one")
    read(second, store=tmp_path / "two")
    half = read_manifest(tmp_path / "two")["inputs"]
    read(first, store=tmp_path / "two")
    assert read_manifest(tmp_path / "one")["inputs"] == read_manifest(tmp_path / "two")["inputs"] != half


def test_a_frame_opened_before_an_ingestion_can_still_be_read(tmp_path, log, read):
    read(log({"event": ["buy", "refund"], "at": ["2019-05-01", "2019-05-02"], "customer_id": ["a", "a"]}, "a.parquet"))
    events = open_store(tmp_path / "store").events
    read(log({"event": ["buy", "refund"], "at": ["2019-05-03", "2019-05-04"], "customer_id": ["a", "a"]}, "b.parquet"))
    assert events.collect().height == 2
    assert open_store(tmp_path / "store").events.collect().height == 4


def test_only_lists_make_a_store_without_events(tmp_path, log, read):
    pl.DataFrame({"item_id": ["x"], "title": ["a mug"]}).write_csv(tmp_path / "items.csv")
    from flashlift.events import Source

    read(Source(format="csv", path=tmp_path / "items.csv"))
    tables = open_store(tmp_path / "store")
    assert tables.events.collect().height == 0
    assert tables.items["title"].to_list() == ["a mug"]
    assert quality(tmp_path / "store").first is None


def test_quality_counts_every_row_once(tmp_path, log, read):
    rows = {
        "item_id": ["a", "a", "a", "b", "b", "POST", "c"],
        "event": ["buy", "buy", "refund", "refund", "pv", "buy", "wave"],
        "at": ["2019-05-01", "2019-05-01", "2019-05-02", "2019-05-02", "2019-05-03", "2019-05-01", "2019-05-01"],
        "price": [2.0, 2.0, 2.0, 2.0, None, 9.0, 1.0],
        "customer_id": ["ann"] * 7,
    }
    read(log(rows))
    found = quality(tmp_path / "store")
    assert isinstance(found, Quality)
    assert found.sources.row(0, named=True) == {
        "source": "log.parquet",
        "table": "events",
        "rows": 7,
        "accepted": 3,
        "rejected": 4,
        "already_stored": 0,
    }
    assert (found.rows_read, found.rows_rejected) == (7, 4)
    assert dict(found.rules.select("rule", "rows").iter_rows()) == {
        "cancellation_without_purchase": 1,
        "duplicate": 1,
        "service_code": 1,
        "unknown_event": 1,
    }
    assert found.rules["share"].to_list() == pytest.approx([1 / 7] * 4)
    assert all(json.loads(e)["item_id"] for e in found.rules["example"])
    assert dict(found.kinds.select("event", "rows").iter_rows()) == {"purchase": 1, "refund": 1, "view": 1}
    assert dict(found.nulls.select("column", "nulls").iter_rows())["price"] == 1
    assert found.prices.filter(pl.col("event") == "purchase")["median"].item() == 2.0
    assert f"{found.first:%m-%d} {found.last:%m-%d}" == "05-01 05-03"
    table = found.to_polars()
    assert table["section"].unique(maintain_order=True).to_list() == ["source", "rejected", "events", "missing"]
    assert table["note"].null_count() == 0
    assert "unknown_event" in str(found)
