"""Made-up texts, tiny models and small shops for the tests of the language model."""

from datetime import timedelta

import numpy as np
import polars as pl
from tests.behavior.log import START, log
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import BertConfig, BertModel, GPT2Config, GPT2Model, PreTrainedTokenizerFast

from flashlift.behavior.language.scratch import train_tokenizer
from flashlift.domain import Split
from flashlift.schema import Items, Tables

THINGS = ("mug", "lamp", "chair", "candle", "basket", "clock", "frame", "bell")
LOOKS = ("red", "blue", "green", "white", "vintage", "striped", "spotty", "small", "large", "wooden", "metal", "paper")
ENGLISH = [f"{look} {other} {thing}" for look in LOOKS for other in LOOKS if other != look for thing in THINGS]
CHINESE = [
    f"{look}色{kind}{thing}🎁 {size}号 かわいい{thing}"
    for look in "红蓝绿白黑"
    for kind in ("陶瓷", "塑料", "木制", "玻璃", "金属")
    for thing in ("杯子", "椅子", "台灯", "蜡烛")
    for size in "大中小"
]
SPLIT = Split(
    train_end=START + timedelta(days=60), valid_end=START + timedelta(days=90), test_end=START + timedelta(days=120)
)


def save_encoder(folder, *, texts=ENGLISH, width=32, seed=0):
    import torch

    tokenizer = train_tokenizer(texts, 300)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=width, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=2 * width, max_position_embeddings=64,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        BertModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_decoder(folder):
    import torch

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=400, special_tokens=["<|end|>"], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(ENGLISH, trainer)
    whole = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|end|>")
    config = GPT2Config(
        vocab_size=len(whole), n_embd=32, n_layer=2, n_head=2, n_positions=64, bos_token_id=0, eos_token_id=0
    )
    with torch.random.fork_rng():
        torch.manual_seed(0)
        GPT2Model(config).save_pretrained(folder)
    whole.save_pretrained(folder)
    return folder


def items(titles, **columns):
    frame = pl.DataFrame({"item_id": [f"i{n}" for n in range(len(titles))], "title": titles} | columns)
    schema = Items.create_empty().schema
    blank = [pl.lit(None).cast(kind).alias(name) for name, kind in schema.items() if name not in frame.columns]
    return Items.validate(frame.with_columns(blank).select(list(Items.column_names())), cast=True)


def shop(*, n_customers=60, days=90, seed=0, titles=None):
    """Each customer buys three items of one thing a visit, about every ten days: things go together, looks do not."""
    rng = np.random.default_rng(seed)
    titles = titles or [f"{look} {thing}" for thing in THINGS for look in LOOKS]
    per_thing = len(LOOKS)
    rows = []
    for customer in range(n_customers):
        time = rng.exponential(240.0)
        while time < days * 24:
            thing = int(rng.integers(len(titles) // per_thing))
            chosen = rng.choice(per_thing, size=3, replace=False)
            rows += [(f"c{customer}", f"i{thing * per_thing + item}", time) for item in chosen]
            time += 24 + rng.exponential(240.0)
    customer, item, time = (list(column) for column in zip(*rows, strict=True))
    events = log({"customer_id": customer, "item_id": item, "hours": time, "price": [2.0] * len(time)})
    return Tables(events=events.lazy(), items=items(titles))
