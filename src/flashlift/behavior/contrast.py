"""Next-window prediction: which of these windows did the same customer live through next?

Literal next-sentence prediction hardly helps on behavior; telling a customer's next window from those of others does
(van den Oord et al. 2018, InfoNCE). It needs no purchases and no labels, and can come before the training proper.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.batches import Windows, batch
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories
from flashlift.behavior.model import EventTransformer
from flashlift.protocols import IntArray

__all__ = ["NextWindow"]

LEAST = 2  # events of a window
JUDGED = 512  # customers
TEMPERATURE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class NextWindow:
    """A self-supervised objective for the training loop.

    Args:
        histories: all that may be read.
        config: budgets.
        train_end: weights see nothing at or after it, microseconds.
        middle: the look sees nothing at or after it.
    """

    histories: Histories
    config: BehaviorConfig
    train_end: int
    middle: int

    @property
    def criteria(self) -> tuple[str, ...]:
        """One loss decides."""
        return ("valid/loss",)

    def training_loss(self, network: EventTransformer, windows: Windows, *, rng: np.random.Generator) -> Tensor:
        """Cut each window at a random event; tell the later part from those of other customers."""
        windows = windows.take(np.flatnonzero(windows.length >= 2 * LEAST))
        room = windows.length - 2 * LEAST + 1
        return self._loss(network, windows, windows.start + LEAST + (rng.random(len(windows)) * room).astype(np.int64))

    def look(self, network: EventTransformer) -> dict[str, float]:
        """valid/loss, and valid/next_window: how often what came in [train_end, middle) is told from all others."""
        network.eval()
        everybody = np.arange(self.histories.n_customers)
        cut, stop = (self.histories.end(everybody, np.full(len(everybody), t)) for t in (self.train_end, self.middle))
        begin = self.histories.offsets[:-1]
        known = np.flatnonzero((cut - begin >= LEAST) & (stop - cut >= LEAST))[:JUDGED]
        begin = np.maximum(begin, cut - self.config.max_length)
        stop = np.minimum(stop, cut + self.config.max_length)
        windows = Windows(customer=known, start=begin[known], stop=stop[known])
        if len(known) < 2:
            return {"valid/loss": 0.0}
        with torch.no_grad():
            logits = self._logits(network, windows, cut[known])
            right = torch.arange(len(logits), device=logits.device)
            hits = (logits.argmax(dim=1) == right).float().mean()
            return {"valid/loss": float(F.cross_entropy(logits, right)), "valid/next_window": float(hits)}

    def _loss(self, network: EventTransformer, windows: Windows, cut: IntArray) -> Tensor:
        if len(windows) < 2:
            return network.begin.sum() * 0.0
        logits = self._logits(network, windows, cut)
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))

    def _logits(self, network: EventTransformer, windows: Windows, cut: IntArray) -> Tensor:
        """Cosines of earlier and later parts over temperature, (N, N); other parts of the same customer are out."""
        earlier = Windows(customer=windows.customer, start=windows.start, stop=cut)
        later = Windows(customer=windows.customer, start=cut, stop=windows.stop)
        query, key = (self._vector(network, part) for part in (earlier, later))
        same = torch.from_numpy(windows.customer[:, None] == windows.customer).to(query.device)
        same.fill_diagonal_(False)
        cosine = network.window_query(query) @ network.window_key(key).T
        logits: Tensor = (cosine / TEMPERATURE).masked_fill(same, -torch.inf)
        return logits

    def _vector(self, network: EventTransformer, windows: Windows) -> Tensor:
        states = network(batch(self.histories, windows).to(network.device))
        last: Tensor = states[torch.arange(len(windows)), torch.from_numpy(windows.length)]
        return last
