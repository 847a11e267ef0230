"""Events: read a shop's log, clean it, keep it in a store that grows by files, and cut it in time without leaks."""

from __future__ import annotations

from flashlift.events.adapters.online_retail import bundled
from flashlift.events.clean import RULES, Cleaning
from flashlift.events.competitor_price import competitor_prices
from flashlift.events.formats import ADAPTERS
from flashlift.events.ingest import FileReport, IngestReport, ingest
from flashlift.events.purchase_size import purchase_sizes
from flashlift.events.quality import Quality, quality
from flashlift.events.reference_price import POLICIES, ReferencePolicy, reference_prices
from flashlift.events.sale_items import ItemAssumptions, sale_items
from flashlift.events.sales_around import sales_around
from flashlift.events.sessions import sessionize
from flashlift.events.source import EVENT_NAMES, Source
from flashlift.events.split import before, time_split
from flashlift.events.store import open_store, rejected_rows

__all__ = [
    "ADAPTERS",
    "EVENT_NAMES",
    "POLICIES",
    "RULES",
    "Cleaning",
    "FileReport",
    "IngestReport",
    "ItemAssumptions",
    "Quality",
    "ReferencePolicy",
    "Source",
    "before",
    "bundled",
    "competitor_prices",
    "ingest",
    "open_store",
    "purchase_sizes",
    "quality",
    "reference_prices",
    "rejected_rows",
    "sale_items",
    "sales_around",
    "sessionize",
    "time_split",
]
