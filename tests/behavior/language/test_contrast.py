from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import torch
from scipy import sparse
from tests.behavior.language.shops import ENGLISH, SPLIT, shop
from tests.behavior.log import START, log

from flashlift.behavior.language.baskets import SHRINKAGE, together
from flashlift.behavior.language.contrast import companions_recall, contrast_loss

KINDS = ("view", "purchase")


def meet(events, ids, **changes):
    given = {"start": None, "end": START + timedelta(days=200), "kinds": KINDS, "most": 10} | changes
    return together(events.lazy(), pl.Series("item_id", ids), rng=np.random.default_rng(0), **given)


def test_strength_of_a_pair():
    events = log(
        {
            "customer_id": ["x", "x", "y", "y", "z", "z", "x"],
            "item_id": ["a", "b", "a", "b", "a", "c", "c"],
            "hours": [1, 1, 2, 2, 3, 3, 90],
        }
    )
    found = meet(events, ["a", "b", "c"]).toarray()
    expected = 2 / (np.sqrt(3 * 2) + SHRINKAGE)  # a in three baskets, b in two, together in two; a and c only once
    np.testing.assert_allclose(found, [[0, expected, 0], [expected, 0, 0], [0, 0, 0]], rtol=1e-6)


def test_orders_hold_together_and_anonymous_events_without_order_do_not():
    events = log(
        {
            "customer_id": [None] * 6,
            "item_id": ["a", "b"] * 3,
            "hours": [1, 100, 2, 101, 3, 3],
            "order_id": ["o1", "o1", "o2", "o2", None, None],
        }
    )
    assert meet(events, ["a", "b"])[0, 1] == pytest.approx(2 / (2 + SHRINKAGE))


def test_time_and_kind_borders_are_kept():
    events = shop().events.collect()
    ids = sorted(events["item_id"].unique())
    early = events.filter(pl.col("at") < SPLIT.train_end)
    later = events.filter(pl.col("at") >= SPLIT.train_end)
    assert (meet(events, ids, end=SPLIT.train_end) != meet(early, ids)).nnz == 0
    assert (meet(events, ids, start=SPLIT.train_end) != meet(later, ids)).nnz == 0
    assert meet(events, ids, kinds=("view",)).nnz == 0


def test_of_a_large_log_whole_baskets_are_read(monkeypatch):
    events = shop().events.collect()
    ids = sorted(events["item_id"].unique())
    monkeypatch.setattr("flashlift.behavior.language.baskets.MAX_ROWS", events.height // 2)
    whole, part = meet(events, ids, most=96).toarray(), meet(events, ids, most=96).toarray()
    np.testing.assert_array_equal(whole, part)  # drawn by the generator handed in
    monkeypatch.undo()
    assert 0 < (part > 0).sum() < (meet(events, ids, most=96).toarray() > 0).sum()


def test_only_the_strongest_companions_stay():
    events = shop().events.collect()
    ids = sorted(events["item_id"].unique())
    whole, few = meet(events, ids, most=1000).toarray(), meet(events, ids, most=3).toarray()
    for all_of, kept in zip(whole, few, strict=True):
        np.testing.assert_allclose(np.sort(kept)[::-1][:3], np.sort(all_of)[::-1][:3])


def test_recall_against_counting_by_hand():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 5)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    true = sparse.random_array((40, 40), density=0.1, rng=rng, format="csr")
    true.setdiag(0)
    true.eliminate_zeros()
    asked = np.arange(0, 40, 2)
    expected = []
    for row in asked:
        partners = set(true[[row]].indices.tolist())
        order = [j for j in np.argsort(-(vectors @ vectors[row])) if j != row][:10]
        if partners:
            expected.append(len(partners & set(order)) / len(partners))
    np.testing.assert_allclose(companions_recall(vectors, true, asked), expected)


def test_the_loss_takes_companions_for_no_negatives(encoder):
    """With every item everybody's companion no negative is left, and nothing can be lost."""
    n = 12
    all_tied = sparse.csr_array(np.ones((n, n)) - np.eye(n))
    ring = sparse.csr_array(np.roll(np.eye(n), 1, axis=1))
    given = {"size": 8, "temperature": 0.05}
    with torch.inference_mode():
        loss = contrast_loss(encoder, ENGLISH[:n], all_tied, rng=np.random.default_rng(0), **given)
        assert loss().item() == pytest.approx(0.0, abs=1e-6)
        assert contrast_loss(encoder, ENGLISH[:n], ring, rng=np.random.default_rng(0), **given)().item() > 0.1
