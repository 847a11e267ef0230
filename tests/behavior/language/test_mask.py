import numpy as np
import pytest
import torch
from tests.behavior.language.shops import ENGLISH

from flashlift.behavior.language.mask import Asked, TokenHead, held_out_loss, pseudo_perplexity
from flashlift.errors import InputError


def test_every_text_is_asked_for_a_token_and_never_for_a_special_one(encoder):
    asked = Asked.draw(encoder, ENGLISH[:200], rng=np.random.default_rng(0))
    assert (asked.place.sum(1) >= 1).all()
    assert not set(asked.target.tolist()) & set(encoder.tokenizer.all_special_ids)
    assert not (asked.place & (asked.batch["attention_mask"] == 0)).any()
    masked = (asked.batch["input_ids"][asked.place] == encoder.tokenizer.mask_token_id).float().mean()
    # Around 270 hidden tokens: 80 % within four standard errors.
    assert abs(masked - 0.8) < 4 * np.sqrt(0.16 / len(asked.target))


def test_a_decoder_is_asked_for_every_next_token(decoder):
    asked = Asked.draw(decoder, ["red mug", "large wooden lamp"], rng=np.random.default_rng(0))
    ids = decoder.token_ids(["red mug", "large wooden lamp"])["input_ids"]
    assert asked.target.tolist() == ids[0][1:] + ids[1][1:]
    assert asked.place.sum() == len(asked.target)


def test_an_encoder_without_mask_token_is_refused(decoder):
    with pytest.raises(InputError, match="no mask token"):
        Asked.draw(decoder.having(causal=False), ["red mug"], rng=np.random.default_rng(0))


@pytest.mark.parametrize("name", ["encoder", "decoder"])
def test_a_head_that_knows_nothing_is_as_perplexed_as_the_vocabulary_is_large(name, request):
    model = request.getfixturevalue(name)
    head = TokenHead.of(model)
    with torch.no_grad():
        head.norm.weight.zero_()
    n_tokens = model.embeddings.shape[0]
    assert held_out_loss(model, head, ENGLISH[:20]) == pytest.approx(np.log(n_tokens), rel=1e-4)
    assert pseudo_perplexity(model, head, ENGLISH[:5]) == pytest.approx(n_tokens, rel=1e-3)


def test_no_texts_no_figure(encoder):
    head = TokenHead.of(encoder)
    assert np.isnan(held_out_loss(encoder, head, []))
    assert np.isnan(pseudo_perplexity(encoder, head, []))
