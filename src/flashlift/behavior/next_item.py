"""The loss of the next item: softmax over the catalog, estimated with shared negatives.

The logit of item i for a customer at an instant is

    taste(history) . vector(i) + w ln(popularity of i lately) + u ln(1 + times i stands in the history)

The last two are what simple rankings know (popular lately, bought before); the network learns what they miss.
B customers, T positions, N questions, S negatives.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.model import EventTransformer

__all__ = ["Asked", "next_item_loss", "times_seen"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """N questions: which item came at the next instant, after `position` events of the history in row `row`?

    Args:
        row: of the batch, (N,).
        position: events read before, (N,).
        code: the item that came, (N,), in 1..V - 1.
        trend: row of the log popularity at that instant, (N,).
    """

    row: Tensor
    position: Tensor
    code: Tensor
    trend: Tensor


def next_item_loss(
    network: EventTransformer, hidden: Tensor, item: Tensor, asked: Asked, trend: Tensor, *, negatives: int
) -> Tensor:
    """Mean cross entropy of the questions.

    Half of the negatives are uniform, half are targets of the same batch; ln of their expected count is subtracted
    (logQ correction: Bengio and Senecal 2008; Yi et al., RecSys 2019), so that they stand for all other items. The
    target itself is always there and needs no correction. With no more items than negatives the loss is exact.

    Args:
        network: the weights.
        hidden: states, (B, T, C).
        item: codes of the history, (B, T - 1), 0 where padded.
        asked: the questions.
        trend: log popularity, (G, V).
        negatives: S.
    """
    target, place = asked.code, (asked.row, asked.position)
    query = network.item_query(hidden[place])  # (N, C)
    sampled, correction = _negatives(target, trend.shape[1], negatives)
    read = torch.arange(item.shape[1]) < asked.position[:, None]
    own = ((item[asked.row] == target[:, None]) & read).sum(dim=1)  # (N,)
    positive = network.item_logit((query * network.item(target)).sum(1), trend[asked.trend, target], own)
    seen = times_seen(item, sampled)[place]  # (N, S)
    negative = network.item_logit(query @ network.item(sampled).T, trend[:, sampled][asked.trend], seen)
    negative = (negative - correction[sampled]).masked_fill(sampled == target[:, None], -torch.inf)
    logits = torch.cat([positive[:, None], negative], dim=1)
    return F.cross_entropy(logits, torch.zeros_like(target))


def times_seen(item: Tensor, candidates: Tensor) -> Tensor:
    """How often each candidate (S,) stands among the first 0, 1, ... events of each history, (B, T, S)."""
    equal = (item[:, :, None] == candidates).float()
    return F.pad(equal.cumsum(dim=1), (0, 0, 1, 0))


def _negatives(target: Tensor, n_codes: int, negatives: int) -> tuple[Tensor, Tensor]:
    """Shared negatives (S,) and ln of each code's expected count among them, (V,)."""
    if n_codes - 1 <= negatives:
        return torch.arange(1, n_codes), torch.zeros(n_codes)
    half = negatives // 2
    uniform = torch.randint(1, n_codes, (half,))
    batch = target[torch.randint(len(target), (half,))]
    share = torch.bincount(target, minlength=n_codes) / len(target)
    return torch.cat([uniform, batch]), torch.log(half / (n_codes - 1) + half * share)
