"""The one training loop of this room: draw a batch, step, report."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from flashlift.protocols import Progress, silent

__all__ = ["descend", "torch_at"]

PROGRESS_EVERY = 5  # steps


def descend(
    weights: Iterable[nn.Parameter],
    loss: Callable[[], Tensor],
    *,
    steps: int,
    rate: float,
    task: str,
    progress: Progress = silent,
) -> None:
    """Change `weights` in place by `steps` steps of AdamW on the loss of freshly drawn batches.

    The rate warms up over the first tenth, then falls along a cosine; gradients are clipped at norm 1.
    """
    trained = list(weights)
    optimizer = torch.optim.AdamW(trained, lr=rate, weight_decay=0.01)
    warm = max(steps // 10, 1)
    smoothed = math.nan
    for step in range(1, steps + 1):
        pace = step / warm if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / steps))
        for group in optimizer.param_groups:
            group["lr"] = rate * pace
        optimizer.zero_grad(set_to_none=True)
        value = loss()
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()
        now = value.item()
        smoothed = now if math.isnan(smoothed) else 0.9 * smoothed + 0.1 * now
        if step % PROGRESS_EVERY == 0 or step == steps:
            progress(task, step, steps, f"loss {smoothed:.3f}")


@contextmanager
def torch_at(threads: int, seed: int) -> Iterator[None]:
    """PyTorch with `threads` threads and its generator at `seed`; both as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
