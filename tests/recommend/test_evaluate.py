from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from tests.recommend.log import START, log

from flashlift.errors import InsufficientDataError
from flashlift.recommend import evaluate
from flashlift.recommend.evaluate import ranking_metrics


class Fixed:
    """Scores by the number in the item's name, whatever the customer."""

    def __init__(self, sign=1.0):
        self.sign, self.latest = sign, None

    def score(self, events, customers, at, item_ids):
        self.latest = events["at"].max()
        row = [self.sign * float(item[1:]) for item in item_ids]
        return np.tile(row, (len(customers), 1))


def slow_metrics(scores, targets, k):
    """One customer, sorted in plain Python."""
    ranked = sorted(range(len(scores)), key=lambda i: (-scores[i], i))
    places = [ranked.index(target) for target in targets]
    gain = sum(1 / np.log2(place + 2) for place in places if place < k)
    ideal = sum(1 / np.log2(place + 2) for place in range(min(k, len(targets))))
    return sum(place < k for place in places) / len(targets), gain / ideal, 1 / (min(places) + 1)


def test_metrics_equal_the_plain_ones_with_many_ties():
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 4, (30, 12)).astype(float)
    targets = [sorted(rng.choice(12, rng.integers(1, 8), replace=False)) for _ in range(30)]
    owner = np.repeat(np.arange(30), [len(t) for t in targets])
    fast = ranking_metrics(scores, owner, np.concatenate(targets), k=(3, 5))
    for row in range(30):
        for k in (3, 5):
            recall, ndcg, mrr = slow_metrics(list(scores[row]), targets[row], k)
            assert fast[f"recall@{k}"][row] == pytest.approx(recall)
            assert fast[f"ndcg@{k}"][row] == pytest.approx(ndcg)
        assert fast["mrr"][row] == pytest.approx(mrr)


EVENTS = log(
    [
        (0, "a", "i1", "purchase"),
        (1, "b", "i2", "purchase"),
        (2, "c", "i3", "view"),
        (10, "a", "i3", "purchase"),
        (11, "a", "i1", "view"),
        (11, "b", "i9", "purchase"),
        (12, "d", "i2", "purchase"),
    ]
)


def judged(**more):
    return evaluate(
        {"up": Fixed(), "down": Fixed(-1.0)},
        EVENTS,
        start=START + timedelta(hours=10),
        end=START + timedelta(hours=20),
        k=(1, 2),
        rng=np.random.default_rng(0),
        **more,
    )


def test_targets_are_purchases_of_known_items_by_known_and_new_customers():
    table = judged()
    value = {(r["model"], r["metric"]): r["value"] for r in table.iter_rows(named=True)}
    assert table["n"].unique().to_list() == [2]  # a and d; b buys only what nobody knew
    assert value["up", "recall@1"] == 0.5  # i3 for a is first, i2 for d is second
    assert value["up", "mrr"] == 0.75
    assert value["down", "recall@2"] == 0.5


def test_intervals_hold_the_value_and_repeat():
    table = judged()
    assert (
        table.select((pl.col("ci_lower") <= pl.col("value")) & (pl.col("value") <= pl.col("ci_upper")))
        .to_series()
        .all()
    )
    assert table.equals(judged())
    assert judged(n_bootstrap=0)["ci_lower"].null_count() == table.height


def test_models_see_nothing_of_the_window():
    model = Fixed()
    evaluate({"m": model}, EVENTS, start=START + timedelta(hours=10), end=START + timedelta(hours=20),
             rng=np.random.default_rng(0))  # fmt: skip
    assert model.latest == START + timedelta(hours=2)


def test_without_purchases_in_the_window_interactions_are_the_targets():
    views = EVENTS.with_columns(event=pl.lit("view").cast(EVENTS.schema["event"]))
    table = evaluate({"m": Fixed()}, views, start=START + timedelta(hours=10), end=START + timedelta(hours=20),
                     k=(1,), rng=np.random.default_rng(0))  # fmt: skip
    assert table["n"][0] == 2
    assert table.filter(pl.col("metric") == "recall@1")["value"][0] == 0.25  # a wants i1 and i3, d wants i2


def test_an_empty_window_is_refused():
    with pytest.raises(InsufficientDataError, match="Nobody buys"):
        evaluate({"m": Fixed()}, EVENTS, start=START + timedelta(hours=30), end=START + timedelta(hours=40),
                 rng=np.random.default_rng(0))  # fmt: skip
