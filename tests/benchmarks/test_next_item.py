"""The next-item benchmark: its splits, its judge and its simple rankings, each beside a plain twin."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest
from benchmarks.next_item import log
from benchmarks.next_item.baselines import item_neighbors, most_popular, next_of_last
from benchmarks.next_item.cold import by_chance, cold_start, nearest_texts
from benchmarks.next_item.judge import judge, summary
from benchmarks.next_item.results import Results
from benchmarks.next_item.sequences import Sequences, leave_one_out, read
from hypothesis import given
from hypothesis import strategies as st

from flashlift.errors import InputError
from flashlift.schema import Events, Items

N_ITEMS = 12
USERS = st.lists(
    st.lists(st.integers(0, N_ITEMS - 1), min_size=3, max_size=N_ITEMS, unique=True), min_size=1, max_size=8
)


def made(users, titles=None):
    length = [len(user) for user in users]
    offsets = np.concatenate([[0], np.cumsum(length)]).astype(np.int64)
    return Sequences(name="made", offsets=offsets, items=np.concatenate(users), n_items=N_ITEMS, titles=titles)


def lists(sequences):
    return [part.tolist() for part in np.split(sequences.items, sequences.offsets[1:-1])]


@given(USERS)
def test_the_last_item_is_held_out_and_the_one_before_it_is_never_learned_from(users):
    for part, held in (("test", 1), ("valid", 2)):
        split = leave_one_out(made(users), part)
        assert lists(split.train) == [user[:-2] for user in users]
        assert lists(split.known) == [user[:-held] for user in users]
        assert split.target.tolist() == [user[-held] for user in users]


@given(USERS)
def test_splits_of_the_log_by_time_are_the_leave_one_out_splits(users):
    sequences = made(users)
    events = log.tables(sequences).events.collect()
    Events.validate(events)
    for split in (leave_one_out(sequences, "test"), leave_one_out(sequences, "valid")):
        for part, end in ((split.known, log.moment(split)), (split.train, log.SPLIT.train_end)):
            before = events.filter(Events.at.col < end).sort("customer_id", "at")
            assert before["item_id"].to_list() == [log.item_ids(sequences)[item] for item in part.items]
            assert before["customer_id"].to_list() == [log.customer_ids(sequences)[user] for user in part.user]


def test_items_keep_their_titles():
    shop = log.tables(made([[0, 1, 2]], titles=[f"title {item}" for item in range(N_ITEMS)]))
    Items.validate(shop.items)
    assert shop.items["title"].to_list() == [f"title {item}" for item in range(N_ITEMS)]


@given(USERS, st.integers(0, 3))
def test_judge_is_the_place_among_items_not_had_before(users, seed):
    split = leave_one_out(made(users), "test")
    scores = np.random.default_rng(seed).integers(0, 4, (len(users), N_ITEMS)).astype(float)  # with ties
    found = judge(split, lambda rows: scores[rows])
    for row, user in enumerate(users):
        rest = sorted(set(range(N_ITEMS)) - set(user[:-1]), key=lambda item: (-scores[row, item], item))
        place = rest.index(user[-1])
        assert found["mrr"][row] == pytest.approx(1 / (place + 1))
        assert found["recall@10"][row] == (place < 10)
        assert found["ndcg@10"][row] == pytest.approx(1 / np.log2(place + 2) if place < 10 else 0.0)


@given(USERS)
def test_simple_rankings_agree_with_plain_counting(users):
    split = leave_one_out(made(users), "test")
    rows = np.arange(len(users))
    popular, follows, neighbors = (ranking(split)(rows) for ranking in (most_popular, next_of_last, item_neighbors))
    train = [user[:-2] for user in users]
    taken = np.array([[item in user for item in range(N_ITEMS)] for user in train], dtype=float)
    norm = np.maximum(np.sqrt(taken.sum(axis=0)), 1)
    alike = taken.T @ taken / np.outer(norm, norm)
    for row, user in enumerate(users):
        for item in range(N_ITEMS):
            assert popular[row, item] == sum(part.count(item) for part in train)
            after = sum((a, b) == (user[-2], item) for part in train for a, b in itertools.pairwise(part))
            assert int(follows[row, item]) == after
            assert neighbors[row, item] == pytest.approx(sum(alike[had, item] for had in user[:-1]), abs=2e-6)


def test_cold_items_have_no_events_left_and_are_ranked_among_themselves():
    rng = np.random.default_rng(0)
    split = leave_one_out(made([rng.permutation(N_ITEMS)[:6].tolist() for _ in range(300)]), "test")
    start = cold_start(split, seed=1)
    assert start.cold.sum() == int(0.1 * N_ITEMS)
    assert not start.cold[start.split.train.items].any()
    assert not start.cold[start.split.known.items].any()
    assert start.cold[split.target[start.cold_users]].all()
    assert not start.cold[split.target[start.warm_users]].any()
    alone = judge(start.split, by_chance(start.split, seed=0), users=start.cold_users, allowed=start.cold)
    assert alone["mrr"].to_list() == [1.0] * len(start.cold_users)  # the only cold item of twelve


def test_nearest_texts_follow_the_mean_of_the_last_three():
    split = leave_one_out(made([[0, 1, 2, 3, 4], [5, 6, 7]]), "test")
    vectors = np.eye(N_ITEMS)
    scores = nearest_texts(split, vectors, last=3)(np.array([0, 1]))
    assert np.flatnonzero(scores[0]).tolist() == [1, 2, 3]
    assert np.flatnonzero(scores[1]).tolist() == [5, 6]


def test_summary_is_the_mean_over_users_and_seeds_and_its_interval_covers_it():
    rng = np.random.default_rng(0)
    seeds = [
        pl.DataFrame({name: rng.random(400) for name in ("ndcg@10", "recall@10")}, schema_overrides={}).with_columns(
            mrr=pl.lit(None, pl.Float64)
        )
        for _ in range(3)
    ]
    found = summary(seeds)
    assert found["metric"].to_list() == ["ndcg@10", "recall@10"]  # what the peer does not answer is left out
    assert found["value"][0] == pytest.approx(np.mean([one["ndcg@10"].mean() for one in seeds]))
    width = (found["ci_upper"] - found["ci_lower"]).to_numpy()
    # The mean of three uniforms has standard deviation 1/6; 90 % of 400 users' mean is 2 * 1.645 / 6 / 20 wide.
    assert width == pytest.approx(np.full(2, 2 * 1.645 / 6 / 20), rel=0.15)


def test_results_go_on_where_they_stopped(tmp_path):
    results = Results(tmp_path)
    judged = pl.DataFrame({"user": [0, 1], "ndcg@10": [0.5, 1.0]})
    assert results.load("next of the last item", 0) is None
    results.save("next of the last item", 0, judged, {"seconds": 2.0})
    again = results.load("next of the last item", 0)
    assert again is not None
    assert again[0].equals(judged)
    assert again[1] == {"seconds": 2.0}
    assert results.kept() == {"next of the last item": [0]}


def test_read_takes_any_column_names_and_refuses_short_sequences(tmp_path):
    rows = pl.DataFrame({"who": [7, 7, 7, 3, 3, 3], "n": [2, 0, 1, 0, 1, 2], "what": [30, 10, 20, 20, 50, 10]})
    rows.write_parquet(tmp_path / "shop_sequences.parquet")
    found = read(tmp_path)
    assert (found.name, found.n_items, found.titles) == ("shop", 4, None)
    assert lists(found) == [[1, 3, 0], [0, 1, 2]]
    rows[1:].write_parquet(tmp_path / "shop_sequences.parquet")
    with pytest.raises(InputError, match="fewer than 3"):
        read(tmp_path)
