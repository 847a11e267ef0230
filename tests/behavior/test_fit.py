import logging
import subprocess
import sys
from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import torch
from tests.behavior.log import SPLIT, TINY, hours, log, shop, tables

from flashlift.behavior import BehaviorModel, fit
from flashlift.errors import ArtifactError, InputError, InsufficientDataError
from flashlift.recommend import Popularity, evaluate

AT = SPLIT.valid_end
ITEMS = [f"i{k}" for k in range(12)]
PEOPLE = ["c0", "c1", "c2", "c3", "nobody"]
HORIZONS = (1.0, 5.0, 24.0, 100.0, 500.0, 720.0)


def answers(model, events, at=AT):
    return (
        model.encode(events, PEOPLE, at),
        model.purchase_probability(events, PEOPLE, at, HORIZONS),
        model.score(events, PEOPLE, at, [*ITEMS, "unheard of"]),
    )


def test_importing_the_room_does_not_import_torch():
    code = "import sys, flashlift.behavior, flashlift.recommend; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout.strip() == b"False"


def test_shapes_ranges_and_unknown_customers_and_items(model, events):
    state, probability, score = answers(model, events)
    assert state.shape == (5, TINY.width)
    assert all(np.isfinite(part).all() for part in (state, probability, score))
    assert ((probability > 0) & (probability < 1)).all()
    assert (np.diff(probability, axis=1) >= 0).all()
    assert score.shape == (5, 13)


def test_a_customer_without_events_gets_the_base_rate(model, events):
    new = model.purchase_probability(events, ["nobody"], AT, HORIZONS)
    assert (new == model.purchase_probability(events.clear(), ["c0"], AT, HORIZONS)).all()
    all_ids = events["customer_id"].unique().to_list()
    everybody = model.purchase_probability(events, all_ids, AT, [24.0]).mean()
    assert new[0, 2] == pytest.approx(everybody, abs=0.1)  # base rate of 30 days of 120 customers


def test_events_at_or_after_the_moment_change_no_bit(model, events):
    before = answers(model, events)
    future = shop(np.random.default_rng(77)).filter(pl.col("at") >= AT)
    past = events.filter(pl.col("at") < AT)
    for other in (past, pl.concat([past, future])):
        for one, two in zip(before, answers(model, other), strict=True):
            assert (one == two).all()


def test_training_reads_nothing_at_or_after_valid_end(model, events):
    past = events.filter(pl.col("at") < SPLIT.valid_end)
    future = shop(np.random.default_rng(77)).filter(pl.col("at") >= SPLIT.valid_end)
    again = fit(tables(pl.concat([past, future])), split=SPLIT, config=TINY, seed=0)
    for one, two in zip(answers(model, past), answers(again, past), strict=True):
        assert (one == two).all()


def test_the_seed_decides_the_weights_and_leaves_no_trace(model, events):
    torch.manual_seed(123)
    expected = torch.rand(3)
    torch.manual_seed(123)
    again = fit(tables(events), split=SPLIT, config=TINY, seed=0)
    assert torch.equal(torch.rand(3), expected)
    weights, repeated = model.network.state_dict(), again.network.state_dict()
    assert all(torch.equal(weights[name], repeated[name]) for name in weights)
    np.testing.assert_array_equal(model.intent.calibration.beta, again.intent.calibration.beta)
    other = fit(tables(events), split=SPLIT, config=replace(TINY, max_steps=2), seed=1)
    assert not torch.equal(other.network.item.delta.weight, again.network.item.delta.weight)


def test_save_and_load_is_identity(model, events, tmp_path):
    model.save(tmp_path / "model", inputs="digest")
    loaded = BehaviorModel.load(tmp_path / "model")
    assert loaded.config == model.config and loaded.facts == model.facts
    for one, two in zip(answers(model, events), answers(loaded, events), strict=True):
        assert (one == two).all()


def test_a_missing_model_is_named(tmp_path):
    with pytest.raises(ArtifactError, match="no behavior"):
        BehaviorModel.load(tmp_path / "model")


def test_asked_in_another_order_and_twice_the_answers_are_the_same(model, events):
    people = ["c3", "c0", "c3"]
    score = model.score(events, people, AT, ITEMS)
    assert (score[0] == score[2]).all()
    np.testing.assert_allclose(score[1], model.score(events, ["c0"], AT, ITEMS)[0], rtol=1e-5)


def test_events_of_one_instant_keep_the_order_of_the_log(model):
    basket = {"customer_id": ["c"] * 4, "item_id": ["i1", "i2", "i3", "i4"], "hours": [5.0, 5.0, 5.0, 6.0]}
    events = log(basket)
    apart = events[[3, 0, 1, 2]]  # other instants may come in any order
    one, two = (model.score(frame, ["c"], AT, ITEMS) for frame in (events, apart))
    assert (one == two).all()


def test_one_event_and_a_hundred_thousand(model):
    one = log({"customer_id": ["c"], "item_id": ["i1"], "hours": [5.0]})
    n = 100_000
    many = log({"customer_id": ["c"] * n, "item_id": [f"i{k % 12}" for k in range(n)],
                "hours": np.linspace(0, 2000, n).tolist()})  # fmt: skip
    for events in (one, many):
        assert np.isfinite(model.score(events, ["c"], AT, ITEMS)).all()
        assert np.isfinite(model.purchase_probability(events, ["c"], AT, HORIZONS)).all()


def test_horizons_outside_the_range_are_refused(model, events):
    for horizon in (0.0, 721.0):
        with pytest.raises(InputError, match="horizon"):
            model.purchase_probability(events, ["c0"], AT, [horizon])


@pytest.fixture(scope="module")
def trained():
    """A longer training, on a shop with a plain pattern: after item k comes item k + 1."""
    events = shop(np.random.default_rng(8), n_customers=400)
    return events, fit(tables(events), split=SPLIT, config=replace(TINY, max_steps=150, eval_every=50), seed=3)


def test_it_learns_what_follows_what(trained):
    events, model = trained
    table = evaluate(
        {"model": model, "popularity": Popularity.fit(events)},
        events, start=AT, end=AT + timedelta(days=2), k=(3,), rng=np.random.default_rng(0),
    )  # fmt: skip
    recall = dict(table.filter(pl.col("metric") == "recall@3").select("model", "value").rows())
    assert recall["model"] > 0.6  # nine in ten purchases follow the pattern
    assert recall["popularity"] < 0.4  # 12 items: by chance 0.25


def test_probabilities_are_true_in_a_shop_with_known_rates(trained):
    events, model = trained
    for customers, pace in ((range(1, 400, 2), 24.0), (range(0, 400, 2), 240.0)):
        ids = [f"c{k}" for k in customers]
        probability = model.purchase_probability(events, ids, AT, (24.0, 100.0)).mean(axis=0)
        # Purchases come by a Poisson process, so the truth is known. The tolerance is three standard errors of the
        # calibration window: 0.5 / sqrt(400 customers) = 0.025 each.
        np.testing.assert_allclose(probability, 1 - np.exp(-np.array([24.0, 100.0]) / pace), atol=0.075)


def test_without_purchases_it_ranks_and_says_why_it_has_no_intent(events):
    views = events.with_columns(event=pl.lit("view").cast(events.schema["event"]))
    model = fit(tables(views), split=SPLIT, config=replace(TINY, max_steps=5), seed=0)
    assert np.isfinite(model.score(views, PEOPLE, AT, ITEMS)).all()
    with pytest.raises(InsufficientDataError, match="no purchase intent"):
        model.purchase_probability(views, PEOPLE, AT, [24.0])


def test_prices_and_anonymous_rows_are_welcome(events):
    half = events.with_columns(
        price=pl.when(pl.int_range(pl.len()) % 2 == 0).then(9.5),
        customer_id=pl.when(pl.int_range(pl.len()) % 3 > 0).then("customer_id"),
    )
    model = fit(tables(half), split=SPLIT, config=replace(TINY, max_steps=5), seed=0)
    assert model.facts["events"] == half.filter(pl.col("at") < SPLIT.valid_end)["customer_id"].count()


def test_large_logs_are_sampled_by_customer(events, caplog):
    with caplog.at_level(logging.INFO):
        model = fit(tables(events), split=SPLIT, config=replace(TINY, max_steps=2, max_events=500), seed=0)
    assert 0 < model.facts["events"] <= 500
    assert "sample of" in caplog.text


def test_nothing_to_learn_from_is_refused():
    single = log({"customer_id": ["a", "b"], "item_id": ["x", "y"], "hours": [1.0, 1500.0]})
    with pytest.raises(InsufficientDataError, match="no sequence"):
        fit(tables(single), split=SPLIT, config=TINY, seed=0)


def test_nothing_to_validate_on_is_refused(events):
    with pytest.raises(InsufficientDataError, match="when to stop"):
        fit(tables(events.filter(pl.col("at") < hours(1400))), split=SPLIT, config=TINY, seed=0)


def test_running_out_of_time_is_logged(events, caplog):
    fit(tables(events), split=SPLIT, config=replace(TINY, max_minutes=0.0), seed=0)
    assert "ran out" in caplog.text
