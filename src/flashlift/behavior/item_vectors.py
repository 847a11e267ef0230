"""A vector for each item: that of its text, frozen, and what the log adds to it, bounded in norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.vocabulary import Vocabulary

__all__ = ["ItemVectors"]


class ItemVectors(nn.Module):
    """content + delta, normalized, with |delta| <= bound where there is content (after arXiv 2507.19473).

    The delta of an item without events in the training window is zero, so a new item stands where its text puts it.
    Without content the delta is all there is and has no bound. Codes without a row are read as code 0.

    Args:
        vocabulary: the codes.
        width: C.
        content: projected text vectors of unit norm, zero where an item has no text, (V, C); None without texts.
        bound: largest norm of a delta beside content.
    """

    def __init__(self, vocabulary: Vocabulary, width: int, content: Tensor | None, bound: float) -> None:
        super().__init__()
        self.content: Tensor
        self.bound = bound
        self.delta = nn.Embedding(vocabulary.n_trained + 1, width)
        self.register_buffer("content", torch.zeros(0, width) if content is None else content)
        nn.init.normal_(self.delta.weight, std=0.02) if content is None else nn.init.zeros_(self.delta.weight)

    @property
    def n_vectors(self) -> int:
        """Codes below this one have a vector of their own."""
        return max(self.delta.num_embeddings, len(self.content))

    def forward(self, code: Tensor) -> Tensor:
        """(...) to (..., C)."""
        code = torch.where(code < self.n_vectors, code, 0)
        trained = code < self.delta.num_embeddings
        delta: Tensor = self.delta(torch.where(trained, code, 0))
        if not len(self.content):
            return F.normalize(delta, dim=-1)
        content = self.content[code]
        bounded = delta * (self.bound / delta.norm(dim=-1, keepdim=True).clamp(min=self.bound))
        return F.normalize(content + torch.where(trained[..., None], bounded, 0.0), dim=-1)
