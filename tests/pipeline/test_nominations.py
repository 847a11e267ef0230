"""Sellers' nominations from CSV: what spreadsheets save is read, and what is wrong is named with its place."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from flashlift.errors import InputError
from flashlift.limits import Nomination, Nominations
from flashlift.pipeline.nominations import read_nominations, with_nominated_stock

ITEMS = pl.DataFrame({"item_id": ["0012", "-7", "a", "b"], "list_price": [10.0, 20.0, 9.99, 5.0]})
KNOWN = {*ITEMS["item_id"], "old"}


def read(folder: Path, text: str, *, only: bool = False) -> Nominations:
    path = folder / "nominations.csv"
    path.write_text(text, encoding="utf-8")
    return read_nominations(path, items=ITEMS, known=KNOWN, currency="EUR", only=only)


@pytest.mark.parametrize(
    "text",
    [
        "item_id,price,stock,seller,funding,currency\na,7.99,12,Ann,0.3,EUR\nb,4,0,,,\n",
        "\ufeffstock;item_id;price;why;funding;seller;currency\r\n12;a;7,99;;30 %;Ann;eur\r\n;;;\r\n0,0;b;4,00;;0\r\n",
        'item_id,price,stock,seller,funding\n"a","7,99",12,Ann,"0,3"\nb,4,0\n',
    ],
)
def test_what_spreadsheets_save_is_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text).offers == (
        Nomination(item_id="a", price=7.99, stock=12, seller="Ann", funding_frac=0.3),
        Nomination(item_id="b", price=4.0, stock=0),
    )


def test_ids_as_files_of_a_plan_show_them_are_understood(tmp_path: Path) -> None:
    found = read(tmp_path, "item_id\tprice\tstock\n'-7\t15\t3\n0012\t9.5\t1\n", only=True)
    assert [one.item_id for one in found.offers] == ["-7", "0012"]
    assert found.only


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ("c,7,1,,,", ["row 2, column item_id", "no item 'c'"]),
        (",7,1,,,", ["row 2, column item_id", "no item is named"]),
        ("old,7,1,,,", ["row 2, column item_id", "old was not sold at a known price lately"]),
        ("a,9.99,1,,,", ["row 2, column price", "9.99 is not below the list price of a, 9.99", "lower price"]),
        ("a,12,1,,,", ["row 2, column price", "12.00 is not below the list price of a, 9.99"]),
        ("a,0,1,,,", ["row 2, column price", "'0' is no price", "7.99"]),
        ("a,-3,1,,,", ["row 2, column price", "'-3' is no price"]),
        ("a,,1,,,", ["row 2, column price", "'' is no price"]),
        ("a,$7,1,,,", ["row 2, column price", "'$7' is no price"]),
        ("a,nan,1,,,", ["row 2, column price", "'nan' is no price"]),
        ("a,80%,1,,,", ["row 2, column price", "'80%' is no price"]),
        ("a,7.005,1,,,", ["row 2, column price", "'7.005' is no price"]),
        ("a,0.995,1,,,", ["row 2, column price", "whole cents"]),
        ('a,7,"1,000",,,', ["row 2, column stock", "'1,000' is no number of units", "a thousand as 1000"]),
        ("a,7,-1,,,", ["row 2, column stock", "'-1' is no number of units", "whole number"]),
        ("a,7,1.5,,,", ["row 2, column stock", "'1.5' is no number of units"]),
        ("a,7,,,,", ["row 2, column stock", "'' is no number of units"]),
        ("a,7,inf,,,", ["row 2, column stock", "'inf' is no number of units"]),
        ("a,7,1,,1.2,", ["row 2, column funding", "'1.2' is no share of the discount", "30%"]),
        ("a,7,1,,30,", ["row 2, column funding", "'30' is no share"]),
        ("a,7,1,,-0.1,", ["row 2, column funding", "'-0.1' is no share"]),
        ("a,7,1,,half,", ["row 2, column funding", "'half' is no share"]),
        ("a,7,1,,,usd", ["row 2, column currency", "the price is in USD, the shop counts in EUR", "Convert"]),
        ("a,7,1,Ann,,\nb,4,1,,,\na,6,2,Bo,,", ["row 4", "a is nominated twice, in row 2 (Ann) and in row 4 (Bo)"]),
        ("a,7,99,1,,,", ["row 2", "7 values for 6 columns", '"7,99"']),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_row_value_and_fix(tmp_path: Path, row: str, words: list[str]) -> None:
    if row == "a,7,99,1,,,":
        row += "x"
    with pytest.raises(InputError) as raised:
        read(tmp_path, f"item_id,price,stock,seller,funding,currency\n{row}\n")
    for part in ["nominations.csv", *words]:
        assert part in str(raised.value)
    assert str(raised.value).count(". ") == 1, "what is wrong, then the fix"


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("sku,price,stock", "row 1: there is no column item_id, only sku, price, stock"),
        ("item_id,stock", "row 1: there is no column price, only item_id, stock. Add it"),
        ("item_id,price", "row 1: there is no column stock"),
        ("item_id,sale_price,stock", "the column 'sale_price' is not known. Rename it to price"),
        ("item_id,price,stock,funding_frac", "Rename it to funding"),
        ("item_id,price,price,stock", "two columns price"),
    ],
)
def test_a_header_that_lacks_or_mistakes_a_column(tmp_path: Path, header: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read(tmp_path, f"{header}\n")


def test_a_seller_knows_better_than_an_assumed_stock() -> None:
    assumed = [True, False, True, True]
    items = pl.DataFrame({"item_id": ["a", "b", "c", "d"], "stock": [5, 5, 9, 5], "stock_assumed": assumed})
    offers = tuple(Nomination(item_id=item, price=1.0, stock=7) for item in "abc")
    found = with_nominated_stock(items, Nominations(offers=offers))
    assert found.equals(items.with_columns(stock=pl.Series([7, 5, 9, 5])))


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_nominations(tmp_path / "none.csv", items=ITEMS, known=KNOWN, currency="EUR")
