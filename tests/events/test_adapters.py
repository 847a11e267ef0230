"""Adapters on tiny files in the shape of the public ones, and on the real ones where they are."""

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from flashlift.errors import InputError
from flashlift.events import ADAPTERS, Source, open_store, quality, sale_items
from flashlift.events.formats import expand


def public(name: str) -> Path:
    root = os.environ.get("FLASHLIFT_DATA")
    if not root or not (Path(root) / name).exists():
        pytest.skip(f"set FLASHLIFT_DATA to a folder that holds {name}")
    return Path(root) / name


RETAIL = {
    "InvoiceNo": ["536365", "536365", "C536379", "536400", "536401"],
    "StockCode": ["85123A", "71053", "85123A", "POST", "71053"],
    "Description": ["WHITE HANGING HEART", "WHITE LANTERN", "WHITE HANGING HEART", "POSTAGE", None],
    "Quantity": [6.0, 6.0, -2.0, 1.0, -3.0],
    "InvoiceDate": [datetime(2011, 6, 1, 9, 0)] * 2 + [datetime(2011, 6, 2, 9, 0)] * 3,
    "UnitPrice": [2.55, 3.39, 2.55, 18.0, 0.0],
    "CustomerID": [17850.0, 17850.0, 17850.0, 12583.0, None],
    "Country": ["United Kingdom"] * 5,
}


@pytest.mark.parametrize("edition", [1, 2])
@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_online_retail(tmp_path, read, edition, form):
    frame = pl.DataFrame(RETAIL)
    if edition == 2:
        frame = frame.rename({"InvoiceNo": "Invoice", "UnitPrice": "Price", "CustomerID": "Customer ID"})
    getattr(frame, f"write_{form}")(tmp_path / f"retail.{form}")
    read(Source(format="online_retail", path=tmp_path / f"retail.{form}"))
    tables = open_store(tmp_path / "store")
    events = tables.events.collect()
    assert events.select("event", "item_id", "quantity", "order_id", "currency").rows() == [
        *sorted(
            [("purchase", "71053", 6, "536365", "GBP"), ("purchase", "85123A", 6, "536365", "GBP")],
            key=lambda r: r[1] != events["item_id"][0],
        ),
        ("refund", "85123A", 2, "536365", "GBP"),
    ]
    assert events["at"][0] == datetime(2011, 6, 1, 8, 0, tzinfo=UTC)
    assert dict(quality(tmp_path / "store").rules.select("rule", "rows").iter_rows()) == {
        "adjustment": 1,
        "service_code": 1,
    }
    assert tables.items["category"].to_list() == ["other", "other"]
    assert tables.customers["region"].to_list() == ["United Kingdom"]


def test_an_adapters_mapping_can_be_overruled(tmp_path, read):
    pl.DataFrame(RETAIL).write_parquet(tmp_path / "retail.parquet")
    source = Source(
        format="online_retail",
        path=tmp_path / "retail.parquet",
        columns={"channel": "'web'"},
        currency="EUR",
        category_from_title=False,
        reject={"big": "Quantity > 5 AND StockCode = '71053'"},
    )
    read(source)
    events = open_store(tmp_path / "store").events.collect()
    assert events["channel"].unique().to_list() == ["web"]
    assert events["currency"].unique().to_list() == ["EUR"]
    assert open_store(tmp_path / "store").items["category"].to_list() == [None]
    assert {"big", "service_code"} <= set(quality(tmp_path / "store").rules["rule"])


def test_rees46(tmp_path, read):
    (tmp_path / "oct.csv").write_text(
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session\n"
        "2019-10-01 00:00:00 UTC,view,44600062,2103807459595387724,,shiseido,35.79,541312140,72d76fde\n"
        "2019-10-01 00:00:05 UTC,cart,1307067,205301355892,pc.notebook,lenovo,251.74,550050854,7c90fc70\n"
        "2019-10-01 00:00:09 UTC,purchase,1307067,205301355892,pc.notebook,lenovo,251.74,550050854,7c90fc70\n"
        "2019-10-01 00:01:09 UTC,remove_from_cart,1307067,205301355892,pc.notebook,lenovo,0.0,550050854,7c90fc70\n"
    )
    read(Source(format="rees46", path=tmp_path / "oct.csv"))
    tables = open_store(tmp_path / "store")
    events = tables.events.collect()
    assert events["event"].to_list() == ["view", "cart", "purchase"]
    assert events["session_id"].to_list() == ["72d76fde", "7c90fc70", "7c90fc70"]
    assert tables.items.select("item_id", "category", "brand").rows() == [
        ("1307067", "pc/notebook", "lenovo"),
        ("44600062", None, "shiseido"),
    ]


TAOBAO = [
    [1, 2268318, 2520377, "pv", 1511544070],
    [1, 2268318, 2520377, "fav", 1511544080],
    [1, 2268318, 2520377, "buy", 1511544090],
]


@pytest.mark.parametrize("header", [True, False])
def test_taobao(tmp_path, read, header):
    names = ["user_id", "item_id", "category_id", "behavior", "timestamp"]
    rows = [names] * header + TAOBAO
    (tmp_path / "UserBehavior.csv").write_text("\n".join(",".join(map(str, row)) for row in rows) + "\n")
    read(Source(format="taobao", path=tmp_path / "UserBehavior.csv"))
    tables = open_store(tmp_path / "store")
    events = tables.events.collect()
    assert events["event"].to_list() == ["view", "favorite", "purchase"]
    assert events["at"][0] == datetime(2017, 11, 24, 17, 21, 10, tzinfo=UTC)
    assert events["price"].null_count() == 3
    assert tables.items["category"].to_list() == ["2520377"]


def test_retailrocket(tmp_path, read):
    (tmp_path / "events.csv").write_text(
        "timestamp,visitorid,event,itemid,transactionid\n"
        "1433221332117,257597,view,355908,\n"
        "1433221999827,257597,addtocart,355908,\n"
        "1433222276276,257597,transaction,355908,4000\n"
    )
    read(Source(format="retailrocket", path=tmp_path / "events.csv"))
    events = open_store(tmp_path / "store").events.collect()
    assert events["event"].to_list() == ["view", "cart", "purchase"]
    assert events["order_id"].to_list() == [None, None, "4000"]
    assert events["at"][0] == datetime(2015, 6, 2, 5, 2, 12, 117_000, tzinfo=UTC)


def write_journey(folder: Path, form: str) -> None:
    transactions = pl.DataFrame(
        {
            "household_id": [900, 900, 906, 906],
            "store_id": [330, 330, 319, 319],
            "basket_id": [31198570044, 31198570044, 31198705046, 31198705047],
            "product_id": [1095275, 9878513, 6534178, 1095275],
            "quantity": [2, 1, 8000, 0],
            "sales_value": [1.0, 0.99, 20.0, 0.0],
            "retail_disc": [0.2, 0.1, 0.0, 0.0],
            "coupon_disc": [0.0, 0.0, 0.0, 0.0],
            "coupon_match_disc": [0.1, 0.0, 0.0, 0.0],
            "week": [1, 1, 1, 1],
            "transaction_timestamp": ["2017-01-01 11:53:26"] * 4,
        }
    )
    products = pl.DataFrame(
        {
            "product_id": [1095275, 9878513, 6534178],
            "manufacturer_id": [2, 2, 69],
            "department": ["PASTRY", "GROCERY", "FUEL"],
            "brand": ["Private", "National", "Private"],
            "product_category": ["BREAD/ROLLS", None, "COUPON/MISC ITEMS"],
            "product_type": ["ROLLS: BAGELS", "ICE", "GASOLINE"],
            "package_size": ["4 OZ", None, None],
        }
    )
    promotions = pl.DataFrame(
        {
            "product_id": [1095275] * 3 + [9878513] * 2,
            "store_id": [1, 2, 3, 1, 2],
            "display_location": ["9", "0", "0", "0", "0"],
            "mailer_location": ["0", "D", "D", "0", "A"],
            "week": [2, 2, 2, 2, 40],
        }
    )
    households = pl.DataFrame(
        {"household_id": [900], "age": ["35-44"], "income": ["25-34K"], "household_comp": [None]},
        schema_overrides={"household_comp": pl.String},
    )
    for name, frame in {
        "transactions": transactions,
        "products": products,
        "promotions": promotions,
        "demographics": households,
    }.items():
        getattr(frame, f"write_{form}")(folder / f"{name}.{form}")


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_complete_journey(tmp_path, read, form):
    write_journey(tmp_path, form)
    read(Source(format="complete_journey", path=tmp_path), store=tmp_path / "out" / "store")
    tables = open_store(tmp_path / "out" / "store")
    events = tables.events.sort("item_id").collect()
    assert events.select("item_id", "price", "quantity", "order_id", "store_id", "channel").rows() == [
        ("1095275", 0.5, 2, "31198570044", "330", "store"),
        ("9878513", 0.99, 1, "31198570044", "330", "store"),
    ]
    assert dict(quality(tmp_path / "out" / "store").rules.select("rule", "rows").iter_rows()) == {
        "fuel": 1,
        "impossible_quantity": 1,
    }
    items = {row["item_id"]: row for row in tables.items.iter_rows(named=True)}
    assert items["1095275"]["category"] == "pastry/bread-rolls"
    assert items["1095275"]["title"] == "ROLLS: BAGELS 4 OZ"
    assert dict(tables.history.select("item_id", "price").iter_rows())["1095275"] == pytest.approx(0.65)
    assert items["9878513"]["category"] == "grocery"
    assert tables.customers["segment"].to_list() == ["35-44, 25-34K"]
    # Weeks begin on Monday midnight in New York, in summer at 04:00 UTC. A row without display and mailer is none.
    assert tables.promotions.select("item_id", "start", "end", "position").rows() == [
        ("1095275", datetime(2017, 1, 2, 5, tzinfo=UTC), datetime(2017, 1, 9, 5, tzinfo=UTC), 1),
        ("9878513", datetime(2017, 9, 25, 4, tzinfo=UTC), datetime(2017, 10, 2, 4, tzinfo=UTC), 3),
    ]


def test_complete_journey_needs_a_folder_with_transactions(tmp_path):
    with pytest.raises(InputError, match="read from a folder"):
        expand(Source(format="complete_journey", path=tmp_path / "x.parquet"))
    with pytest.raises(InputError, match="no transactions file"):
        expand(Source(format="complete_journey", path=tmp_path))


def test_an_unknown_format_is_named():
    assert set(ADAPTERS) == {"complete_journey", "online_retail", "rees46", "retailrocket", "taobao"}


TA_FENG = {
    "customer_id": "CUSTOMER_ID",
    "item_id": "PRODUCT_ID",
    "event": "'purchase'",
    "at": "TRANSACTION_DT",
    "price": "SALES_PRICE / AMOUNT",
    "quantity": "AMOUNT",
    "category": "PRODUCT_SUBCLASS",
    "unit_cost": "ASSET / AMOUNT",
    "region": "PIN_CODE",
    "segment": "AGE_GROUP",
}


def test_ta_feng_needs_a_mapping_only(tmp_path, read):
    (tmp_path / "ta_feng.csv").write_text(
        "TRANSACTION_DT,CUSTOMER_ID,AGE_GROUP,PIN_CODE,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,ASSET,SALES_PRICE\n"
        "11/1/2000,01104905,45-49,115,110411,4710199010372,2,24,30\n"
        "11/2/2000,01104905,45-49,115,110411,4710199010372,1,14,16\n"
        "11/3/2000,00418683,45-49,115,120107,4710857472535,1,48,46\n"
    )
    read(Source(format="csv", path=tmp_path / "ta_feng.csv", columns=TA_FENG, time_format="%m/%d/%Y", currency="TWD"))
    tables = open_store(tmp_path / "store")
    items = sale_items(tables, at=datetime(2000, 11, 4, tzinfo=UTC))
    assert items.select("item_id", "category", "list_price", "unit_cost", "cost_assumed").rows() == [
        ("4710199010372", "110411", 16.0, 13.0, False),
        ("4710857472535", "120107", 46.0, 48.0, False),
    ]
    assert tables.customers.height == 2


def test_rees46_as_published(tmp_path, read):
    read(Source(format="rees46", path=public("rees46")))
    found = quality(tmp_path / "store")
    assert found.rows_read == 17_435
    assert dict(found.kinds.select("event", "rows").iter_rows()) == {"view": 17_033, "purchase": 214, "cart": 164}
    assert dict(found.rules.select("rule", "rows").iter_rows()) == {"zero_price": 19, "duplicate": 5}


def test_taobao_as_published(tmp_path, read):
    read(Source(format="taobao", path=public("taobao_userbehavior") / "head.parquet"))
    found = quality(tmp_path / "store")
    shares = dict(found.kinds.select("event", "share").iter_rows())
    # Published shares of pv, fav, cart and buy; the file is complete for its customers.
    for kind, share in {"view": 0.898, "favorite": 0.028, "cart": 0.053, "purchase": 0.021}.items():
        assert shares[kind] == pytest.approx(share, abs=0.0006)
    assert found.rows_rejected == 0


def test_ta_feng_as_published(tmp_path, read):
    path = public("ta_feng") / "ta_feng.parquet"
    read(Source(format="parquet", path=path, columns=TA_FENG, currency="TWD"))
    assert quality(tmp_path / "store").kinds["rows"].to_list() == [618_702]
    items = sale_items(open_store(tmp_path / "store"), at=datetime(2001, 1, 15, tzinfo=UTC))
    assert not items["cost_assumed"].any()
    assert 0.6 < (items["unit_cost"] / items["list_price"]).median() < 0.95


def test_complete_journey_as_published(tmp_path, read):
    folder = tmp_path / "journey"
    folder.mkdir()
    for name in ("transactions", "products", "demographics"):  # the promotions alone are 16 million rows
        (folder / f"{name}.parquet").symlink_to(public("complete_journey") / f"{name}.parquet")
    read(Source(format="complete_journey", path=folder))
    found = quality(tmp_path / "store")
    assert found.sources["rows"].to_list() == [878_024, 92_331, 801]
    assert dict(found.rules.select("rule", "rows").iter_rows()) == {
        "fuel": 10_079,
        "impossible_quantity": 5_183,
        "zero_price": 1_518,
    }
    assert open_store(tmp_path / "store").events.select(pl.col("quantity").max()).collect().item() == 144
