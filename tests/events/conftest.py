from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from flashlift.events import Cleaning, IngestReport, Source, ingest
from flashlift.privacy import Key

KEY = Key(bytes(range(32)))
NOW = datetime(2020, 1, 1, tzinfo=UTC)


@pytest.fixture
def key() -> Key:
    return KEY


@pytest.fixture
def now() -> datetime:
    return NOW


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., IngestReport]:
    """Ingest sources into the test's store."""

    def call(*sources: Source, store: Path | None = None, cleaning: Cleaning | None = None) -> IngestReport:
        return ingest(sources, store or tmp_path / "store", key=KEY, cleaning=cleaning, now=NOW)

    return call


@pytest.fixture
def log(tmp_path: Path) -> Callable[..., Source]:
    """Write rows of our own columns as a Parquet file, and return its source."""

    def call(rows: dict[str, list[object]], name: str = "log.parquet", **fields: object) -> Source:
        size = max(len(v) for v in rows.values())
        filled = {"item_id": ["x"] * size, "event": ["purchase"] * size, "at": [datetime(2019, 5, 1)] * size} | rows
        pl.DataFrame(filled, strict=False).write_parquet(tmp_path / name)
        return Source(format="parquet", path=tmp_path / name, **fields)

    return call
