"""UCI Online Retail (D. Chen, CC BY 4.0) and Online Retail II: order lines of a British gift shop, no views, no costs.

An invoice number that begins with C is a cancellation. Its log has no categories: they are derived from the titles.
"""

from __future__ import annotations

from importlib.resources import files as resource_files
from pathlib import Path

from flashlift.events.adapters.plain import as_plain
from flashlift.events.read import column_names, files
from flashlift.events.source import Source

__all__ = ["bundled", "sources"]

# Postage, carriage, manual entries, discounts, samples, fees, donations, bad debt, cushion pads at 0.001, vouchers.
_NO_PRODUCT = "^(?i:POST|DOT|C2|C3|M|D|S|B|BANK CHARGES|AMAZONFEE|CRUK|PADS|ADJUST.*|GIFT_.*|TEST.*)$"


def sources(source: Source) -> list[Source]:
    """The mapping of the 2010-2011 file, or of the second edition with its renamed columns."""
    second = "Invoice" in column_names(files(source)[0])
    invoice, price, customer = (
        ("Invoice", "Price", "Customer ID") if second else ("InvoiceNo", "UnitPrice", "CustomerID")
    )
    columns = {
        "customer_id": customer,
        "item_id": "StockCode",
        "event": f"CASE WHEN {invoice} LIKE 'C%' THEN 'refund' ELSE 'purchase' END",
        "at": "InvoiceDate",
        "price": price,
        "quantity": "Quantity",
        "order_id": invoice,
        "region": "Country",
        "title": "Description",
    }
    return as_plain(
        source,
        columns,
        timezone="Europe/London",
        currency="GBP",
        reject={"service_code": f"StockCode ~ '{_NO_PRODUCT}'"},
        category_from_title=True,
    )


def bundled() -> Source:
    """The data set that comes with the package."""
    path = Path(str(resource_files("flashlift") / "data" / "online_retail.parquet"))
    return Source(format="online_retail", path=path)
