"""Pinned and forbidden items from CSV: what spreadsheets save is read, and what is wrong is named with its place."""

from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.pipeline.made_up import CAMPAIGN

from flashlift.errors import InputError
from flashlift.limits import Excluded, Pinned
from flashlift.pipeline.picks import Picks, read_picks

ITEMS = pl.DataFrame({"item_id": ["0012", "-7", "a", "b", "red mug"]})
KNOWN = {*ITEMS["item_id"], "old", "z"}


def read(folder: Path, *, pin: str | None = None, forbid: str | None = None, encoding: str = "utf-8") -> Picks:
    places = {}
    for name, text in (("pin", pin), ("forbid", forbid)):
        if text is not None:
            places[name] = folder / f"{name}.csv"
            places[name].write_bytes(text.encode(encoding))
    return read_picks(places.get("pin"), places.get("forbid"), campaign=CAMPAIGN, items=ITEMS, known=KNOWN)


@pytest.mark.parametrize(
    "text",
    [
        "item_id,slot_id,discount\na,s1,0.2\nb,,\nred mug,,10%\n",
        "\ufeffitem_id;discount;slot_id;note\r\na;0,2;s1;why\r\n;;;\r\nb;;;\r\n\r\nred mug;10 %;;\r\n",
        'discount\titem_id \tslot_id\n20%\ta\ts1\n\tb\t\n0.1\t"red mug"',
    ],
)
def test_what_spreadsheets_save_is_read(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, pin=text).pinned == (
        Pinned(item_id="a", slot_id="s1", discount_frac=0.2),
        Pinned(item_id="b"),
        Pinned(item_id="red mug", discount_frac=0.1),
    )


def test_ids_as_plan_csv_shows_them_are_understood(tmp_path: Path) -> None:
    assert read(tmp_path, forbid="item_id\n'-7\nold\n").forbidden == ("-7", "old")


def test_nothing_given_is_nothing_picked(tmp_path: Path) -> None:
    assert read(tmp_path) == Picks() == read(tmp_path, pin="item_id\n", forbid="item_id\n")


def test_an_item_may_be_pinned_into_several_slots(tmp_path: Path) -> None:
    found = read(tmp_path, pin="item_id,slot_id\na,s0\na,s1\n").pinned
    assert [(pick.item_id, pick.slot_id) for pick in found] == [("a", "s0"), ("a", "s1")]


def test_the_settings_pin_and_exclude_too(tmp_path: Path) -> None:
    campaign = replace(CAMPAIGN, limits=(*CAMPAIGN.limits, Pinned(item_id="a", slot_id="s1")))
    for name, text, words in (
        ("pin", "item_id\nb\na\n", "row 3, column item_id: a is pinned twice, here and in the settings"),
        ("pin", "item_id,slot_id\na,s1\n", "row 2, column item_id: a is pinned twice, here and in the settings"),
        ("forbid", "item_id\na\n", "row 2, column item_id: a is forbidden here and pinned in the settings"),
    ):
        path = tmp_path / f"{name}.csv"
        path.write_text(text)
        places = (path, None) if name == "pin" else (None, path)
        with pytest.raises(InputError, match=words):
            read_picks(*places, campaign=campaign, items=ITEMS, known=KNOWN)


def test_a_campaign_with_picks_has_them_as_limits() -> None:
    picks = Picks(pinned=(Pinned(item_id="a", slot_id="s0"), Pinned(item_id="b")), forbidden=("old",))
    mine = picks.within(CAMPAIGN).limits
    assert set(CAMPAIGN.limits) - set(mine) == {Excluded(item_ids=("z",))}
    assert set(mine) - set(CAMPAIGN.limits) == {*picks.pinned, Excluded(item_ids=("z", "old"))}
    assert Picks().within(CAMPAIGN) == CAMPAIGN
    only = Picks(pinned=picks.pinned).within(replace(CAMPAIGN, limits=()))
    assert only.limits == picks.pinned


@pytest.mark.parametrize(
    ("pin", "forbid", "words"),
    [
        ("item_id\n0013\n", None, ["pin.csv, row 2, column item_id", "no item '0013'", "Did you mean 0012?"]),
        ("item_id\na\n\nxyz\n", None, ["pin.csv, row 4, column item_id", "no item 'xyz'", "delete the row"]),
        ("item_id,slot_id\n,s1\n", None, ["pin.csv, row 2, column item_id", "no item is named"]),
        ("item_id\na\nb\na\n", None, ["pin.csv, row 4", "a is pinned twice", "pin.csv, row 2"]),
        ("item_id,slot_id\na,s1\na,\n", None, ["pin.csv, row 3", "pinned twice", "pin.csv, row 2"]),
        ("item_id,slot_id\na,\na,s1\n", None, ["pin.csv, row 3", "pinned twice", "pin.csv, row 2"]),
        ("item_id\nold\n", None, ["pin.csv, row 2", "old was not sold at a known price lately"]),
        (
            "item_id\nz\n",
            None,
            ["pin.csv, row 2", "z is pinned here and forbidden in the settings (campaign.excluded)"],
        ),
        ("item_id\na\n", "item_id\nb\na\n", ["pin.csv, row 2", "pinned here and forbidden in", "forbid.csv, row 3"]),
        (None, "item_id\na\na\n", ["forbid.csv, row 3", "a is forbidden twice", "forbid.csv, row 2"]),
        (None, "item_id\nnone\n", ["forbid.csv, row 2, column item_id", "the shop has no item 'none'"]),
        ("item_id,slot_id\na,s9\n", None, ["pin.csv, row 2, column slot_id", "no slot 's9', but s0, s1, s2, s3"]),
        (
            "item_id,discount\na,20\n",
            None,
            ["row 2, column discount", "'20' is no step of the ladder (0.1, 0.2)", "20%"],
        ),
        ("item_id,discount\na,much\n", None, ["row 2, column discount", "'much' is no step"]),
        ("item_id,discount\na,nan\n", None, ["row 2, column discount", "'nan' is no step"]),
        ("item_id,discount_frac\na,0.2\n", None, ["row 1", "'discount_frac' is not known", "Rename it to discount"]),
        ("item_id,Slot\na,s1\n", None, ["row 1", "'Slot' is not known", "slot_id"]),
        ("sku\na\n", None, ["row 1", "no column item_id, only sku"]),
        ("", None, ["row 1", "no column item_id, only nothing"]),
        ("item_id,item_id\na,b\n", None, ["row 1", "two columns item_id"]),
    ],
)
def test_what_is_wrong_is_named_with_row_column_and_fix(
    tmp_path: Path, pin: str | None, forbid: str | None, words: list[str]
) -> None:
    with pytest.raises(InputError) as raised:
        read(tmp_path, pin=pin, forbid=forbid)
    for part in words:
        assert part in str(raised.value)


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not UTF-8"):
        read(tmp_path, pin="item_id\nMüsli\n", encoding="latin-1")
    with pytest.raises(InputError, match="cannot be read"):
        read_picks(tmp_path / "none.csv", None, campaign=CAMPAIGN, items=ITEMS, known=KNOWN)


IDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1).filter(
    lambda t: t == t.strip() and t != "z"
)
PICK = st.builds(
    Pinned,
    item_id=IDS,
    slot_id=st.none() | st.sampled_from([slot.slot_id for slot in CAMPAIGN.slots]),
    discount_frac=st.none() | st.sampled_from(CAMPAIGN.ladder),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PICK, unique_by=lambda pick: pick.item_id, max_size=5), st.sampled_from(",;\t"))
def test_whatever_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, picks: list[Pinned], separator: str
) -> None:
    written = io.StringIO()
    lines = csv.writer(written, delimiter=separator)
    lines.writerow(["item_id", "slot_id", "discount"])
    lines.writerows((one.item_id, one.slot_id, one.discount_frac) for one in picks)
    path = tmp_path_factory.mktemp("picks") / "pin.csv"
    path.write_bytes(written.getvalue().encode("utf-8-sig"))
    ids = [one.item_id for one in picks]
    items = pl.DataFrame({"item_id": ids}, schema={"item_id": pl.String})
    found = read_picks(path, None, campaign=CAMPAIGN, items=items, known=set(ids))
    assert found.pinned == tuple(picks)
    both = Picks(pinned=found.pinned, forbidden=("p", "q"))
    assert Picks.of(both.to_polars()) == both
