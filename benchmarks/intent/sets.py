"""The logs of the study: where they come from, how they are cut in time, and which horizons are asked."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from flashlift import events, privacy
from flashlift.domain import Split
from flashlift.schema import Tables

__all__ = ["SETS", "Log"]

NOW = datetime(2026, 1, 1, tzinfo=UTC)
KEY = privacy.Key(hashlib.blake2b(b"public data", digest_size=32).digest())  # always the same order of customers


@dataclass(frozen=True, slots=True, kw_only=True)
class Log:
    """One log of the study.

    Args:
        title: for people.
        source: from the folder of the data sets to what is read.
        valid_days: days of stopping, stacking and calibration.
        test_days: days at the end, for judging.
        horizons_hours: horizons that are judged.
        cleaning: rules that differ from the usual ones.
        needs: what must lie in the folder of the data sets; None: the log comes with the package.
    """

    title: str
    source: Callable[[Path], events.Source]
    valid_days: int = 28
    test_days: int = 28
    horizons_hours: tuple[float, ...] = (24.0, 72.0, 168.0)
    cleaning: events.Cleaning | None = None
    needs: str | None = None

    def read(self, data: Path, store: Path) -> tuple[Tables, Split]:
        """Ingest the log into `store`, and cut it."""
        events.ingest([self.source(data)], store, key=KEY, cleaning=self.cleaning, now=NOW)
        tables = events.open_store(store)
        return tables, events.time_split(tables.events, valid_days=self.valid_days, test_days=self.test_days)


def _ta_feng(data: Path) -> events.Source:
    columns = {"customer_id": "CUSTOMER_ID", "item_id": "PRODUCT_ID", "event": "'purchase'", "at": "TRANSACTION_DT",
               "quantity": "AMOUNT", "price": "SALES_PRICE / AMOUNT", "category": "PRODUCT_SUBCLASS",
               "region": "PIN_CODE"}  # fmt: skip
    return events.Source(format="parquet", path=data / "ta_feng/ta_feng.parquet", currency="TWD", columns=columns)


SETS: dict[str, Log] = {
    "online_retail": Log(title="Online Retail", source=lambda _: events.bundled()),
    "complete_journey": Log(
        title="Complete Journey",
        source=lambda data: events.Source(format="complete_journey", path=data / "complete_journey", currency="USD"),
        needs="complete_journey/transactions.parquet",
    ),
    "ta_feng": Log(title="Ta-Feng", source=_ta_feng, valid_days=28, test_days=14, needs="ta_feng/ta_feng.parquet"),
    "taobao": Log(
        title="Taobao (head)",
        source=lambda data: events.Source(
            format="taobao", path=data / "taobao_userbehavior/head.parquet", currency="CNY"
        ),
        valid_days=3,
        test_days=2,
        horizons_hours=(6.0, 12.0, 24.0),
        cleaning=events.Cleaning(earliest=datetime(2017, 11, 24, tzinfo=UTC)),
        needs="taobao_userbehavior/head.parquet",
    ),
}
