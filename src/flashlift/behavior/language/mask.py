"""Masked language modeling: hide tokens of the shop's texts and ask the model for them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor, nn

from flashlift.behavior.language.encoder import LanguageModel, padded
from flashlift.errors import InputError

__all__ = ["Asked", "TokenHead", "held_out_loss", "mask_loss", "pseudo_perplexity"]

MAX_COUNTED = 5000  # texts of a pool
HIDDEN_SHARE = 0.15  # Devlin et al. 2019: of these 80 % masked, 10 % replaced, 10 % left as they are


class TokenHead(nn.Module):
    """Hidden states to a score per token: one transform, then the model's own input embeddings (tied)."""

    def __init__(self, width: int, n_tokens: int, embedding_width: int | None = None) -> None:
        super().__init__()
        self.dense = nn.Linear(width, embedding_width or width)
        self.norm = nn.LayerNorm(embedding_width or width)
        self.bias = nn.Parameter(torch.zeros(n_tokens))

    @classmethod
    def of(cls, model: LanguageModel) -> TokenHead:
        """An untrained head for a model."""
        n_tokens, embedding_width = model.embeddings.shape
        return cls(model.width, n_tokens, embedding_width).to(model.device)

    @torch.no_grad()
    def begin(self, model: LanguageModel, pools: Sequence[Sequence[str]]) -> None:
        """Start as the frequency of the pools' tokens: a shop uses few of the many tokens a model knows."""
        counts = torch.full_like(self.bias, 0.1)
        for pool in pools:
            some = pool[:: -(-len(pool) // MAX_COUNTED)] if pool else []
            for ids in model.token_ids(some)["input_ids"] if some else []:
                counts.index_add_(
                    0, torch.tensor(ids, device=counts.device), torch.ones(len(ids), device=counts.device)
                )
        self.bias.copy_(counts.log() - counts.sum().log())

    def forward(self, states: Tensor, embeddings: Tensor) -> Tensor:
        """Logits of (N, d) states, (N, V)."""
        return F.linear(self.norm(F.gelu(self.dense(states))), embeddings, self.bias)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A batch with tokens to be told.

    Args:
        batch: what the model reads.
        place: positions whose state tells a token, (B, T), bool.
        target: the tokens, in the order of `place`, (N,).
    """

    batch: dict[str, Tensor]
    place: Tensor
    target: Tensor

    @classmethod
    def draw(cls, model: LanguageModel, texts: Sequence[str], *, rng: np.random.Generator) -> Asked:
        """Hide a share of each text's tokens, at least one; a causal model is asked for every next token instead.

        Raises:
            InputError: the model is no decoder and its tokenizer has no mask token.
        """
        batch = padded(model, model.token_ids(texts))
        if model.causal:
            ids, real = batch["input_ids"], batch["attention_mask"].bool()
            place = torch.zeros_like(real)
            place[:, :-1] = real[:, 1:]
            return cls(batch=batch, place=place, target=ids[:, 1:][real[:, 1:]])
        ids = batch["input_ids"]
        special = torch.tensor(model.tokenizer.all_special_ids)
        open_to = batch["attention_mask"].bool() & ~torch.isin(ids, special)
        draws = torch.from_numpy(rng.random(ids.shape)).masked_fill(~open_to, 2.0)
        place = (draws < HIDDEN_SHARE) | ((draws == draws.amin(1, keepdim=True)) & open_to)
        return cls(batch=batch | {"input_ids": _hidden(ids, place, model, rng)}, place=place, target=ids[place])

    def loss(self, model: LanguageModel, head: TokenHead, reduction: str = "mean") -> Tensor:
        """Cross-entropy in nats: its mean, or one per asked token (`reduction` "none")."""
        states = model.hidden(self.batch)[self.place.to(model.device)]
        with model.autocast():
            logits = head(states, model.embeddings)
        return F.cross_entropy(logits.float(), self.target.to(model.device), reduction=reduction)


def mask_loss(
    model: LanguageModel, head: TokenHead, pools: Sequence[Sequence[str]], *, size: int, rng: np.random.Generator
) -> Callable[[], Tensor]:
    """Loss of a fresh batch at every call: `size` texts of a pool, each pool in turn, empty ones left out.

    Texts of one pool are about equally long, so that little is computed on padding; the first pool holds the shortest,
    and a batch of another takes a quarter as many.
    """
    turns = itertools.cycle(
        [(size if number == 0 else max(size // 4, 1), pool) for number, pool in enumerate(pools) if pool]
    )

    def loss() -> Tensor:
        count, pool = next(turns)
        rows = rng.integers(len(pool), size=count)
        return Asked.draw(model, [pool[row] for row in rows], rng=rng).loss(model, head)

    return loss


def held_out_loss(model: LanguageModel, head: TokenHead, texts: Sequence[str], *, repeats: int = 2) -> float:
    """Mean loss in nats per hidden token, the same tokens at every call; nan without texts."""
    rng, losses = np.random.default_rng(0), []
    ordered = sorted(texts, key=len) * repeats
    with torch.inference_mode():
        for start in range(0, len(ordered), 64):
            asked = Asked.draw(model, ordered[start : start + 64], rng=rng)
            losses.append(asked.loss(model, head, "none").cpu())
    return float(torch.cat(losses).mean()) if losses else float("nan")


def pseudo_perplexity(model: LanguageModel, head: TokenHead, texts: Sequence[str]) -> float:
    """Perplexity with each token hidden alone (Salazar et al. 2020, eq. 3); that of a decoder is the plain one."""
    if model.causal:
        return float(np.exp(held_out_loss(model, head, texts, repeats=1)))
    losses = []
    with torch.inference_mode():
        for text in texts:
            batch = padded(model, model.token_ids([text]))
            ids = batch["input_ids"][0]
            open_to = ~torch.isin(ids, torch.tensor(model.tokenizer.all_special_ids))
            place = torch.eye(len(ids), dtype=torch.bool)[open_to]  # (N, T): one hidden token per row
            if not len(place):
                continue
            alone = {name: values.expand(len(place), -1) for name, values in batch.items()}
            alone["input_ids"] = alone["input_ids"].masked_fill(place, _mask_token(model))
            losses.append(Asked(batch=alone, place=place, target=ids[open_to]).loss(model, head, "none").cpu())
    return float(torch.cat(losses).mean().exp()) if losses else float("nan")


def _hidden(ids: Tensor, place: Tensor, model: LanguageModel, rng: np.random.Generator) -> Tensor:
    fate = torch.from_numpy(rng.random(ids.shape))
    other = torch.from_numpy(rng.integers(len(model.tokenizer), size=ids.shape))
    out = torch.where(place & (fate < 0.8), _mask_token(model), ids)
    return torch.where(place & (fate >= 0.8) & (fate < 0.9), other, out)


def _mask_token(model: LanguageModel) -> int:
    token = model.tokenizer.mask_token_id
    if token is None:
        raise InputError(
            f"The tokenizer of {model.name!r} has no mask token, so its texts cannot be masked. "
            "Leave the step mask out, or use a model trained by masking."
        )
    return int(token)
