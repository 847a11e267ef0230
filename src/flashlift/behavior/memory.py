"""What the network read of one customer is kept, so that a new event costs one position and not the whole history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch

from flashlift.behavior.batches import Windows, batch
from flashlift.behavior.histories import SECOND, Histories
from flashlift.behavior.model import EventTransformer, distances, gap_buckets

__all__ = ["Follower", "Memory"]

STRETCH = 0.25  # a growing history is read anew when its window is longer than the longest one by this share


@dataclass(slots=True, kw_only=True)
class Memory:
    """What a network read of a window of one history. Position k stands after k events; the first `n` are read.

    Args:
        keys, values: of each block, (layers, 1, heads, positions, C / heads).
        states: of each position, (positions, 2 C).
        start: first event of the window.
        n: positions read, 0 if none.
    """

    keys: torch.Tensor
    values: torch.Tensor
    states: torch.Tensor
    start: int = 0
    n: int = 0

    def forget(self, place: int) -> None:
        """The history changed from event `place` on: positions after it are to be read anew."""
        self.n = min(self.n, place - self.start + 1) if place > self.start else 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A network ready to follow single customers.

    A window begins `max_length` events back when it is first read, and keeps its beginning while the history grows;
    when it is longer than that by a quarter it begins anew. So most events cost one position, and an answer is that of
    the whole network reading the last max_length events, or up to a quarter more.

    Args:
        network: with its weights, not in training.
        items: vectors by code, (V, C).
        orders: what attention of each block leans on by order, (layers, heads, positions, positions).
        max_length: events that are read at first.
    """

    network: EventTransformer
    items: torch.Tensor
    orders: torch.Tensor
    max_length: int

    @classmethod
    def of(cls, network: EventTransformer, n_codes: int, max_length: int) -> Self:
        """Compute what all customers share, under `inference`."""
        distance = distances(max_length + int(STRETCH * max_length) + 1, network.device)
        orders = torch.stack([block.order(distance) for block in network.layers])
        items = network.item(torch.arange(n_codes))
        return cls(network=network, items=items, orders=orders.contiguous(), max_length=max_length)

    def memory(self) -> Memory:
        """An empty one."""
        layers, heads, positions, _ = self.orders.shape
        width = self.items.shape[1]
        room = layers, 1, heads, positions, width // heads
        return Memory(keys=torch.empty(room), values=torch.empty(room), states=torch.empty(positions, 2 * width))

    def state(self, memory: Memory, histories: Histories, stop: int) -> torch.Tensor:
        """State after the first `stop` events of a history of one customer, (1, 2 C), under `inference`.

        What the memory holds already must be of this history.
        """
        fresh = max(stop - self.max_length, 0)
        if memory.n == 0 or memory.start > fresh or stop - memory.start >= len(memory.states):
            memory.start, memory.n = fresh, 0
        position = stop - memory.start
        if memory.n <= position:
            self._read(memory, histories, position + 1)
        return memory.states[position : position + 1]

    def _read(self, memory: Memory, histories: Histories, stop: int) -> None:
        """Read the positions from the first that is not read up to `stop`."""
        network, first = self.network, memory.n
        x = self._tokens(histories, memory.start + max(first - 1, 0), memory.start + stop - 1)
        if first == 0:
            x = torch.cat([network.begin.expand(1, 1, -1), x], dim=1)  # (1, stop - first, C)
        at = self._seconds(histories, memory.start, stop)
        gap = gap_buckets(at[:, first:], at)
        for k, block in enumerate(network.layers):
            past = memory.keys[k, :, :, :stop], memory.values[k, :, :, :stop]
            x = block(x, gap, self.orders[k, :, first:stop, :stop], past)
        last = network.norm(x)[0]
        total = last.cumsum(dim=0)
        if first:
            total += memory.states[first - 1, last.shape[1] :] * first
        count = torch.arange(first + 1, stop + 1)[:, None]
        torch.cat([last, total / count], dim=1, out=memory.states[first:stop])
        memory.n = stop

    def _tokens(self, histories: Histories, start: int, stop: int) -> torch.Tensor:
        """(1, stop - start, C)."""
        if start == stop:
            return torch.empty(1, 0, self.items.shape[1])
        window = Windows(customer=np.zeros(1, np.int64), start=np.array([start]), stop=np.array([stop]))
        codes = batch(histories, window)
        return self.network.tokens(codes, self.items[codes.item])

    @staticmethod
    def _seconds(histories: Histories, start: int, n: int) -> torch.Tensor:
        """When the positions stand, (1, n), from the first event on, as `EventTransformer.forward` counts."""
        at = np.zeros((1, n), dtype=np.float32)
        own = histories.at[start : start + n - 1]
        at[0, 1:] = (own - own[:1]) / SECOND
        return torch.from_numpy(at)
