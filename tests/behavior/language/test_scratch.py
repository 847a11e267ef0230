import math

import numpy as np
import pytest
from tests.behavior.language.shops import CHINESE, ENGLISH, save_encoder

from flashlift.behavior.language import LanguageConfig, LanguageModel, choose, pretrain
from flashlift.behavior.language.mask import TokenHead
from flashlift.errors import InsufficientDataError

TINY = LanguageConfig(scratch_width=32, scratch_layers=2, scratch_steps=60, texts_per_batch=32, scratch_rate=5e-3)


@pytest.fixture(scope="module")
def notes():
    return []


@pytest.fixture(scope="module")
def model(notes):
    return pretrain(CHINESE, config=TINY, seed=0, progress=lambda *told: notes.append(told))


def test_it_reads_chinese_japanese_and_emoji(model):
    assert model.unknown_share(CHINESE) < 0.01
    found = model.encode(["红色陶瓷杯子", "かわいい台灯🎁"])
    assert found.known.all()
    assert found.vectors[0] @ found.vectors[1] < 0.999


def test_pretraining_learns(notes, model):
    losses = [float(note.removeprefix("loss ")) for _, _, _, note in notes]
    assert notes[-1][1] == notes[-1][2] == TINY.scratch_steps
    assert losses[-1] < 0.75 * math.log(len(model.tokenizer))  # an even guess has ln V


def test_it_is_a_normal_folder(model, tmp_path):
    model.save(tmp_path / "bert")
    again = LanguageModel.load(tmp_path / "bert", precision="fp32")
    assert again.digest == model.digest
    exact = model.having(precision=again.precision)
    np.testing.assert_array_equal(again.encode(CHINESE[:9]).vectors, exact.encode(CHINESE[:9]).vectors)


def test_too_few_texts_are_refused():
    with pytest.raises(InsufficientDataError, match="cannot teach a language model"):
        pretrain(["红色"] * 500, config=TINY, seed=0)


def test_a_shop_gets_the_model_that_reads_it():
    assert choose(ENGLISH).language == "packaged"
    chosen = choose(CHINESE)
    assert chosen.language == "scratch" and chosen.unknown_share > 0.3
    assert choose(CHINESE[:50]).language == "none"  # too few to learn from
    assert choose(["red mug", "", "red mug"]).language == "none"
    assert choose(CHINESE, "none").language == "none"
    assert choose([], "some/model").language == "some/model"


def test_a_head_fits_its_model(tmp_path):
    model = LanguageModel.load(save_encoder(tmp_path / "model"), precision="fp32")
    assert TokenHead.of(model).bias.shape[0] == model.embeddings.shape[0]
