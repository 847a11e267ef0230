"""The whole network: a small causal transformer over events with two answers, next item and time to purchase.

B customers, T events (position 0 stands for "before the first"), C width, V item codes, K hazard bins.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import DEPTH_BUCKETS, GAP_BUCKETS
from flashlift.behavior.snapshots import N_FACTS
from flashlift.schema import EVENT_KINDS

__all__ = ["HAZARD_HOURS", "Batch", "EventTransformer", "Present", "hazard_loss", "log_survival"]

# Ends of the hazard bins in hours: the first hour, then 15 bins of equal ratio up to 30 days.
HAZARD_HOURS: tuple[float, ...] = tuple(720.0 ** (k / 15) for k in range(16))


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Histories as padded integer codes, (B, T - 1) each; padding stands on the right, where nobody sees it."""

    item: Tensor
    kind: Tensor
    depth: Tensor
    gap: Tensor
    hour: Tensor
    weekday: Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is known at the instant of the answer: facts (N, N_FACTS), hour (N,), weekday (N,)."""

    facts: Tensor
    hour: Tensor
    weekday: Tensor


class Block(nn.Module):
    """Pre-norm causal attention and feed-forward."""

    def __init__(self, config: BehaviorConfig) -> None:
        super().__init__()
        self.heads = config.heads
        self.norm_attention = nn.LayerNorm(config.width)
        self.qkv = nn.Linear(config.width, 3 * config.width)
        self.out = nn.Linear(config.width, config.width)
        self.feed = nn.Sequential(
            nn.LayerNorm(config.width),
            nn.Linear(config.width, 4 * config.width),
            nn.GELU(),
            nn.Linear(4 * config.width, config.width),
            nn.Dropout(config.dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, C) to (B, T, C); position t sees positions up to t."""
        b, t, c = x.shape
        q, k, v = self.qkv(self.norm_attention(x)).view(b, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)  # (B, heads, T, C / heads)
        x = x + self.out(y.transpose(1, 2).reshape(b, t, c))
        result: Tensor = x + self.feed(x)
        return result


class EventTransformer(nn.Module):
    """Reads histories; answers with item queries and hazards."""

    def __init__(self, config: BehaviorConfig, n_codes: int) -> None:
        super().__init__()
        width = config.width
        self.facts_mean: Tensor
        self.facts_scale: Tensor
        self.item = nn.Embedding(n_codes, width)
        self.trend_weight = nn.Parameter(torch.ones(()))
        self.seen_weight = nn.Parameter(torch.ones(()))
        self.kind = nn.Embedding(len(EVENT_KINDS), width)
        self.depth = nn.Embedding(DEPTH_BUCKETS, width)
        self.gap = nn.Embedding(GAP_BUCKETS, width)
        self.hour = nn.Embedding(24, width)
        self.weekday = nn.Embedding(7, width)
        self.position = nn.Embedding(config.max_length + 1, width)
        self.begin = nn.Parameter(torch.zeros(width))
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.LayerNorm(width)
        self.query = nn.Linear(width, width)
        self.fuse = nn.Sequential(
            nn.Linear(width + N_FACTS + 24 + 7, 2 * width),
            nn.GELU(),
            nn.Linear(2 * width, width),
            nn.GELU(),
        )
        self.usual = nn.Linear(N_FACTS + 24 + 7, len(HAZARD_HOURS))
        self.deviation = nn.Linear(width, len(HAZARD_HOURS))
        nn.init.zeros_(self.deviation.weight)
        nn.init.zeros_(self.deviation.bias)
        self.register_buffer("facts_mean", torch.zeros(N_FACTS))
        self.register_buffer("facts_scale", torch.ones(N_FACTS))
        for module in self.modules():
            if isinstance(module, nn.Embedding):
                nn.init.normal_(module.weight, std=0.02)
        nn.init.zeros_(self.query.weight)  # training begins with what the simple rankings know

    def forward(self, batch: Batch) -> Tensor:
        """States after 0, 1, ... T - 1 events, (B, T, C). Item codes without a vector are read as code 0."""
        tokens = (
            self.item(torch.where(batch.item < self.item.num_embeddings, batch.item, 0))
            + self.kind(batch.kind)
            + self.depth(batch.depth)
            + self.gap(batch.gap)
            + self.hour(batch.hour)
            + self.weekday(batch.weekday)
        )  # (B, T - 1, C)
        x = torch.cat([self.begin.expand(len(tokens), 1, -1), tokens], dim=1)  # (B, T, C)
        x = self.drop(x + self.position.weight[: x.shape[1]])
        for block in self.blocks:
            x = block(x)
        normed: Tensor = self.norm(x)
        return normed

    def item_query(self, state: Tensor) -> Tensor:
        """What the customer would look for next, (..., C); its product with an item's vector is the taste for it."""
        query: Tensor = self.query(state)
        return query

    def item_logit(self, taste: Tensor, trend: Tensor, seen: Tensor) -> Tensor:
        """Logits from taste, log popularity lately and times seen by the customer, of one shape or broadcast."""
        logit: Tensor = taste + self.trend_weight * trend + self.seen_weight * torch.log1p(seen)
        return logit

    def answer(self, state: Tensor, present: Present) -> Tensor:
        """History (N, C) and present fused, (N, C)."""
        fused: Tensor = self.fuse(torch.cat([state, self._present_row(present)], dim=1))
        return fused

    def hazards(self, answer: Tensor, present: Present) -> Tensor:
        """Hazard logits, (N, K): linear in what is known of the present, and what the history changes about that."""
        logits: Tensor = self.usual_hazards(present) + self.deviation(answer)
        return logits

    def usual_hazards(self, present: Present) -> Tensor:
        """The linear part alone, (N, K)."""
        logits: Tensor = self.usual(self._present_row(present))
        return logits

    def _present_row(self, present: Present) -> Tensor:
        """All of the present as one standardized row, (N, N_FACTS + 24 + 7)."""
        facts = (present.facts - self.facts_mean) / self.facts_scale
        return torch.cat([facts, F.one_hot(present.hour, 24), F.one_hot(present.weekday, 7)], dim=1)


def log_survival(logits: Tensor) -> Tensor:
    """Log P(no purchase until the end of each bin), (N, K), from hazard logits (N, K)."""
    return -F.softplus(logits).cumsum(dim=1)


def hazard_loss(logits: Tensor, hours: Tensor, seen: Tensor, weight: Tensor) -> Tensor:
    """Weighted mean negative log-likelihood of the time to purchase under discrete hazards with right censoring.

    Who bought in bin j survived the bins before it and not bin j. Who was watched for only `hours` survived the bins
    watched, the last one in proportion to the part of it that was watched. Purchases after the last bin are
    survivals of all of them. (Kvamme and Borgan 2021, equation 4, with fractional exposure.)

    Args:
        logits: hazard logits, (N, K).
        hours: until purchase or end of watching, (N,).
        seen: whether there was a purchase, (N,).
        weight: of each row, (N,).
    """
    ends = torch.tensor(HAZARD_HOURS)
    begins = torch.cat([torch.zeros(1), ends[:-1]])
    exposure = ((hours[:, None] - begins) / (ends - begins)).clamp(0, 1)  # (N, K)
    bought = seen[:, None] & (hours[:, None] >= begins) & (hours[:, None] < ends)  # at most one bin per row
    survived = F.softplus(logits) * torch.where(bought, 0.0, exposure)
    loss = (survived + torch.where(bought, F.softplus(-logits), 0.0)).sum(dim=1)  # (N,)
    return (loss * weight).sum() / weight.sum()
