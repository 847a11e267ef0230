"""What the network is trained for, and how well it does on later events."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from torch import Tensor

from flashlift.behavior.batches import Windows, batch, present
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories, count_before
from flashlift.behavior.looks import Probe, look_at
from flashlift.behavior.losses import Losses, at_position
from flashlift.behavior.model import Batch, EventTransformer, hazard_loss
from flashlift.behavior.snapshots import Snapshots, hours_to_purchase, spread_snapshots
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Objective"]

FORGOTTEN = 0.02  # share of items
USUAL_SNAPSHOTS = 10_000
USUAL_PENALTY = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """Next items after every event, and purchases after random moments.

    Time, category and value of the next purchase are asked at random moments between events, because a sale starts
    at the shop's moment and not just after a click.

    Args:
        losses: what an answer costs.
        train_end: weights see nothing at or after it, microseconds.
        probes: fixed questions of the training and the validation window.
    """

    losses: Losses
    train_end: int
    probes: dict[str, Probe]

    @classmethod
    def build(
        cls,
        histories: Histories,
        n_items: int,
        config: BehaviorConfig,
        train_end: int,
        middle: int,
        *,
        rng: np.random.Generator,
    ) -> Self:
        """Train before `train_end`, validate in [train_end, middle) (microseconds).

        Raises:
            InsufficientDataError: nothing to learn from, or nothing to validate on.
        """
        losses = Losses.build(histories, n_items, config, middle)
        if not ((losses.opening > histories.offsets[histories.owner()]) & (histories.at < train_end)).any():
            raise InsufficientDataError(
                "No customer has events at two different times before the end of training, so there is no sequence "
                "to learn from. Give a longer log, or move the split."
            )
        if not ((histories.at >= train_end) & (histories.at < middle)).any():
            raise InsufficientDataError(
                "There are no events in the first half of the validation window, so training cannot know when to "
                "stop. Give a longer log, or move the split."
            )
        before = max(2 * train_end - middle, int(histories.at.min()))  # as long as the validation window
        probes = {
            "train": Probe.choose(losses, before, train_end, rng=rng),
            "valid": Probe.choose(losses, train_end, middle, rng=rng),
        }
        return cls(losses=losses, train_end=train_end, probes=probes)

    @property
    def histories(self) -> Histories:
        """The data."""
        return self.losses.histories

    @property
    def criteria(self) -> tuple[str, ...]:
        """The loss of items, category and value; and, where there are purchases, that of their time alone.

        They part soon on small logs: what a customer takes next can be learned over many passes, when he buys is
        learned in a few and then only remembered.
        """
        timed = len(self.histories.order_at) and len(self.probes["valid"].moments.at)
        return ("valid/loss", "valid/hazard_loss") if timed else ("valid/loss",)

    def prepare(self, network: EventTransformer, *, rng: np.random.Generator) -> None:
        """Take scales from the training window, and fit the linear part of the hazards to convergence.

        That part is a convex problem that gradient steps would solve slowly; what the history adds is then learned
        on top of a good proportional answer, not instead of it.
        """
        histories = self.histories
        network.price.learn_borders(torch.from_numpy(histories.price[histories.at < self.train_end]))
        spent = np.log(histories.order_value[histories.order_at < self.train_end])
        spent = spent[np.isfinite(spent)]
        if len(spent):
            network.value_norm.copy_(torch.tensor([spent.mean(), max(spent.std(), 0.1)]))
        start = int(histories.at.min())
        snapshots = spread_snapshots(histories, start, self.train_end, n=USUAL_SNAPSHOTS, rng=rng)
        now = present(histories, snapshots)
        network.facts_mean.copy_(now.facts.mean(dim=0))
        network.facts_scale.copy_(now.facts.std(dim=0).clamp(min=0.1))
        if len(histories.order_at):
            _fit_usual_hazards(network, histories, snapshots, self.train_end)

    def training_loss(self, network: EventTransformer, windows: Windows, *, rng: np.random.Generator) -> Tensor:
        """Loss of a batch of windows of events before `train_end`."""
        states = network(_forget_some(batch(self.histories, windows)).to(network.device))  # (B, T, 2 C)
        asked = self.losses.questions(windows, 0, self.train_end, rng=rng)
        loss = self.losses.item_loss(network, states, asked, rng=rng)
        if len(self.histories.order_at):
            row, snapshots, weight = self.cut(windows, rng=rng)
            position = count_before(self.histories.at, windows.start[row], windows.stop[row], snapshots.at)
            state = states[at_position(network, row, position - windows.start[row])]
            each = self.losses.purchase_losses(network, state, snapshots, weight, self.train_end)
            loss = loss + torch.stack(list(each.values())).sum()
        return loss

    def look(self, network: EventTransformer) -> dict[str, float]:
        """Metrics of both windows, see `look_at`; `criteria` decide when training stops."""
        parts = {part: look_at(self.losses, network, probe) for part, probe in self.probes.items()}
        return {f"{part}/{name}": value for part, metrics in parts.items() for name, value in metrics.items()}

    def cut(self, windows: Windows, *, rng: np.random.Generator) -> tuple[IntArray, Snapshots, FloatArray]:
        """`cuts` random moments in each window's stretch of time: its row, the snapshot, and the time it stands for.

        Weighted by time, they are a cross-section of all customers since their first event.
        """
        full = np.repeat(np.flatnonzero(windows.length > 0), self.losses.config.cuts)
        begin = self.histories.at[windows.start[full]] + 1
        stop = windows.stop[full]
        more = stop < self.histories.offsets[windows.customer[full] + 1]
        end = np.where(more, self.histories.at[np.minimum(stop, len(self.histories.at) - 1)] + 1, self.train_end)
        end = np.maximum(np.minimum(end, self.train_end), begin)
        moment = begin + (rng.random(len(full)) * (end - begin)).astype(np.int64)
        return full, Snapshots(customer=windows.customer[full], at=moment), (end - begin + 1).astype(np.float64)


def _fit_usual_hazards(network: EventTransformer, histories: Histories, snapshots: Snapshots, until: int) -> None:
    hours, seen = hours_to_purchase(histories, snapshots, until=until)
    waited, bought, weight = torch.from_numpy(hours).float(), torch.from_numpy(seen), torch.ones(len(hours))
    now = present(histories, snapshots)
    optimizer = torch.optim.LBFGS(network.usual.parameters(), max_iter=40, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = hazard_loss(network.usual_hazards(now), waited, bought, weight)
        loss = loss + USUAL_PENALTY * network.usual.weight.square().sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]


def _forget_some(read: Batch) -> Batch:
    """Now and then an item is unknown, so that the network knows what to make of unknown ones."""
    return replace(read, item=torch.where(torch.rand(read.item.shape) < FORGOTTEN, 0, read.item))
