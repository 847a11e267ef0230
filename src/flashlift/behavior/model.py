"""The whole network: a causal transformer over events; its answers are item, time, category and value of a purchase.

B customers, T events (position 0 stands for "before the first"), C width, V item codes, K hazard bins.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import GAP_BUCKETS, PRICES
from flashlift.behavior.item_vectors import ItemVectors
from flashlift.behavior.own_categories import OwnCategories
from flashlift.behavior.piecewise import PiecewiseLinear
from flashlift.behavior.promotions import PHASES
from flashlift.behavior.snapshots import N_FACTS
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.schema import EVENT_KINDS

__all__ = [
    "HAZARD_HOURS", "Batch", "EventTransformer", "Present", "distances", "gap_buckets", "hazard_loss", "log_survival",
    "value_loss",
]  # fmt: skip

HAZARD_HOURS: tuple[float, ...] = (1, 3, 6, 12, 24, 48, 72, 120, 168, 240, 336, 504, 720)  # ends of the bins
ITEM_SCALE = 4.0  # an item's unit vector beside the context of its token
ORDER_DISTANCES = 16  # powers of two of the distance in events, two per octave
N_PRESENT = N_FACTS + 24 + 7


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Histories as padded codes, (B, T - 1) each; padding stands on the right, where nobody sees it.

    `price` is (B, T - 1, 3) with NaN where unknown; `seconds` count from the first event of the row.
    """

    item: Tensor
    kind: Tensor
    clock: Tensor
    gap: Tensor
    channel: Tensor
    region: Tensor
    phase: Tensor
    price: Tensor
    seconds: Tensor

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return type(self)(**{part.name: getattr(self, part.name).to(device) for part in fields(self)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What is known at the instant of the answer: facts (N, N_FACTS), hour (N,), weekday (N,)."""

    facts: Tensor
    hour: Tensor
    weekday: Tensor

    def to(self, device: torch.device) -> Self:
        """The same on another device."""
        return type(self)(facts=self.facts.to(device), hour=self.hour.to(device), weekday=self.weekday.to(device))


class Block(nn.Module):
    """Pre-norm causal attention and feed-forward, both gated; attention leans on gaps of time and of order.

    Gates: Shazeer 2020 (SwiGLU), Qiu et al. 2025 (a sigmoid gate on the output of attention).
    """

    def __init__(self, config: BehaviorConfig) -> None:
        super().__init__()
        c = config.width
        self.heads, self.dropout = config.heads, config.dropout
        self.norm_attention = nn.RMSNorm(c)
        self.qkv_gate = nn.Linear(c, 4 * c)
        self.out = nn.Linear(c, c)
        self.gap_bias = nn.Embedding(GAP_BUCKETS, config.heads)
        self.order_bias = nn.Embedding(ORDER_DISTANCES, config.heads)
        self.norm_feed = nn.RMSNorm(c)
        self.up_gate = nn.Linear(c, 4 * c)
        self.down = nn.Linear(2 * c, c)
        for layer in (self.out, self.down):  # a block begins close to the identity
            nn.init.normal_(layer.weight, std=0.1 * layer.in_features**-0.5)

    def order(self, distance: Tensor) -> Tensor:
        """How much attention leans on the distance in events, (heads, N, T) from (N, T); -inf for what lies ahead."""
        return F.embedding(distance, F.pad(self.order_bias.weight, (0, 0, 0, 1), value=-torch.inf)).permute(2, 0, 1)

    def forward(self, x: Tensor, gap: Tensor, order: Tensor, past: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """(B, N, C) to (B, N, C), the last N of T positions; position t sees positions up to t.

        Args:
            x: the positions to be read.
            gap: buckets of the time gaps, (B, N, T).
            order: see `order`, (heads, N, T).
            past: keys and values of all T positions, (B, heads, T, C / heads), the last N to be filled in; None: N = T.
        """
        b, n, c = x.shape
        q, k, v, gate = self.qkv_gate(self.norm_attention(x)).view(b, n, 4, self.heads, c // self.heads).unbind(2)
        q, k, v = q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)
        if past is not None:
            past[0][:, :, -n:], past[1][:, :, -n:] = k, v
            k, v = past
        bias = self.gap_bias(gap).permute(0, 3, 1, 2) + order  # (B, heads, N, T)
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=bias.to(q.dtype))  # (B, heads, N, C / heads)
        y = (y.transpose(1, 2) * gate.sigmoid()).reshape(b, n, c)
        x = x + F.dropout(self.out(y), self.dropout, self.training)
        up, gate = self.up_gate(self.norm_feed(x)).chunk(2, dim=-1)
        return x + F.dropout(self.down(F.silu(gate) * up), self.dropout, self.training)


class EventTransformer(nn.Module):
    """Reads histories; answers with item queries, hazards, categories and values."""

    def __init__(self, config: BehaviorConfig, vocabulary: Vocabulary, content: Tensor | None = None) -> None:
        super().__init__()
        width = config.width
        self.facts_mean: Tensor
        self.facts_scale: Tensor
        self.value_norm: Tensor
        self.item = ItemVectors(vocabulary, width, content, config.delta_norm, config.delta_dropout)
        self.kind = nn.Embedding(len(EVENT_KINDS), width)
        self.clock = nn.Embedding(24 * 7, width)
        self.gap = nn.Embedding(GAP_BUCKETS, width)
        self.channel = nn.Embedding(vocabulary.count("channel"), width)
        self.region = nn.Embedding(vocabulary.count("region"), width)
        self.phase = nn.Embedding(len(PHASES), width)
        self.price = PiecewiseLinear(len(PRICES), width)
        self.begin = nn.Parameter(torch.zeros(width))
        self.drop = nn.Dropout(config.dropout)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = nn.RMSNorm(width)
        self.fuse = nn.Sequential(nn.Linear(2 * width + N_PRESENT, 2 * width), nn.SiLU(), nn.Dropout(config.dropout))
        self.fused = nn.Linear(2 * width, width)
        self.log_scale = nn.Parameter(-torch.tensor(config.temperature).log(), requires_grad=False)  # see ranking.py
        self.trend_weight = nn.Parameter(torch.ones(()))
        self.own_weight = nn.Parameter(torch.tensor([1.0, 1.0, 0.0, 0.0]))  # see seen.py
        self.own_trend_weight = nn.Parameter(torch.zeros(()))
        self.usual = nn.Linear(N_PRESENT, len(HAZARD_HOURS))
        self.deviation = nn.Linear(width, len(HAZARD_HOURS))
        self.category = nn.Linear(width, vocabulary.count("category"))
        self.own_category_weight = nn.Parameter(torch.tensor([1.0, 0.0, 0.0, 1.0]))  # see own_categories.py
        self.category_scale: Tensor
        self.value = nn.Linear(width, 2)
        self.own_value_prior = nn.Parameter(torch.zeros(()))  # ln of how many own orders the shop's mean counts for
        self.earlier, self.later = nn.Linear(2 * width, width), nn.Linear(2 * width, width)
        self.register_buffer("facts_mean", torch.zeros(N_FACTS))
        self.register_buffer("facts_scale", torch.ones(N_FACTS))
        self.register_buffer("category_scale", torch.ones(()))  # see orders.py
        self.register_buffer("value_norm", torch.tensor([0.0, 1.0]))  # mean and standard deviation of ln value
        self._start()

    def _start(self) -> None:
        """Answers begin where the simple ones are."""
        for name, module in self.named_modules():
            if isinstance(module, nn.Embedding) and not name.startswith("item"):
                nn.init.zeros_(module.weight)  # a token begins as its item, and context has to earn its place
        nn.init.normal_(self.fused.weight, std=0.1 * self.fused.in_features**-0.5)
        nn.init.zeros_(self.price.out.weight)
        nn.init.zeros_(self.deviation.weight)
        nn.init.zeros_(self.deviation.bias)
        nn.init.zeros_(self.value.bias)  # but not its weights: prices begin at zero, and both would wait for each other

    @property
    def layers(self) -> list[Block]:
        """The blocks, as what they are."""
        return cast("list[Block]", list(self.blocks))

    @property
    def device(self) -> torch.device:
        """Where the weights are."""
        return self.begin.device

    def forward(self, batch: Batch) -> Tensor:
        """States after 0, 1, ... T - 1 events, (B, T, 2 C): that of the last event, and the mean of all so far."""
        tokens = self.tokens(batch, self.item(batch.item))
        x = self.drop(torch.cat([self.begin.expand(len(tokens), 1, -1), tokens], dim=1))  # (B, T, C)
        at = torch.cat([batch.seconds[:, :1], batch.seconds], dim=1)  # the beginning stands at the first event's time
        gap, distance = gap_buckets(at, at), distances(at.shape[1], at.device)
        for block in self.layers:
            x = block(x, gap, block.order(distance))
        last = self.norm(x)
        count = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None]
        return torch.cat([last, last.cumsum(dim=1) / count], dim=-1)

    def tokens(self, batch: Batch, item: Tensor) -> Tensor:
        """Events, (B, T - 1, C), from their codes and the vectors of their items, (B, T - 1, C)."""
        tokens: Tensor = (
            ITEM_SCALE * item
            + self.kind(batch.kind)
            + self.clock(batch.clock)
            + self.gap(batch.gap)
            + self.channel(batch.channel)
            + self.region(batch.region)
            + self.phase(batch.phase)
            + self.price(batch.price)
        )
        return tokens

    def answer(self, state: Tensor, present: Present) -> Tensor:
        """History (N, 2 C) and present fused, (N, C)."""
        fused: Tensor = self.fused(self.fuse(torch.cat([state, self._present_row(present)], dim=1)))
        return state[:, : state.shape[1] // 2] + fused

    def item_query(self, answer: Tensor) -> Tensor:
        """What the customer would look for next, (N, C), of unit length: where the items are, so that texts mean it."""
        return F.normalize(answer, dim=-1)

    def window_query(self, state: Tensor) -> Tensor:
        """What a window (its last state, (N, 2 C)) says of the next one, (N, C), of unit length."""
        return F.normalize(self.earlier(state), dim=-1)

    def window_key(self, state: Tensor) -> Tensor:
        """How a window is found by the one before it, (N, C), of unit length."""
        return F.normalize(self.later(state), dim=-1)

    def taste(self, query: Tensor, items: Tensor) -> Tensor:
        """Cosine over temperature of queries (N, C) and item vectors (S, C), (N, S)."""
        return self.log_scale.exp() * (query @ F.normalize(items, dim=-1).T)

    def taste_for(self, query: Tensor, items: Tensor) -> Tensor:
        """The same for one item vector per query, (N, C) and (N, C) to (N,)."""
        return self.log_scale.exp() * (query * F.normalize(items, dim=-1)).sum(dim=-1)

    def item_logit(self, taste: Tensor, trend: Tensor, own: Tensor | None) -> Tensor:
        """Logits from taste, log popularity lately (shapes that broadcast), and own history (..., N_OWN) or None."""
        if own is None:
            return taste + self.trend_weight * trend
        popular = (self.trend_weight + self.own_trend_weight * own[..., 0]) * trend
        logit: Tensor = taste + popular + own @ self.own_weight
        return logit

    def category_logits(self, answer: Tensor, own: OwnCategories) -> Tensor:
        """Logits of the known categories, codes from 1 on, (N, n_categories), from answers (N, C); see orders.py."""
        row, code, values = (torch.from_numpy(part).to(answer.device) for part in own)
        more = values @ self.own_category_weight
        logits: Tensor = self.category(answer).index_put((row, code), more.to(answer.dtype), accumulate=True)
        return self.category_scale * logits[:, 1:]

    def order_value(self, answer: Tensor, spent: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log standard deviation of the next order's ln value, (N,) each, given that there is one.

        The mean of the customer's own orders, shrunk to the shop's, and what the history changes about that.
        `spent` is (N, 2), see `snapshots.spent`.
        """
        center, scale = self.value_norm
        total, count = spent.unbind(dim=-1)
        own = (total - count * center) / (count + self.own_value_prior.exp())
        deviation, log_sd = self.value(answer).unbind(dim=-1)
        return center + own + scale * deviation, log_sd.clamp(-3, 3) + scale.log()

    def hazards(self, answer: Tensor, present: Present) -> Tensor:
        """Hazard logits, (N, K): linear in what is known of the present, and what the history changes about that."""
        logits: Tensor = self.usual_hazards(present) + self.deviation(answer)
        return logits

    def usual_hazards(self, present: Present) -> Tensor:
        """The linear part alone, (N, K)."""
        logits: Tensor = self.usual(self._present_row(present))
        return logits

    def _present_row(self, present: Present) -> Tensor:
        """All of the present as one standardized row, (N, N_PRESENT)."""
        facts = (present.facts - self.facts_mean) / self.facts_scale
        return torch.cat([facts, F.one_hot(present.hour, 24), F.one_hot(present.weekday, 7)], dim=1)


def gap_buckets(now: Tensor, at: Tensor) -> Tensor:
    """Bucket of the time gap of each of the times `now` (B, N) to each of the times `at` (B, T), (B, N, T)."""
    gap = now[:, :, None] - at[:, None, :]
    return gap.clamp(min=0.5).log2().add(1).clamp(0, GAP_BUCKETS - 1).long()


def distances(n: int, device: torch.device) -> Tensor:
    """Bucket of the distance in events of n positions, (n, n): ORDER_DISTANCES for what lies ahead."""
    place = torch.arange(n, device=device)
    behind = place[:, None] - place
    distance = (2 * behind.clamp(min=0).add(1).float().log2()).long().clamp(max=ORDER_DISTANCES - 1)
    return distance.masked_fill(behind < 0, ORDER_DISTANCES)


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
    ends = torch.tensor(HAZARD_HOURS, device=logits.device)
    begins = torch.cat([ends.new_zeros(1), ends[:-1]])
    exposure = ((hours[:, None] - begins) / (ends - begins)).clamp(0, 1)  # (N, K)
    bought = seen[:, None] & (hours[:, None] >= begins) & (hours[:, None] < ends)  # at most one bin per row
    survived = F.softplus(logits) * torch.where(bought, 0.0, exposure)
    loss = (survived + torch.where(bought, F.softplus(-logits), 0.0)).sum(dim=1)  # (N,)
    return (loss * weight).sum() / weight.sum()


def value_loss(mean: Tensor, log_sd: Tensor, log_value: Tensor) -> Tensor:
    """Negative log-likelihood of a normal, (N,), up to a constant: ln value, given a purchase."""
    return log_sd + 0.5 * ((log_value - mean) / log_sd.exp()).square()
