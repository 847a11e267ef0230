"""Contrast: texts of items that are seen or bought together belong side by side, others apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from scipy import sparse
from torch import Tensor

from flashlift.behavior.language.encoder import LanguageModel, Vectors, padded
from flashlift.protocols import FloatArray, IntArray

__all__ = ["companions_recall", "contrast_loss"]


def contrast_loss(
    model: LanguageModel,
    texts: Sequence[str],
    companions: sparse.csr_array,
    *,
    size: int,
    temperature: float,
    rng: np.random.Generator,
) -> Callable[[], Tensor]:
    """InfoNCE (van den Oord et al. 2018) of a fresh batch of `size` pairs at every call, both ways, in-batch negatives.

    An item is drawn evenly, its partner by the strength of their tie. Other companions of an item that happen to stand
    in the batch are no negatives.
    """
    anchors = np.flatnonzero(np.diff(companions.indptr))

    def loss() -> Tensor:
        a = rng.choice(anchors, size=min(size, len(anchors)), replace=False)
        b = np.array([_partner(companions, item, rng) for item in a])
        vectors = F.normalize(model.pooled(padded(model, model.token_ids([texts[i] for i in [*a, *b]]))), dim=1)
        logits = vectors[: len(a)] @ vectors[len(a) :].T / temperature  # (S, S)
        tied = (companions[a][:, b].toarray() > 0) | (a[:, None] == b[None, :]) | (b[:, None] == b[None, :])
        np.fill_diagonal(tied, False)
        logits = logits.masked_fill(torch.from_numpy(tied).to(logits.device), -torch.inf)
        right = torch.arange(len(a), device=logits.device)
        return (F.cross_entropy(logits, right) + F.cross_entropy(logits.T, right)) / 2

    return loss


def companions_recall(vectors: Vectors, companions: sparse.csr_array, asked: IntArray, *, k: int = 10) -> FloatArray:
    """Share of each asked item's companions among its `k` nearest items by cosine; (n,), items without any left out.

    Args:
        vectors: (n_items, d), of length 1.
        companions: (n_items, n_items), at most `k` per row.
        asked: rows of items.
        k: neighbors looked at.
    """
    asked = asked[np.diff(companions.indptr)[asked] > 0]
    shares = np.zeros(len(asked))
    for start in range(0, len(asked), 512):
        rows = asked[start : start + 512]
        cosine = vectors[rows] @ vectors.T
        cosine[np.arange(len(rows)), rows] = -np.inf
        nearest = np.argpartition(-cosine, min(k, cosine.shape[1] - 1), axis=1)[:, :k]
        true = companions[rows].toarray() > 0
        shares[start : start + 512] = np.take_along_axis(true, nearest, axis=1).sum(1) / true.sum(1)
    return shares


def _partner(companions: sparse.csr_array, item: int, rng: np.random.Generator) -> int:
    start, stop = companions.indptr[item], companions.indptr[item + 1]
    strength = companions.data[start:stop]
    return int(rng.choice(companions.indices[start:stop], p=strength / strength.sum()))
