"""A small BERT for any language, pretrained on the shop's own texts: its tokenizer first, then its weights."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from flashlift.behavior.language.config import LanguageConfig
from flashlift.behavior.language.descend import descend, torch_at
from flashlift.behavior.language.encoder import MAX_TOKENS, LanguageModel
from flashlift.behavior.language.mask import TokenHead, mask_loss
from flashlift.errors import InsufficientDataError
from flashlift.protocols import Progress, silent

__all__ = ["MIN_TEXTS", "pretrain", "train_tokenizer"]

MIN_TEXTS = 200  # distinct; with fewer, a tokenizer learns whole titles by heart
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")


def pretrain(
    texts: Sequence[str],
    sentences: Sequence[str] = (),
    *,
    config: LanguageConfig,
    seed: int,
    progress: Progress = silent,
) -> LanguageModel:
    """Learn a tokenizer and a BERT from nothing but item texts and behavior sentences, by masked language modeling.

    Raises:
        InsufficientDataError: fewer than `MIN_TEXTS` distinct texts.
    """
    known = [text for text in texts if text.strip()]
    if len(set(known)) < MIN_TEXTS:
        raise InsufficientDataError(
            f"{len(set(known))} distinct texts cannot teach a language model; it takes {MIN_TEXTS}. "
            'Set language to "none", or to the folder of a model that knows this language.'
        )
    tokenizer = train_tokenizer([*known, *sentences], config.scratch_vocabulary)
    shape = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=config.scratch_width,
        num_hidden_layers=config.scratch_layers,
        num_attention_heads=config.scratch_width // 32,
        intermediate_size=4 * config.scratch_width,
        max_position_embeddings=MAX_TOKENS + 2,
        pad_token_id=tokenizer.pad_token_id,
    )
    rng = np.random.default_rng(seed)
    with torch_at(config.threads, seed):
        network = BertModel(shape, add_pooling_layer=False).train()
        model = LanguageModel(name="scratch", network=network, tokenizer=tokenizer, digest="", causal=False)
        head = TokenHead.of(model)
        head.begin(model, (known, sentences))
        loss = mask_loss(model, head, (known, sentences), size=config.texts_per_batch, rng=rng)
        descend(
            [*network.parameters(), *head.parameters()],
            loss,
            steps=config.scratch_steps,
            rate=config.scratch_rate,
            task="pretrain language model",
            progress=progress,
        )
    return model.finished()


def train_tokenizer(texts: Sequence[str], size: int) -> PreTrainedTokenizerFast:
    """WordPiece on lower-cased text that keeps accents; Chinese characters and emoji stand alone."""
    # Half of the tokens at most are single characters: a shop in Chinese writes with about 3,000.
    tokenizer = Tokenizer(models.WordPiece(unk_token=SPECIAL[1]))
    tokenizer.normalizer = normalizers.BertNormalizer(strip_accents=False, lowercase=True, handle_chinese_chars=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(
        vocab_size=size, limit_alphabet=size // 2, special_tokens=list(SPECIAL), min_frequency=2, show_progress=False
    )
    tokenizer.train_from_iterator(texts, trainer)
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer, model_max_length=MAX_TOKENS, **dict(zip(names, SPECIAL, strict=True))
    )
