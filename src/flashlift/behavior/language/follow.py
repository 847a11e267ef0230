"""Next-behavior prediction: does visit B follow visit A of the same customer?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from flashlift.behavior.language.encoder import LanguageModel, padded
from flashlift.behavior.language.visits import Visits

__all__ = ["follow_auc", "follow_loss"]


def follow_loss(
    model: LanguageModel, head: nn.Linear, visits: Visits, *, size: int, rng: np.random.Generator
) -> Callable[[], Tensor]:
    """Loss of a fresh batch at every call: `size` / 2 true continuations, and as many of other customers.

    Args:
        model: reads both texts at once.
        head: (d) to the logit of "B follows A".
        visits: those that followed another one.
        size: pairs of a batch.
        rng: draws.
    """

    def loss() -> Tensor:
        a, b, follows = _pairs(visits, rng.integers(visits.frame.height, size=size // 2), rng=rng)
        logit = head(model.pooled(padded(model, model.token_ids(a, b))))[:, 0]
        return F.binary_cross_entropy_with_logits(logit, torch.tensor(follows, dtype=torch.float32).to(logit.device))

    return loss


def follow_auc(model: LanguageModel, head: nn.Linear | None, visits: Visits, *, most: int = 300) -> float:
    """Area under the curve of telling true continuations from others', the same pairs at every call.

    Without a head the score is the cosine of the two texts' vectors. nan without pairs.
    """
    rng = np.random.default_rng(0)
    n = visits.frame.height
    a, b, follows = _pairs(visits, np.sort(rng.permutation(n)[:most]), rng=rng) if n else ([], [], np.array([], bool))
    if len(set(follows.tolist())) < 2:
        return float("nan")
    if head is None:
        both = model.encode([*a, *b]).vectors
        return float(roc_auc_score(follows, (both[: len(a)] * both[len(a) :]).sum(1)))
    scores: list[Tensor] = []
    with torch.inference_mode():
        for start in range(0, len(a), 64):
            batch = padded(model, model.token_ids(a[start : start + 64], b[start : start + 64]))
            scores.append(head(model.pooled(batch))[:, 0].cpu())
    return float(roc_auc_score(follows, torch.cat(scores).numpy()))


def _pairs(
    visits: Visits, rows: npt.NDArray[np.int64], *, rng: np.random.Generator
) -> tuple[list[str], list[str], npt.NDArray[np.bool_]]:
    """Texts A, texts B, and whether B follows A: each row once truly and once with a stranger's visit."""
    others = visits.strangers(rows, rng=rng)
    a, b = visits.frame["before"], visits.frame["sentence"]
    found = others >= 0
    first = np.concatenate([rows, rows[found]])
    second = np.concatenate([rows, others[found]])
    return a[first].to_list(), b[second].to_list(), np.arange(len(first)) < len(rows)
