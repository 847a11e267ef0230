import polars as pl
import pytest

from flashlift.errors import InputError
from flashlift.events import Source
from flashlift.events.mapping import column_map, nearest
from flashlift.privacy import Key, pseudonymize

KEY = Key(bytes(range(32)))
SCHEMA = pl.Schema(
    {"user id": pl.Int64, "sku": pl.String, "when": pl.String, "total": pl.Float64, "n": pl.Int64, "event": pl.String}
)
BASE = {"item_id": "sku", "at": "when", "event": "event"}


def mapped(columns, **fields):
    return column_map(Source(format="csv", columns=columns, **fields), SCHEMA, SCHEMA, place="log.csv")


@pytest.mark.parametrize(
    ("columns", "table"),
    [
        (BASE, "events"),
        ({"item_id": "sku", "at": "when", "stock": "n"}, "history"),
        ({"item_id": "sku", "at": "when", "price": "total"}, "history"),
        ({"item_id": "sku", "title": "event"}, "items"),
        ({"customer_id": '"user id"', "segment": "event"}, "customers"),
        ({"item_id": "sku", "start": "when", "end": "when"}, "promotions"),
        ({"customer_id": '"user id"', "friend_id": "n"}, "ties"),
        ({"store_id": "n", "lat": "total"}, "stores"),
        (
            {"customer_id": '"user id"', "item_id": "sku", "at": "when", "exposure_id": "n", "slot": "event"},
            "exposures",
        ),
        ({"item_id": "sku", "at": "when", "seller": "event", "price": "total"}, "competitors"),
        (BASE | {"customer_id": '"user id"', "exposure_id": "n", "store_id": "n"}, "events"),
        (BASE | {"price": "total", "seller": "event"}, "events"),
    ],
)
def test_the_columns_decide_on_the_table(columns, table):
    assert mapped(columns).table == table


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            BASE | {"price": "totl"},
            "log.csv has no column 'totl'; it has user id, sku, when, total, n, event. Did you mean 'total'?",
        ),
        (BASE | {"price": "TOTAL"}, "has no column 'TOTAL'.*Did you mean 'total'"),
        (BASE | {"price": "total / m"}, "has no column 'm'"),
        (BASE | {"pryce": "total"}, "'pryce', which is no column of ours. Did you mean 'price'?"),
        (BASE | {"price": "total /"}, "neither a column nor an SQL expression: 'total /'"),
        (BASE | {"price": "total; DROP TABLE x"}, "neither a column nor an SQL expression"),
        ({"item_id": "sku", "at": "when", "quantity": "n"}, "lacks event for the table events.*'purchase'"),
        ({"item_id": "sku", "at": "when"}, "lacks event for the table events"),
        ({"event": "event"}, "lacks at, item_id"),
        ({"start": "when", "item_id": "sku"}, "lacks end for the table promotions"),
        ({"friend_id": "n"}, "lacks customer_id for the table ties"),
        ({"exposure_id": "n", "propensity": "total"}, "lacks at, customer_id, item_id for the table exposures"),
        ({"item_id": "sku", "seller": "event", "price": "total"}, "lacks at for the table competitors"),
        ({"customer_id": '"user id"', "friend_id": "n", "lat": "n"}, "computes lat from a customer's identifier"),
        (
            BASE | {"customer_id": '"user id"', "region": 'CAST("user id" AS VARCHAR)'},
            "computes region from a customer's identifier",
        ),
    ],
)
def test_mistakes_are_named_with_their_fix(columns, message):
    with pytest.raises(InputError, match=message):
        mapped(columns)


def test_a_rule_over_a_missing_column_is_named():
    with pytest.raises(InputError, match=r"no column 'sky'.*Did you mean 'sku'"):
        mapped(BASE, reject={"clouds": "sky = 'x'"})


def test_no_mapping_takes_columns_of_our_names():
    found = column_map(
        Source(format="csv"),
        pl.Schema({"item_id": pl.String, "at": pl.String, "event": pl.String, "mail": pl.String}),
        SCHEMA,
        place="x",
    )
    assert found.ours == ("item_id", "event", "at")
    assert found.needed == ("at", "event", "item_id")


def test_a_log_keeps_no_columns_of_other_tables_that_happen_to_have_our_names():
    schema = pl.Schema(dict.fromkeys(("item_id", "at", "event", "slot", "variant", "friend_id", "lat"), pl.String))
    found = column_map(Source(format="csv"), schema, schema, place="x")
    assert (found.table, set(found.ours)) == ("events", {"item_id", "at", "event"})


def test_both_customers_of_a_tie_are_hidden():
    found = mapped({"customer_id": '"user id"', "friend_id": "n"})
    batch = pl.DataFrame({"user id": [7], "n": [5]})
    raw, _ = found.apply(batch, KEY)
    expected = pseudonymize(pl.Series([7, 5]), KEY).to_list()
    assert [raw["customer_id"].item(), raw["friend_id"].item()] == expected


def test_whatever_is_made_of_a_customer_is_hidden():
    columns = BASE | {"customer_id": "user id", "order_id": 'CAST("user id" AS VARCHAR) || sku', "account_id": "n"}
    found = mapped(columns)
    assert set(found.personal) == {"customer_id", "order_id", "account_id"}
    batch = pl.DataFrame(
        {"user id": [7], "sku": ["a"], "when": ["2019-01-01"], "total": [1.0], "n": [5], "event": ["buy"]}
    )
    raw, _ = found.apply(batch, KEY)
    for name, value in {"customer_id": 7, "order_id": "7a", "account_id": 5}.items():
        assert raw[name].to_list() == pseudonymize(pl.Series([value]), KEY).to_list()


def test_text_columns_are_numbers_inside_expressions_only():
    text = pl.Schema({"sku": pl.String, "when": pl.String, "event": pl.String, "n": pl.String, "total": pl.String})
    sampled = pl.Schema({**text, "n": pl.Int64, "total": pl.Float64})
    source = Source(format="csv", columns=BASE | {"price": "total / n", "quantity": "n"})
    found = column_map(source, text, sampled, place="x")
    batch = pl.DataFrame(
        {"sku": ["a", "b"], "when": ["", ""], "event": ["", ""], "n": ["2", "two"], "total": ["5", "5"]}
    )
    raw, _ = found.apply(batch, KEY)
    assert raw["price"].to_list() == [2.5, None]
    assert raw["quantity"].to_list() == ["2", "two"]


def test_an_expression_of_the_wrong_type_is_named():
    found = mapped(BASE | {"price": "sku / n"})
    with pytest.raises(InputError, match=r"cannot be evaluated.*TRY_CAST"):
        found.apply(
            pl.DataFrame({"user id": [1], "sku": ["a"], "when": ["x"], "total": [1.0], "n": [1], "event": ["y"]}), KEY
        )


def test_nearest_is_silent_where_nothing_is_near():
    assert nearest("zzzzzz", ["price", "quantity"]) == ""
