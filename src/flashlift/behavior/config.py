"""The sizes and budgets of the behavior model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

__all__ = ["LAYOUT", "BehaviorConfig", "Size"]

LAYOUT = 2
"""Of a saved model; raised whenever a part is added, dropped, or comes to mean something else."""

Size = Literal["small", "base", "large"]


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviorConfig:
    """Sizes of the network and budgets of its training.

    Steps end the training, so that a result depends on data, settings and seed alone; `max_minutes` is a
    safety net, and a training that it cuts short says so in the log.

    Args:
        width: size of an event's vector; divisible by `heads`.
        layers: number of transformer blocks.
        heads: attention heads of a block.
        max_length: events of a customer that the network reads, the last ones.
        dropout: share of activations dropped in training, in [0, 1).
        temperature: divides the cosine of taste and item in training; weighed anew on a later slice.
        delta_norm: how far an item's vector may move from that of its text (whose norm is 1).
        delta_dropout: share of such moves left out in training.
        negatives: items that share the sampled softmax; shops with fewer items get the full one.
        uniform_frac: share of the negatives drawn uniformly; the rest are targets of the same batch.
        tokens_per_batch: events of a batch, padding included.
        questions: next items at most that are asked for in a batch.
        cuts: moments drawn per window at which intent, category and value are asked.
        intent_weight: weight of the intent loss beside the next-item loss.
        category_weight: weight of the loss of the next purchase's category.
        value_weight: weight of the loss of the next order's value.
        trend_days: half-life of the popularity that enters the ranking, in days; 0 leaves popularity out.
        pretrain_steps: gradient steps of next-window contrast before the training proper.
        learning_rate: peak of AdamW's learning rate; it warms up, then falls along a cosine.
        weight_decay: AdamW's weight decay.
        max_steps: gradient steps at most.
        eval_every: steps between two looks at the validation window.
        patience: looks without improvement until training stops.
        max_minutes: safety net on the wall clock.
        max_events: larger logs are trained on a random sample of customers with about so many events.
        max_items: items with a vector of their own, the most frequent; the others share one.
        threads: threads that torch may use.
        device: "auto" takes a CUDA device where there is one.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    max_length: int = 100
    dropout: float = 0.2
    temperature: float = 0.1
    delta_norm: float = 1.0
    delta_dropout: float = 0.1
    negatives: int = 256
    uniform_frac: float = 0.5
    tokens_per_batch: int = 8192
    questions: int = 2048
    cuts: int = 16
    intent_weight: float = 2.0
    category_weight: float = 0.5
    value_weight: float = 0.1
    trend_days: float = 14.0
    pretrain_steps: int = 0
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    max_steps: int = 240
    eval_every: int = 40
    patience: int = 3
    max_minutes: float = 5.0
    max_events: int = 2_000_000
    max_items: int = 100_000
    threads: int = 1
    device: Literal["auto", "cpu", "cuda"] = "auto"

    @classmethod
    def sized(cls, size: Size) -> Self:
        """`small` for a CPU, `base` for patience or a GPU, `large` for a GPU (bf16 there)."""
        small = cls()
        if size == "small":
            return small
        if size == "base":
            return replace(small, width=128, heads=4, layers=3, max_length=200, negatives=512, learning_rate=1.5e-3,
                           max_steps=1500, eval_every=100, max_minutes=60.0)  # fmt: skip
        return replace(small, width=512, heads=8, layers=8, max_length=512, negatives=4096, learning_rate=5e-4,
                       tokens_per_batch=65_536, questions=16_384, max_steps=20_000, eval_every=500,
                       max_minutes=600.0, max_events=50_000_000, max_items=1_000_000)  # fmt: skip
