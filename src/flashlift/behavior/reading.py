"""Read histories with the network: states and raw answers of snapshots, and scores of items."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from flashlift.behavior.batches import batch, by_length, last_windows, present
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories
from flashlift.behavior.model import HAZARD_HOURS, EventTransformer, log_survival
from flashlift.behavior.snapshots import Snapshots
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Reading", "inference", "item_scores", "read"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the network says of n snapshots.

    Args:
        answer: history and present fused, (n, C).
        log_survival: ln P(no order until the end of each hazard bin), (n, K), not calibrated.
    """

    answer: torch.Tensor
    log_survival: FloatArray


def read(network: EventTransformer, histories: Histories, snapshots: Snapshots, config: BehaviorConfig) -> Reading:
    """Read the histories of snapshots, in groups of similar length."""
    windows = last_windows(histories, snapshots, config.max_length)
    n = len(windows)
    answer, logs = torch.empty(n, config.width), torch.empty(n, len(HAZARD_HOURS))
    for rows in by_length(windows, config.tokens_per_batch):
        part, index = windows.take(rows), torch.from_numpy(rows)
        last = network(batch(histories, part))[torch.arange(len(rows)), torch.from_numpy(part.length)]
        now = present(histories, snapshots.take(rows))
        answer[index] = network.answer(last, now)
        logs[index] = log_survival(network.hazards(answer[index], now))
    return Reading(answer=answer, log_survival=logs.numpy().astype(np.float64))


def item_scores(
    network: EventTransformer,
    answer: torch.Tensor,
    codes: IntArray,
    trend: FloatArray,
    own: tuple[IntArray, IntArray, npt.NDArray[np.float32]],
) -> FloatArray:
    """Logits of items, (n, S), from answers (n, C), log popularity (S,) and own history as `Seen.sparse` gives it.

    Items without a vector get the mean taste for those that have one.
    """
    known = codes < network.item.n_vectors
    query, popular = network.item_query(answer), torch.from_numpy(trend.astype(np.float32))
    taste = network.taste(query, network.item(torch.from_numpy(np.where(known, codes, 0))))
    if not known.all():
        usual = network.taste(query, network.item(torch.arange(1, network.item.n_vectors))).mean(dim=1)
        taste = torch.where(torch.from_numpy(known), taste, usual[:, None])
    scores = network.item_logit(taste, popular, None)
    row, column = torch.from_numpy(own[0]), torch.from_numpy(own[1])
    scores[row, column] = network.item_logit(taste[row, column], popular[column], torch.from_numpy(own[2]))
    result: FloatArray = scores.numpy().astype(np.float64)
    return result


@contextmanager
def inference(threads: int) -> Iterator[None]:
    """No gradients, and `threads` threads, for the time of the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.inference_mode():
            yield
    finally:
        torch.set_num_threads(before)
