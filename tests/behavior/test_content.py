import numpy as np
import polars as pl
import pytest

from flashlift.behavior.content import Content
from flashlift.behavior.vocabulary import Vocabulary

N, D, WIDTH = 60, 20, 8
IDS = [f"i{k:02d}" for k in range(N)]


@pytest.fixture
def vocabulary():
    items = pl.DataFrame({"item_id": IDS}).with_row_index("code", offset=1)
    labels = pl.DataFrame(schema={"field": pl.String, "value": pl.String, "code": pl.Int64})
    return Vocabulary(items=items.select("item_id", pl.col("code").cast(pl.Int64)), labels=labels, n_trained=N)


def texts():
    """What all have in common is large, what tells them apart is small."""
    rng = np.random.default_rng(0)
    spread = np.r_[8.0, 4.0, np.full(D - 2, 0.5)]
    return rng.normal(size=(N, D)) * spread + 3.0


def test_vectors_are_of_unit_length_and_zero_without_a_text(vocabulary):
    vectors = texts()
    vectors[[3, 40]] = 0.0
    content = Content.fit(IDS, vectors, vocabulary, WIDTH)
    length = np.linalg.norm(content.vectors, axis=1)
    assert content.vectors.shape == (N + 1, WIDTH)
    assert not length[[0, 4, 41]].any()
    np.testing.assert_allclose(np.delete(length, [0, 4, 41]), 1.0, rtol=1e-5)


def test_half_of_the_whitening(vocabulary):
    vectors = texts()
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    content = Content.fit(IDS, vectors, vocabulary, WIDTH)
    plain = np.sort(np.sqrt(((unit - unit.mean(axis=0)) @ np.linalg.svd(unit - unit.mean(axis=0))[2][:WIDTH].T).var(0)))
    even = np.sort(((unit - content.mean) @ content.components.T).std(axis=0))
    np.testing.assert_allclose(even / even[-1], np.sqrt(plain / plain[-1]), rtol=1e-4)


def test_later_items_stand_where_they_would_have_stood(vocabulary):
    vectors = texts()
    content = Content.fit(IDS, vectors, vocabulary, WIDTH)
    more = vocabulary.__class__(
        items=pl.concat([vocabulary.items, pl.DataFrame({"item_id": ["new"], "code": [N + 1]})]),
        labels=vocabulary.labels,
        n_trained=N,
    )
    later = content.extended(["new"], vectors[[7]], more)
    np.testing.assert_array_equal(later.vectors[:-1], content.vectors)
    np.testing.assert_allclose(later.vectors[-1], content.vectors[8], atol=1e-6)


@pytest.mark.parametrize("n_texts", [0, 1, 3])
def test_few_texts_give_no_noise(vocabulary, n_texts):
    vectors = np.zeros((N, D))
    vectors[:n_texts] = texts()[:n_texts]
    content = Content.fit(IDS, vectors, vocabulary, WIDTH)
    assert np.isfinite(content.vectors).all()
    assert (np.linalg.norm(content.components, axis=1) > 0).sum() == max(n_texts - 1, 0)
