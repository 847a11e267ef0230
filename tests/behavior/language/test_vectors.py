import numpy as np
import pytest
from tests.behavior.language.shops import items

from flashlift.behavior.language import item_vectors
from flashlift.behavior.language.lora import attach
from flashlift.errors import OutputError

TITLES = ["red mug", None, "blue lamp", "red mug", "🚲"]


def encoded(calls):
    return lambda task, done, total, note="": calls.append(total)


def test_vectors_in_the_order_of_the_items(minilm):
    ids, vectors = item_vectors(items(TITLES), minilm)
    assert ids == ["i0", "i1", "i2", "i3", "i4"]
    assert vectors.dtype == np.float32 and vectors.shape == (5, 384)
    np.testing.assert_array_equal(np.linalg.norm(vectors, axis=1) > 0.5, [True, False, True, True, False])
    np.testing.assert_array_equal(vectors[0], vectors[3])


def test_a_second_call_encodes_only_new_texts(encoder, tmp_path):
    calls = []
    _, first = item_vectors(items(TITLES), encoder, tmp_path, progress=encoded(calls))
    _, again = item_vectors(items(TITLES), encoder, tmp_path, progress=encoded(calls))
    np.testing.assert_array_equal(first, again)
    before = len(calls)
    _, more = item_vectors(items([*TITLES, "green chair"]), encoder, tmp_path, progress=encoded(calls))
    assert calls[before:] == [1]
    np.testing.assert_array_equal(more[:5], first)


def test_models_do_not_share_vectors(encoder, decoder, tmp_path):
    _, first = item_vectors(items(TITLES), encoder, tmp_path)
    _, other = item_vectors(items(TITLES), decoder, tmp_path)
    assert not np.allclose(first, other)


def test_a_damaged_cache_is_made_again(encoder, tmp_path):
    _, first = item_vectors(items(TITLES), encoder, tmp_path)
    for path in tmp_path.rglob("arrays.safetensors"):
        path.write_bytes(b"nonsense")
    _, again = item_vectors(items(TITLES), encoder, tmp_path)
    np.testing.assert_array_equal(first, again)


def test_a_place_that_cannot_be_written(encoder, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        item_vectors(items(TITLES), encoder, tmp_path / "file" / "cache")


def test_no_items(encoder, tmp_path):
    ids, vectors = item_vectors(items(TITLES).head(0), encoder, tmp_path)
    assert ids == [] and vectors.shape == (0, encoder.width)


def test_fresh_adapters_change_nothing(encoder):
    _, first = item_vectors(items(TITLES), encoder)
    _, second = item_vectors(items(TITLES), attach(encoder, 1))
    np.testing.assert_allclose(first, second, atol=1e-6)
