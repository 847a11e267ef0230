"""Windows of histories, and the padded tensors that the network reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from flashlift.behavior.histories import SECOND, Histories, gap_bucket
from flashlift.behavior.model import Batch, Present
from flashlift.behavior.snapshots import Snapshots, facts
from flashlift.protocols import IntArray

__all__ = ["Windows", "batch", "by_length", "last_windows", "present", "training_windows"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Windows:
    """Stretches of events: window k is [start[k], stop[k]) of customer[k]; it may be empty."""

    customer: IntArray
    start: IntArray
    stop: IntArray

    def __len__(self) -> int:
        return len(self.customer)

    def take(self, rows: IntArray) -> Windows:
        """The windows of these rows, in their order."""
        return Windows(customer=self.customer[rows], start=self.start[rows], stop=self.stop[rows])

    @property
    def length(self) -> IntArray:
        """Events of each window."""
        return self.stop - self.start


def last_windows(histories: Histories, snapshots: Snapshots, max_length: int) -> Windows:
    """The last events before each snapshot."""
    stop = histories.end(snapshots.customer, snapshots.at)
    start = np.maximum(histories.offsets[snapshots.customer], stop - max_length)
    return Windows(customer=snapshots.customer, start=start, stop=stop)


def training_windows(histories: Histories, until: int, max_length: int, *, rng: np.random.Generator) -> Windows:
    """Cut every history before `until` (microseconds) into windows; where the cuts fall is random."""
    everybody = np.arange(histories.n_customers)
    begin = histories.offsets[:-1]
    end = histories.end(everybody, np.full(len(everybody), until))
    n = end - begin
    phase = np.where(n > max_length, rng.integers(0, max_length, len(n)), 0)
    pieces = np.where(n > 0, -((n + phase) // -max_length), 0)
    customer = np.repeat(everybody, pieces)
    piece = np.arange(len(customer)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    grid = begin[customer] - phase[customer] + piece * max_length
    return Windows(
        customer=customer,
        start=np.maximum(grid, begin[customer]),
        stop=np.minimum(grid + max_length, end[customer]),
    )


def by_length(windows: Windows, tokens: int, *, rng: np.random.Generator | None = None) -> list[IntArray]:
    """Rows of windows in groups of similar length that hold about `tokens` positions with padding.

    With `rng` the rows of a group and the order of groups are random; without it both are fixed.
    """
    length = windows.length + 1
    jitter = 0.0 if rng is None else rng.random(len(windows)) * 4
    order = np.argsort(length + jitter, kind="stable")
    longest = np.maximum.accumulate(length[order])
    groups, begin = [], 0
    while begin < len(order):
        ahead = longest[begin : begin + tokens]  # each row holds one position at least
        fits = ahead * np.arange(1, len(ahead) + 1) <= tokens
        size = max(int(np.argmin(fits)) if not fits.all() else len(fits), 1)
        groups.append(order[begin : begin + size])
        begin += size
    return groups if rng is None else [groups[k] for k in rng.permutation(len(groups))]


def batch(histories: Histories, windows: Windows) -> Batch:
    """The events of the windows as padded codes."""
    width = max(int(windows.length.max(initial=0)), 1)
    index = windows.start[:, None] + np.arange(width)
    real = index < windows.stop[:, None]
    index = np.where(real, index, 0)
    if not len(histories.at):
        return _blank(index.shape)
    at = histories.at[index]
    first = index == histories.offsets[windows.customer][:, None]
    gap = np.where(first, 0, at - histories.at[np.maximum(index - 1, 0)]) / SECOND
    begin = at[:, :1]
    return Batch(
        item=_codes(histories.item[index], real),
        kind=_codes(histories.kind[index], real),
        clock=_codes(Snapshots(customer=index, at=at).clock, real),
        gap=_codes(gap_bucket(np.where(real, gap, 0.0)), real),
        channel=_codes(histories.channel[index], real),
        region=_codes(histories.region[index], real),
        phase=_codes(histories.phase[index], real),
        price=torch.from_numpy(np.where(real[:, :, None], histories.price[index], np.nan)),
        seconds=torch.from_numpy(np.where(real, (at - begin) / SECOND, 0.0).astype(np.float32)),
    )


def present(histories: Histories, snapshots: Snapshots) -> Present:
    """What is known of each customer at the instant of the answer."""
    return Present(
        facts=torch.from_numpy(facts(histories, snapshots)),
        hour=torch.from_numpy(snapshots.hour),
        weekday=torch.from_numpy(snapshots.weekday),
    )


def _codes(values: np.ndarray, real: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.where(real, values, 0).astype(np.int64))


def _blank(shape: tuple[int, ...]) -> Batch:
    zero = torch.zeros(shape, dtype=torch.int64)
    return Batch(item=zero, kind=zero, clock=zero, gap=zero, channel=zero, region=zero, phase=zero,
                 price=torch.full((*shape, 3), torch.nan), seconds=torch.zeros(shape))  # fmt: skip
