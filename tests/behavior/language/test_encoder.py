import json
import shutil

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.behavior.language.shops import ENGLISH, save_encoder
from transformers import T5Config, T5Model

from flashlift.behavior.language import LanguageModel
from flashlift.errors import ArtifactError, InputError, InsufficientDataError

MIXED = ["red mug", None, "a much longer line about a large wooden lamp", "", "  ", "blue chair", "red mug"]


def slow_encode(model, text):
    """One text at a time, as the definition says."""
    found = model.tokenizer(text, return_tensors="pt")
    with torch.inference_mode():
        states = model.network(**found).last_hidden_state[0]
    mean = states.mean(0)
    return (mean / mean.norm()).numpy()


@pytest.mark.parametrize("name", ["minilm", "encoder", "decoder"])
def test_vectors_are_the_normalized_mean_of_the_states(name, request):
    model = request.getfixturevalue(name)
    found = model.encode(MIXED)
    assert found.vectors.dtype == np.float32 and found.vectors.shape == (len(MIXED), model.width)
    assert found.known.tolist() == [True, False, True, False, False, True, True]
    for row, text in enumerate(MIXED):
        expected = slow_encode(model, text) if found.known[row] else np.zeros(model.width)
        np.testing.assert_allclose(found.vectors[row], expected, atol=1e-5)


def test_minilm_knows_what_words_mean(minilm):
    mug, cup, lamp = minilm.encode(["red coffee mug", "crimson tea cup", "bicycle repair kit"]).vectors
    assert mug @ cup > mug @ lamp + 0.2


def test_what_the_tokenizer_cannot_read_has_no_vector(minilm):
    found = minilm.encode(["🚲", "红色 mug"])
    assert found.known.tolist() == [False, True]
    assert not found.vectors[0].any()


@settings(max_examples=20, deadline=None)
@given(rows=st.lists(st.integers(0, len(ENGLISH) - 1), max_size=30))
def test_a_vector_does_not_depend_on_its_company(encoder, rows):
    alone = encoder.encode(ENGLISH).vectors
    np.testing.assert_allclose(encoder.encode([ENGLISH[row] for row in rows]).vectors, alone[rows], atol=1e-5)


def test_a_decoder_is_told_by_its_attention(minilm, encoder, decoder):
    assert (minilm.causal, encoder.causal, decoder.causal) == (False, False, True)


def test_of_an_encoder_with_a_decoder_the_encoder_is_taken(encoder, tmp_path):
    config = T5Config(
        vocab_size=len(encoder.tokenizer), d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4,
        decoder_start_token_id=0, pad_token_id=0,
    )  # fmt: skip
    T5Model(config).save_pretrained(tmp_path / "t5")
    encoder.tokenizer.save_pretrained(tmp_path / "t5")
    model = LanguageModel.load(tmp_path / "t5", precision="fp32")
    assert not model.causal
    np.testing.assert_allclose(model.encode(["red mug"]).vectors[0], slow_encode(model, "red mug"), atol=1e-5)


def test_bf16_is_close_to_fp32(minilm):
    exact = minilm.encode(ENGLISH[:50]).vectors
    rough = minilm.having(precision=torch.bfloat16).encode(ENGLISH[:50]).vectors
    assert (exact * rough).sum(1).min() > 0.99  # eight bits of mantissa through six layers


def test_unknown_share(minilm, decoder):
    assert minilm.unknown_share(["red mug", "Café crème"]) == 0.0
    assert minilm.unknown_share(["红色的陶瓷杯子", "自行車用ライト🚲"]) > 0.4
    assert decoder.unknown_share(["红色的陶瓷杯子"]) == 0.0  # it reads bytes
    with pytest.raises(InsufficientDataError, match="all empty"):
        minilm.unknown_share(["", " "])


def test_a_very_long_text_is_cut(encoder):
    assert encoder.encode(["red mug " * 500]).known.all()


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(InputError, match="no language model folder"):
        LanguageModel.load(tmp_path / "nothing")


def test_a_name_that_the_hub_cannot_give(monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="the hub could not give it"):
        LanguageModel.load("nobody/no-such-model")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [("tokenizer*", "has no tokenizer"), ("*.safetensors", "no weights as safetensors"), ("config.json", "no config")],
)
def test_an_incomplete_folder_says_what_it_lacks(encoder_folder, tmp_path, pattern, message):
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    for path in folder.glob(pattern):
        path.unlink()
    with pytest.raises(ArtifactError, match=message):
        LanguageModel.load(folder)


def test_a_model_of_an_unknown_family(encoder_folder, tmp_path):
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | {"model_type": "bert-of-2040"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="cannot be read"):
        LanguageModel.load(folder)


def test_weights_of_another_shape(encoder_folder, tmp_path):
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text()) | {"num_hidden_layers": 3}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ArtifactError, match="lacks"):
        LanguageModel.load(folder)


def test_a_tokenizer_of_another_model(encoder_folder, tmp_path):
    folder = shutil.copytree(encoder_folder, tmp_path / "model")
    words = [f"{a}{b} {b}{a}" for a in "abcdefghijklmnopqrst" for b in "uvwxyz0123456789"]
    from flashlift.behavior.language.scratch import train_tokenizer

    train_tokenizer(words * 2, 2000).save_pretrained(folder)
    with pytest.raises(ArtifactError, match="belong to different models"):
        LanguageModel.load(folder)


def test_save_then_load_is_identity(encoder, tmp_path):
    encoder.save(tmp_path / "model")
    again = LanguageModel.load(tmp_path / "model", precision="fp32")
    assert again.digest == encoder.digest
    np.testing.assert_array_equal(again.encode(ENGLISH[:20]).vectors, encoder.encode(ENGLISH[:20]).vectors)


def test_other_weights_have_another_digest(encoder, tmp_path):
    other = LanguageModel.load(save_encoder(tmp_path / "other", seed=1), precision="fp32")
    assert other.digest != encoder.digest
