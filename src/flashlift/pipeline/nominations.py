"""Sellers' nominations from a CSV file, as a limit of the campaign."""

from __future__ import annotations

from collections.abc import Mapping, Set
from pathlib import Path

import polars as pl

from flashlift.limits import Nomination, Nominations
from flashlift.pipeline.csv_rows import CsvRow, csv_rows
from flashlift.pipeline.shop import Shop, for_sale
from flashlift.pipeline.spreadsheet import write_table
from flashlift.schema import SaleItems
from flashlift.settings import Settings

__all__ = ["nominations_of", "read_nominations", "tell_nominations", "with_nominated_stock"]

NEEDED = ("item_id", "price", "stock")
COLUMNS = (*NEEDED, "seller", "funding", "currency")
CENT = 1e-6  # of a cent: rounding of figures


def nominations_of(settings: Settings, shop: Shop) -> Nominations | None:
    """The nominations that the settings name; None where they name none.

    Raises:
        InputError: a file, a row or a value that cannot be used.
    """
    path = settings.campaign.nominations
    if path is None:
        return None
    return read_nominations(
        path,
        items=for_sale(settings, shop),
        known=set(shop.tables.items[SaleItems.item_id.name]),
        currency=settings.shop.currency,
        only=settings.campaign.nominations_only,
    )


def read_nominations(
    path: Path, *, items: pl.DataFrame, known: Set[str], currency: str, only: bool = False
) -> Nominations:
    """Read the file: CSV with a header, separated by commas, semicolons or tabs, as spreadsheets save it.

    Args:
        path: columns `item_id`, `price` (in shop currency), `stock`, and where wanted `seller`, `funding` (share of the
            discount that the seller pays, 0.3 or 30%) and `currency`, which is checked.
        items: table SaleItems: what can run, at what list price.
        known: every item of the shop.
        currency: of the shop.
        only: items that nobody nominated may not run.

    Raises:
        InputError: a file, a row or a value that cannot be used; it names row and column and the fix.
    """
    list_price = dict(zip(items[SaleItems.item_id.name], items[SaleItems.list_price.name], strict=True))
    first: dict[str, str] = {}
    offers = []
    for row in csv_rows(path, COLUMNS, required=NEEDED):
        item, seller = row.item(known), row.fields.get("seller", "")
        if item not in list_price:
            wrong = f"{item} was not sold at a known price lately, so it cannot run"
            raise row.error("item_id", wrong, "Delete the row")
        here = f"row {row.number}{f' ({seller})' if seller else ''}"
        if item in first:
            wrong = f"{item} is nominated twice, in {first[item]} and in {here}"
            raise row.error("item_id", wrong, "Delete one of the rows")
        first[item] = here
        _check_currency(row, currency)
        offers.append(
            Nomination(
                item_id=item,
                price=_price(row, list_price),
                stock=_stock(row),
                seller=seller,
                funding_frac=_funding(row),
            )
        )
    return Nominations(offers=tuple(offers), only=only)


def with_nominated_stock(items: pl.DataFrame, nominated: Nominations) -> pl.DataFrame:
    """Table SaleItems with assumed stock raised to the nominated one: a seller knows better than an assumption."""
    key, stock = SaleItems.item_id.name, SaleItems.stock.name
    told = pl.DataFrame(
        {key: [one.item_id for one in nominated.offers], "told": [one.stock for one in nominated.offers]},
        schema={key: pl.String, "told": items.schema[stock]},
    )
    least = pl.when(SaleItems.stock_assumed.col).then(pl.max_horizontal(stock, "told")).otherwise(stock)
    return items.join(told, on=key, how="left", maintain_order="left").with_columns(least.alias(stock)).drop("told")


def tell_nominations(shop: Shop, answers: pl.DataFrame | None) -> None:
    """Write plan_nominations.csv (`flashlift.planning.answers`); that of an earlier plan goes where there are none."""
    place = shop.folder / "plan_nominations.csv"
    if answers is None:
        place.unlink(missing_ok=True)
    else:
        write_table(answers, place)


def _price(row: CsvRow, list_price: Mapping[str, float]) -> float:
    text, price = row.fields.get("price", ""), row.figure("price")
    if not price > 0.0 or "%" in text:
        raise row.error("price", f"{text!r} is no price", "Write a figure above 0 in shop currency, such as 7.99")
    if abs(100.0 * price - round(100.0 * price)) > CENT:
        raise row.error("price", f"{text!r} is not in whole cents", "Round it to two decimals")
    item = row.item(list_price.keys())
    if price >= list_price[item]:
        wrong = f"{price:.2f} is not below the list price of {item}, {list_price[item]:.2f}"
        raise row.error("price", wrong, "Ask the seller for a lower price, or delete the row")
    return round(price, 2)


def _stock(row: CsvRow) -> int:
    text, stock = row.fields.get("stock", ""), row.figure("stock")
    if not stock >= 0.0 or stock != int(stock) or "%" in text:
        raise row.error(
            "stock", f"{text!r} is no number of units", "Write a whole number, 0 or more, a thousand as 1000"
        )
    return int(stock)


def _funding(row: CsvRow) -> float:
    text, share = row.fields.get("funding", ""), row.figure("funding")
    if text and not 0.0 <= share <= 1.0:
        raise row.error("funding", f"{text!r} is no share of the discount", "Write 0 to 1, 30 % as 0.3 or 30%")
    return share if text else 0.0


def _check_currency(row: CsvRow, currency: str) -> None:
    told = row.fields.get("currency", "").upper()
    if told and told != currency.upper():
        wrong = f"the price is in {told}, the shop counts in {currency}"
        raise row.error("currency", wrong, f"Convert the price to {currency}, or delete the row")
