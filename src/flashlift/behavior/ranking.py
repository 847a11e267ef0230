"""Weigh taste, popularity and own history anew on a later slice than the one they were learned on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.batches import batch, by_length
from flashlift.behavior.looks import Probe
from flashlift.behavior.losses import Losses, Questions
from flashlift.behavior.model import EventTransformer
from flashlift.behavior.next_item import draw_negatives
from flashlift.protocols import IntArray

__all__ = ["refit_ranking"]

PER_CUSTOMER = 2  # questions: people count alike, whatever the size of their orders
NEGATIVES = 1024
OWN_ITEMS = 512  # of a customer at most
PULL = 1e-3  # towards what training found


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What stood to choose at N questions; the first of each row came.

    Args:
        cosine: of taste and item, (N, S).
        trend: log popularity, (N, S).
        own: own history, (N, S, N_OWN).
        offset: minus infinity where a row has no such choice; the logQ correction of sampled ones, (N, S).
    """

    cosine: Tensor
    trend: Tensor
    own: Tensor
    offset: Tensor

    def loss(self, network: EventTransformer) -> Tensor:
        """Mean cross entropy of what came."""
        logits = network.item_logit(network.log_scale.exp() * self.cosine, self.trend, self.own) + self.offset
        return F.cross_entropy(logits, torch.zeros(len(logits), dtype=torch.int64))


def refit_ranking(losses: Losses, network: EventTransformer, probe: Probe) -> None:
    """Fit temperature and the weights of popularity and own history by maximum likelihood on the probe, in place.

    A conditional logit with a handful of coefficients (McFadden 1974) on items that came after the training window, of
    all wanted kinds: a purchase alone mostly follows its own cart, and would teach that only what was met is bought.
    The weight of popularity stays positive. Each question's choices are what came, all that the customer has met, and
    shared others, with the logQ correction. The tastes themselves do not change.
    """
    if not losses.seen.repeats and losses.config.trend_days == 0:
        return  # taste alone
    rng = np.random.default_rng(0)
    with torch.no_grad():
        parts = _choices(losses, network, probe, rng)
    if not parts:
        return
    # The temperature is fixed in training: learned there, it lets go of a taste that is still noise.
    weights = [network.log_scale, network.trend_weight, network.own_trend_weight, network.own_weight]
    start = [weight.detach().clone() for weight in weights]
    network.log_scale.requires_grad_(True)
    optimizer = torch.optim.LBFGS(weights, max_iter=30, line_search_fn="strong_wolfe")
    n = sum(len(part.cosine) for part in parts)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = torch.stack([part.loss(network) * (len(part.cosine) / n) for part in parts]).sum()
        for weight, begun in zip(weights, start, strict=True):
            loss = loss + PULL * (weight - begun).square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    network.log_scale.requires_grad_(False)
    network.trend_weight.data.clamp_(min=0.0)


def _choices(losses: Losses, network: EventTransformer, probe: Probe, rng: np.random.Generator) -> list[Choices]:
    network.eval()
    found = []
    asked_in = []
    for rows in by_length(probe.windows, losses.config.tokens_per_batch):
        windows = probe.windows.take(rows)
        asked = losses.questions(windows, probe.begin, probe.end, rng=rng)
        asked = asked.take(_few_each(asked.row, rng))
        if len(asked):
            asked_in.append((windows, asked))
    events = losses.histories.item[(losses.histories.at < probe.begin) & (losses.histories.item > 0)]
    codes, expected = draw_negatives(events[events <= losses.n_items], losses.n_items, NEGATIVES, 0.5, rng=rng)
    for windows, asked in asked_in:
        query = losses.item_query(network, network(batch(losses.histories, windows)), asked)
        for begin in range(0, len(asked), 128):
            rows = np.arange(begin, min(begin + 128, len(asked)))
            found.append(_stand(losses, network, query[torch.from_numpy(rows)], asked.take(rows), codes, expected))
    return found


def _stand(
    losses: Losses,
    network: EventTransformer,
    query: Tensor,
    asked: Questions,
    sampled: IntArray,
    expected: npt.NDArray[np.float64],
) -> Choices:
    met = losses.seen.met(asked.snapshots, OWN_ITEMS)  # (N, M), 0 where there are fewer
    codes = np.concatenate([asked.code[:, None], met, np.broadcast_to(sampled, (len(asked), len(sampled)))], axis=1)
    own = losses.seen.features(asked.snapshots, codes)
    twice = (codes == codes[:, :1]) | (codes == 0)
    twice[:, 1 : met.shape[1] + 1] |= own[:, 1 : met.shape[1] + 1, 0] == 0  # met later only
    twice[:, met.shape[1] + 1 :] |= own[:, met.shape[1] + 1 :, 0] > 0  # stands among the met ones already
    twice[:, 0] = False
    offset = np.where(twice, -np.inf, 0.0)
    offset[:, met.shape[1] + 1 :] -= expected
    vectors = F.normalize(network.item(torch.from_numpy(codes)), dim=-1)  # (N, S, C)
    rows = losses.trend.row(asked.snapshots.at)
    return Choices(
        cosine=(vectors @ query[:, :, None])[:, :, 0],
        trend=torch.from_numpy(losses.trend.logs[rows[:, None], codes]),
        own=torch.from_numpy(own),
        offset=torch.from_numpy(offset.astype(np.float32)),
    )


def _few_each(row: IntArray, rng: np.random.Generator) -> IntArray:
    """Places of at most PER_CUSTOMER questions of each row."""
    mixed = rng.permutation(len(row))
    order = mixed[np.argsort(row[mixed], kind="stable")]
    begin = np.searchsorted(row[order], row[order])
    return np.sort(order[np.arange(len(order)) - begin < PER_CUSTOMER])
