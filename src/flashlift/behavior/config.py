"""The sizes and budgets of the behavior model."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["BehaviorConfig"]


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
        negatives: items that share the sampled softmax; shops with fewer items get the full one.
        tokens_per_batch: events of a batch, padding included.
        cuts: moments drawn per window at which the purchase intent is asked.
        intent_weight: weight of the intent loss beside the next-item loss.
        trend_days: half-life of the popularity that enters the ranking, in days.
        learning_rate: peak of AdamW's learning rate; it warms up, then falls along a cosine.
        weight_decay: AdamW's weight decay.
        max_steps: gradient steps at most.
        eval_every: steps between two looks at the validation window.
        patience: looks without improvement until training stops.
        max_minutes: safety net on the wall clock.
        max_events: larger logs are trained on a random sample of customers with about so many events.
        max_items: items with a vector of their own, the most frequent; the others share one.
        threads: threads that torch may use.
    """

    width: int = 64
    layers: int = 2
    heads: int = 2
    max_length: int = 100
    dropout: float = 0.1
    negatives: int = 256
    tokens_per_batch: int = 8192
    cuts: int = 16
    intent_weight: float = 2.0
    trend_days: float = 14.0
    learning_rate: float = 3e-3
    weight_decay: float = 0.01
    max_steps: int = 240
    eval_every: int = 40
    patience: int = 3
    max_minutes: float = 5.0
    max_events: int = 2_000_000
    max_items: int = 100_000
    threads: int = 1
