"""How good is the network so far? Losses, AUC and NDCG on questions that stay the same from look to look."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from sklearn.metrics import roc_auc_score

from flashlift.behavior.batches import Windows, batch, by_length, last_windows, present
from flashlift.behavior.losses import Losses, Questions
from flashlift.behavior.model import HAZARD_HOURS, EventTransformer, log_survival
from flashlift.behavior.snapshots import HOUR, Snapshots, hours_to_purchase, spread_snapshots
from flashlift.protocols import FloatArray

__all__ = ["Probe", "look_at"]

CUSTOMERS = 1024
MOMENTS = 2048
RANKED = 512  # questions whose whole ranking is looked at


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Fixed questions: next items of `windows` in [begin, end), and purchases after `moments`, seen until `end`."""

    windows: Windows
    begin: int
    end: int
    moments: Snapshots

    @classmethod
    def choose(cls, losses: Losses, begin: int, end: int, *, rng: np.random.Generator) -> Self:
        """Customers who act in [begin, end) (microseconds), and random moments in it."""
        histories = losses.histories
        everybody = np.arange(histories.n_customers)
        first, last = (histories.end(everybody, np.full(len(everybody), t)) for t in (begin, end))
        active = np.sort(rng.permutation(np.flatnonzero(last > first))[:CUSTOMERS])
        ends = Snapshots(customer=active, at=np.full(len(active), end))
        moments = spread_snapshots(histories, begin, end, n=MOMENTS, rng=rng)
        windows = last_windows(histories, ends, losses.config.max_length)
        return cls(windows=windows, begin=begin, end=end, moments=moments)


def look_at(losses: Losses, network: EventTransformer, probe: Probe) -> dict[str, float]:
    """loss, item_loss, ndcg@10, hazard_loss, category_loss, value_loss, auc; what the data does not hold is absent.

    `loss` is the sum of the others but for the hazards, as they are weighted in training. AUC judges
    P(purchase within h) for the longest bin h that is at most half of the window. No generator of the training is
    touched.
    """
    network.eval()
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        metrics = _items(losses, network, probe) | _purchases(losses, network, probe)
    parts = [value for name, value in metrics.items() if name.endswith("_loss") and name != "hazard_loss"]
    return metrics | {"loss": sum(parts)}


def _items(losses: Losses, network: EventTransformer, probe: Probe) -> dict[str, float]:
    rng = np.random.default_rng(0)
    loss, asked_all = 0.0, 0
    gains: list[FloatArray] = []
    for rows in by_length(probe.windows, losses.config.tokens_per_batch):
        windows = probe.windows.take(rows)
        states = network(batch(losses.histories, windows).to(network.device))
        asked = losses.questions(windows, probe.begin, probe.end, rng=rng)
        loss += float(losses.item_loss(network, states, asked, rng=rng)) * len(asked)
        asked_all += len(asked)
        if len(asked) and len(gains) * 64 < RANKED:
            some = asked.take(np.sort(rng.permutation(len(asked))[:64]))
            gains.append(_gain(losses, network, states, some))
    if not asked_all:
        return {}
    return {"item_loss": loss / asked_all, "ndcg@10": float(np.concatenate(gains).mean())}


def _gain(losses: Losses, network: EventTransformer, states: torch.Tensor, asked: Questions) -> FloatArray:
    """1 / log2(1 + rank) of what came if among the first ten of all items, else 0."""
    codes = np.arange(1, losses.n_items + 1)
    every = torch.from_numpy(codes).to(network.device)
    taste = network.taste(losses.item_query(network, states, asked), network.item(every))
    trend = torch.from_numpy(losses.trend.logs[losses.trend.row(asked.snapshots.at)][:, codes]).to(network.device)
    own = torch.from_numpy(losses.seen.features(asked.snapshots, codes)).to(network.device)
    logit = network.item_logit(taste, trend, own).cpu()
    rank = (logit > logit.gather(1, torch.from_numpy(asked.code - 1)[:, None])).sum(dim=1).numpy()
    gain: FloatArray = np.where(rank < 10, 1 / np.log2(rank + 2), 0.0)
    return gain


def _purchases(losses: Losses, network: EventTransformer, probe: Probe) -> dict[str, float]:
    histories, moments = losses.histories, probe.moments
    if not len(histories.order_at) or not len(moments.at):
        return {}
    state = _states(losses, network, moments)
    costs = losses.purchase_losses(network, state, moments, np.ones(len(moments.at)), probe.end)
    metrics = {name: float(value) for name, value in costs.items()}
    fits = [k for k, edge in enumerate(HAZARD_HOURS) if edge <= (probe.end - probe.begin) / HOUR / 2]
    if not fits:
        return metrics
    edge = HAZARD_HOURS[fits[-1]]
    now = present(histories, moments).to(network.device)
    survival = log_survival(network.hazards(network.answer(state, now), now))[:, fits[-1]].float().cpu().numpy()
    hours, seen = hours_to_purchase(histories, moments, until=probe.end)
    bought = seen & (hours < edge)
    watched = bought | (moments.at + edge * HOUR <= probe.end)
    if bought.any() and (watched & ~bought).any():
        metrics["auc"] = float(roc_auc_score(bought[watched], -survival[watched]))
    return metrics


def _states(losses: Losses, network: EventTransformer, moments: Snapshots) -> torch.Tensor:
    windows = last_windows(losses.histories, moments, losses.config.max_length)
    state = torch.empty(len(windows), 2 * losses.config.width, device=network.device)
    for rows in by_length(windows, losses.config.tokens_per_batch):
        part = windows.take(rows)
        hidden = network(batch(losses.histories, part).to(network.device))
        state[torch.from_numpy(rows)] = hidden[torch.arange(len(rows)), torch.from_numpy(part.length)].to(state.dtype)
    return state
