import json
from datetime import UTC, datetime

import pytest

from flashlift.errors import SettingsError
from flashlift.events import RULES, Cleaning, Source, open_store, quality, rejected_rows

GOOD = {
    "at": "2019-05-01 10:00:00",
    "item": "x",
    "kind": "purchase",
    "price": "2.5",
    "quantity": "1",
    "currency": "EUR",
}
COLUMNS = {
    "at": "at",
    "item_id": "item",
    "event": "kind",
    "price": "price",
    "quantity": "quantity",
    "currency": "currency",
}


@pytest.fixture
def judged(tmp_path, read):
    """Rule that a row breaks (None: accepted), when it is read between good rows."""

    def call(row, **fields):
        lines = [GOOD | {"item": "first"}, GOOD | row, GOOD | {"item": "last"}]
        text = [",".join(GOOD), *(",".join(line[c] for c in GOOD) for line in lines)]
        (tmp_path / "log.csv").write_text("\n".join(text) + "\n")
        cleaning = fields.pop("cleaning", None)
        source = Source(
            format="csv", path=tmp_path / "log.csv", columns=COLUMNS, currency="EUR", rates={"USD": 0.5}, **fields
        )
        read(source, cleaning=cleaning)
        rejected = rejected_rows(tmp_path / "store").collect()
        assert rejected.height <= 1
        assert all(r in (1,) for r in rejected["row"])
        return rejected["rule"].first() if rejected.height else None

    return call


@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({}, None),
        ({"at": "noon"}, "unreadable_time"),
        ({"at": ""}, "unreadable_time"),
        ({"item": " "}, "missing_item"),
        ({"kind": "wave"}, "unknown_event"),
        ({"kind": ""}, "unknown_event"),
        ({"item": "POST"}, "service_code"),
        ({"item": "test007"}, "service_code"),
        ({"item": "POSTER"}, None),
        ({"quantity": "two"}, "unreadable_quantity"),
        ({"quantity": ""}, "unreadable_quantity"),
        ({"quantity": "", "kind": "view"}, None),
        ({"quantity": "two", "kind": "view"}, "unreadable_quantity"),
        ({"quantity": "0"}, "impossible_quantity"),
        ({"quantity": "1.5"}, "impossible_quantity"),
        ({"quantity": "-1", "kind": "view"}, "impossible_quantity"),
        ({"quantity": "-1"}, "cancellation_without_purchase"),
        ({"kind": "refund"}, "cancellation_without_purchase"),
        ({"quantity": "-3", "price": "0"}, "adjustment"),
        ({"quantity": "10001"}, "absurd_quantity"),
        ({"quantity": "-10001"}, "absurd_quantity"),
        ({"quantity": "10000"}, None),
        ({"price": "free"}, "unreadable_price"),
        ({"price": ""}, "unreadable_price"),
        ({"price": "", "kind": "view"}, None),
        ({"price": "nan", "kind": "view"}, "unreadable_price"),
        ({"price": "0"}, "zero_price"),
        ({"price": "0", "kind": "view"}, "zero_price"),
        ({"price": "-2"}, "negative_price"),
        ({"currency": "XXX"}, "unknown_currency"),
        ({"currency": "usd"}, None),
        ({"currency": ""}, None),
        ({"at": "2020-01-01 00:00:01"}, "in_future"),
        ({"at": "2020-01-01 00:00:00"}, None),
        ({"at": "1994-12-31"}, "before_earliest"),
        # The first rule wins, in the order of RULES.
        ({"at": "noon", "item": "", "kind": "?", "quantity": "0", "price": "-1"}, "unreadable_time"),
        ({"item": "POST", "quantity": "0", "price": "-1"}, "service_code"),
        ({"item": "first"}, "duplicate"),
    ],
)
def test_each_rule(judged, row, rule):
    assert judged(row) == rule


def test_every_rule_is_documented_in_one_line():
    for name, meaning in RULES.items():
        assert name.isidentifier()
        assert 10 < len(meaning) < 110
        assert "\n" not in meaning


def test_a_rule_of_the_sources_own(judged):
    assert judged({"item": "gift", "price": "7"}, reject={"vouchers": "item = 'gift' AND price > 5"}) == "vouchers"


def test_own_and_general_service_codes_add_up(judged):
    own = {"service_code": "item ~ '^(?i:M|D)$'"}
    assert judged({"item": "m"}, reject=own) == "service_code"


def test_and_the_general_ones_still_count(judged):
    assert judged({"item": "POST"}, reject={"service_code": "item ~ '^(?i:M|D)$'"}) == "service_code"


def test_figures_of_the_rules_are_settings(judged):
    assert (
        judged({"quantity": "6", "item": "S-1"}, cleaning=Cleaning(max_quantity=5, service_codes=()))
        == "absurd_quantity"
    )


def test_codes_of_another_shop(judged):
    assert judged({"item": "S-1"}, cleaning=Cleaning(service_codes=(r"s-\d+",))) == "service_code"


def test_impossible_settings_are_refused():
    with pytest.raises(SettingsError, match="no regular expression"):
        Cleaning(service_codes=("(",))
    with pytest.raises(SettingsError, match="max_quantity is 0"):
        Cleaning(max_quantity=0)
    with pytest.raises(SettingsError, match="time zone"):
        Cleaning(earliest=datetime(2000, 1, 1))


def test_currencies_are_converted_once(tmp_path, log, read):
    rows = {
        "price": [10.0, 10.0, 10.0, 10.0],
        "money": ["EUR", "usd", None, "GBP"],
        "list_price": [20.0] * 4,
        "item_id": list("abcd"),
    }
    columns = {c: c for c in ("item_id", "event", "at", "price", "list_price")} | {"currency": "money"}
    read(log(rows, columns=columns, currency="eur", rates={"USD": 0.9}))
    events = open_store(tmp_path / "store").events.sort("item_id").collect()
    assert events["price"].to_list() == [10.0, 9.0, 10.0]
    assert events["currency"].unique().to_list() == ["EUR"]
    assert open_store(tmp_path / "store").history["price"].to_list() == [20.0, 18.0, 20.0]
    assert quality(tmp_path / "store").rules["rule"].to_list() == ["unknown_currency"]


def test_rejected_rows_keep_what_was_read_but_no_customer(tmp_path, read):
    (tmp_path / "log.csv").write_text(
        "who,mail,item,kind,at,price\nann@home,a@b.c,x,purchase,2019-05-01,free\nann@home,a@b.c,x,purchase,2019-05-01,1\n"
    )
    columns = {"customer_id": "who", "item_id": "item", "event": "kind", "at": "at", "price": "price"}
    read(Source(format="csv", path=tmp_path / "log.csv", columns=columns))
    row = rejected_rows(tmp_path / "store").collect().row(0, named=True)
    content = json.loads(row["content"])
    assert (row["source"], row["row"], row["rule"]) == ("log.csv", 0, "unreadable_price")
    assert content["price"] == "free"
    assert content["customer_id"] == open_store(tmp_path / "store").events.collect()["customer_id"][0]
    for path in (tmp_path / "store").rglob("*"):
        if path.is_file():
            assert b"ann@home" not in path.read_bytes()
            assert b"a@b.c" not in path.read_bytes()


def test_a_log_without_prices_has_purchases_without_prices(tmp_path, log, read):
    read(log({"event": ["pv", "buy"]}))
    events = open_store(tmp_path / "store").events.collect()
    assert sorted(events["event"].to_list()) == ["purchase", "view"]
    assert events["price"].null_count() == 2
    assert events["quantity"].to_list() == [1, 1]
    assert events["at"].dtype.time_zone == "UTC"


def test_skewed_clocks_are_judged_in_the_shops_zone(tmp_path, log, read):
    times = [datetime(2020, 1, 1, 8, 0), datetime(2020, 1, 1, 9, 30)]
    read(log({"at": times}, timezone="Asia/Tokyo"))
    assert open_store(tmp_path / "store").events.collect()["at"].to_list() == [datetime(2019, 12, 31, 23, tzinfo=UTC)]
