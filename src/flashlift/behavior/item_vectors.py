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
    Without content the delta is all there is and has no bound; an item with neither has a vector of zeros.
    Codes without a row are read as code 0.

    Args:
        vocabulary: the codes.
        width: C.
        content: projected text vectors of unit norm, zero where an item has no text, (V, C); None without texts.
        bound: largest norm of a delta beside content.
        dropout: share of the deltas beside content that are left out in training, so that texts alone keep their
            meaning while the network learns (Volkovs, Yu and Poutanen, "DropoutNet", NeurIPS 2017).
    """

    def __init__(
        self, vocabulary: Vocabulary, width: int, content: Tensor | None, bound: float, dropout: float
    ) -> None:
        super().__init__()
        self.content: Tensor
        self.bound, self.dropout = bound, dropout
        n_deltas = vocabulary.n_trained + 1
        self.delta = nn.Embedding(n_deltas, width)
        self.register_buffer("content", torch.zeros(n_deltas, width) if content is None else content)
        nn.init.normal_(self.delta.weight, std=0.02)
        with torch.no_grad():  # not where nothing else is: the direction of a vector of zeros has no gradient
            self.delta.weight[self.content[:n_deltas].any(dim=1)] = 0.0

    @property
    def n_vectors(self) -> int:
        """Codes below this one have a vector of their own."""
        return len(self.content)

    def forward(self, code: Tensor) -> Tensor:
        """(...) to (..., C)."""
        code = torch.where(code < self.n_vectors, code, 0)
        trained = code < self.delta.num_embeddings
        content, delta = self.content[code], self.delta(torch.where(trained, code, 0))
        bounded = delta * (self.bound / delta.norm(dim=-1, keepdim=True).clamp(min=self.bound))
        if self.training and self.dropout:
            bounded = bounded * (torch.rand(*code.shape, 1, device=code.device) >= self.dropout)
        delta = torch.where(content.any(dim=-1, keepdim=True), bounded, delta)
        return F.normalize(content + torch.where(trained[..., None], delta, 0.0), dim=-1)
