"""`BehaviorModel.predict` says in one table what the single questions say, and `card` says what the model is."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.behavior.log import SPLIT, TINY
from tests.behavior.log import tables as without_items

from flashlift.behavior import BehaviorModel, fit
from flashlift.behavior.prediction import best_items, median_hours
from flashlift.errors import InputError
from flashlift.schema import Items, Tables

AT = SPLIT.valid_end
PEOPLE = ["c3", "c0", "nobody", "c3"]
HORIZONS = (24.0, 72.0, 500.0)


@pytest.fixture(scope="module")
def priced(events):
    return events.with_columns(price=1.0 + pl.col("item_id").str.slice(1).cast(pl.Float64))


@pytest.fixture(scope="module")
def rich_model(priced):
    """Items with categories, prices and text vectors."""
    ids = [f"i{k}" for k in range(12)]
    blank = Items.create_empty()
    items = pl.DataFrame({"item_id": ids, "category": ["a/x" if k < 6 else "b" for k in range(12)]})
    items = Items.validate(pl.concat([blank, items], how="diagonal"), cast=True)
    vectors = np.random.default_rng(0).normal(size=(12, 20)).astype(np.float32)
    return fit(Tables(events=priced.lazy(), items=items), split=SPLIT, config=TINY, texts=(ids, vectors), seed=0)


def test_it_says_what_the_single_questions_say(rich_model, priced):
    table = rich_model.predict(priced, PEOPLE, AT, HORIZONS, top=4)
    assert table["customer_id"].to_list() == PEOPLE
    p = table.select("p_24h", "p_72h", "p_500h").to_numpy()
    np.testing.assert_allclose(p, rich_model.purchase_probability(priced, PEOPLE, AT, HORIZONS), atol=1e-6)
    names, share = rich_model.category_probability(priced, PEOPLE, AT)
    assert table["next_category"].to_list() == [names[k] for k in share.argmax(axis=1)]
    np.testing.assert_allclose(table["next_category_probability"], share.max(axis=1), rtol=1e-4)
    np.testing.assert_allclose(table["order_value"], rich_model.order_value(priced, PEOPLE, AT), rtol=1e-4)
    ids = [f"i{k}" for k in range(12)]
    score = rich_model.score(priced, PEOPLE, AT, ids)
    assert table["top_items"].to_list() == [[ids[k] for k in np.argsort(-row)[:4]] for row in score]


def test_the_median_is_where_the_curve_reaches_one_half(model, events):
    people = events["customer_id"].unique().sort().to_list()
    table = model.predict(events, people, AT, [24.0], top=0)
    hours = table["median_hours"]
    soon = table.filter(hours.is_not_null())
    half = model.purchase_probability(
        events, soon["customer_id"].to_list(), AT, soon["median_hours"].unique().to_list()
    )
    place = {h: k for k, h in enumerate(soon["median_hours"].unique().to_list())}
    mine = [half[row, place[h]] for row, h in enumerate(soon["median_hours"])]
    np.testing.assert_allclose(mine, 0.5, atol=1e-6)
    late = table.filter(hours.is_null())["customer_id"].to_list()
    assert not late or (model.purchase_probability(events, late, AT, [720.0]) < 0.5).all()


@given(st.floats(1e-4, 0.5), st.floats(1.0, 30.0))
def test_the_median_of_a_constant_hazard_is_known(rate, first):
    edges = first * np.arange(1.0, 13.0)
    curve = -np.expm1(-rate * edges)[None]
    expected = np.log(2) / rate
    found = median_hours(edges, curve)[0]
    assert np.isnan(found) if curve[0, -1] < 0.5 else found == pytest.approx(expected, rel=1e-6)


@given(hnp.arrays(np.float64, (5, 9), elements=st.floats(-9, 9), unique=True), st.integers(0, 12), st.integers(1, 50))
def test_the_best_items_do_not_depend_on_the_memory(scores, top, cells):
    ids = np.array([f"i{k}" for k in range(9)], dtype=object)
    found = best_items(lambda part: scores[part], 5, ids, top, cells=cells)
    assert found == [[ids[k] for k in np.argsort(-row)[:top]] for row in scores]


def test_what_the_log_cannot_teach_is_null(events):
    views = events.with_columns(event=pl.lit("view").cast(events.schema["event"]))
    model = fit(without_items(views), split=SPLIT, config=replace(TINY, max_steps=5), seed=0)
    table = model.predict(views, ["c0", "c1"], AT, [24.0], top=2)
    for name in ("p_24h", "median_hours", "next_category", "next_category_probability", "order_value"):
        assert table[name].null_count() == 2, name
    assert table["top_items"].list.len().to_list() == [2, 2]
    said = str(model.card)
    assert "Purchases, their time, category and value: the log holds too few" in said
    assert "calibrated" not in said.lower()


def test_only_items_asked_about_are_listed_unknown_ones_too(model, events):
    table = model.predict(events, ["c0"], AT, [24.0], items=["i3", "unheard of", "i1", "i3"])
    assert sorted(table["top_items"][0]) == ["i1", "i3", "unheard of"]


def test_the_future_changes_nothing(model, events):
    past = events.filter(pl.col("at") < AT)
    one, two = (model.predict(log_, PEOPLE, AT, HORIZONS) for log_ in (events, past))
    assert one.equals(two)


@pytest.mark.parametrize("horizon", [0.0, -1.0, 721.0, float("nan")])
def test_impossible_horizons(model, events, horizon):
    with pytest.raises(InputError, match="horizon"):
        model.predict(events, ["c0"], AT, [24.0, horizon])


def test_the_card_tells_what_it_is_made_of(rich_model, model, tmp_path):
    card = rich_model.card
    said = str(card)
    for words in ("2024-01-01", "120 customers", "12 items", "16 wide", "last 20 events", "30 days", "train again"):
        assert words in said, words
    assert "The category of the next order." in card.predicts
    assert "The value of the next order." in card.predicts
    assert "vectors of texts that were handed in" in said
    assert set(card.metrics) >= {"loss", "ndcg@10", "auc"}
    assert set(model.card.cannot) >= {
        "The category of the next order: no item has a category.",
        "The value of the next order: no order has a price.",
    }
    rich_model.save(tmp_path / "m")
    assert str(BehaviorModel.load(tmp_path / "m").card) == said


def test_segments_are_part_of_the_card(model):
    segments = pl.DataFrame({"kind": ["history"], "segment": ["1 to 4 events"], "n": [812], "ece": [0.00412]})
    said = str(replace(model.card, segments=segments))
    assert "| history | 1 to 4 events | 812 | 0.00412 |" in said
