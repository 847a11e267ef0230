"""The loss of the next item: softmax over the catalog, estimated with shared negatives.

The logit of item i for a customer at an instant is

    cosine(query(history), vector(i)) / temperature + w ln(popularity of i lately) + u . own(i)

where own(i) is what the customer's history says of i (see seen.py). The last two are what simple rankings know;
the network learns what they miss. N questions, S negatives.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.model import EventTransformer
from flashlift.protocols import FloatArray, IntArray

__all__ = ["draw_negatives", "next_item_loss"]


def draw_negatives(
    target: IntArray, n_items: int, negatives: int, uniform_frac: float, *, rng: np.random.Generator
) -> tuple[IntArray, FloatArray]:
    """Shared negatives and ln of each one's expected count among them, (S,) each.

    A share of them is uniform over codes 1..n_items, the others are targets of the same batch. With no more items
    than negatives, all items are taken and the loss is exact.
    """
    if n_items <= negatives:
        return np.arange(1, n_items + 1, dtype=np.int64), np.zeros(n_items)
    uniform = round(uniform_frac * negatives)
    codes = np.concatenate(
        [rng.integers(1, n_items + 1, uniform), target[rng.integers(0, len(target), negatives - uniform)]]
    )
    share = np.bincount(target, minlength=n_items + 1)[codes] / len(target)
    return codes, np.log(uniform / n_items + (negatives - uniform) * share)


def next_item_loss(
    network: EventTransformer,
    query: Tensor,
    target: Tensor,
    negatives: tuple[Tensor, Tensor],
    trend: tuple[Tensor, Tensor],
    own: tuple[Tensor | None, Tensor | None],
) -> Tensor:
    """Mean cross entropy of the questions.

    ln of their expected count is subtracted from the logits of the negatives (logQ correction: Bengio and Senecal
    2008; Yi et al., RecSys 2019), so that they stand for all other items. The target itself is always there and
    needs no correction.

    Args:
        network: the weights.
        query: item queries, (N, C).
        target: codes that came, (N,).
        negatives: codes and ln expected counts, (S,) each.
        trend: log popularity of targets (N,) and of negatives (N, S).
        own: own history with targets (N, N_OWN) and with negatives (N, S, N_OWN); None where nobody repeats.
    """
    sampled, correction = negatives
    positive = network.item_logit(network.taste_for(query, network.item(target)), trend[0], own[0])
    negative = network.item_logit(network.taste(query, network.item(sampled)), trend[1], own[1])
    negative = (negative - correction).masked_fill(sampled == target[:, None], -torch.inf)
    logits = torch.cat([positive[:, None], negative], dim=1)
    return F.cross_entropy(logits, torch.zeros_like(target))
