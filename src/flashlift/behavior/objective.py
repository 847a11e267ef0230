"""What the network is trained for: the next item after every event, and the time to purchase at random moments."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from flashlift.behavior.batches import Windows, batch, by_length, last_windows, present
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import WANTED, Histories, count_before
from flashlift.behavior.model import Batch, EventTransformer, hazard_loss
from flashlift.behavior.next_item import Asked, next_item_loss
from flashlift.behavior.snapshots import Snapshots, hours_to_purchase, spread_snapshots
from flashlift.behavior.trend import Trend
from flashlift.errors import InsufficientDataError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Objective"]

FORGOTTEN = 0.02  # share of items
ASKED = 2048  # events of a batch at most that are asked for
USUAL_SNAPSHOTS = 10_000
USUAL_PENALTY = 1e-3
VALIDATION_CUSTOMERS = 256
VALIDATION_SNAPSHOTS = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """The losses of one log.

    The next item is asked for from what was before its *instant*: the lines of one order are a basket, and a basket
    is asked for as a whole, never completed from its own first lines. Purchase intent is asked at random
    moments between events, because a sale starts at the shop's moment and not just after a click.

    Args:
        histories: all that may be read.
        config: budgets.
        train_end: weights see nothing at or after it, microseconds.
        middle: the validation loss sees nothing at or after it, microseconds.
        opening: index of the first event at each event's instant, (n_events,).
        trend: popularity of items at instants before `middle`.
        items: windows of the validation loss of the next item.
        moments: snapshots of the validation loss of the purchase intent.
    """

    histories: Histories
    config: BehaviorConfig
    train_end: int
    middle: int
    opening: IntArray
    trend: Trend
    items: Windows
    moments: Snapshots

    @classmethod
    def build(
        cls,
        histories: Histories,
        n_codes: int,
        config: BehaviorConfig,
        train_end: int,
        middle: int,
        *,
        rng: np.random.Generator,
    ) -> Objective:
        """Prepare targets and validation.

        Raises:
            InsufficientDataError: nothing to learn from, or nothing to validate on.
        """
        opening = first_of_instant(histories)
        owner = np.repeat(np.arange(histories.n_customers), np.diff(histories.offsets))
        if not ((opening > histories.offsets[owner]) & (histories.at < train_end)).any():
            raise InsufficientDataError(
                "No customer has events at two different times before the end of training, so there is no sequence "
                "to learn from. Give a longer log, or move the split."
            )
        everybody = np.arange(histories.n_customers)
        at_start, at_end = (histories.end(everybody, np.full(len(everybody), t)) for t in (train_end, middle))
        active = rng.permutation(np.flatnonzero(at_end > at_start))[:VALIDATION_CUSTOMERS]
        if not len(active):
            raise InsufficientDataError(
                "There are no events in the first half of the validation window, so training cannot know when to "
                "stop. Give a longer log, or move the split."
            )
        last = Snapshots(customer=np.sort(active), at=np.full(len(active), middle))
        return cls(
            histories=histories,
            config=config,
            train_end=train_end,
            middle=middle,
            opening=opening,
            trend=Trend.build(histories, n_codes, middle, config.trend_days),
            items=last_windows(histories, last, config.max_length),
            moments=spread_snapshots(histories, train_end, middle, n=VALIDATION_SNAPSHOTS, rng=rng),
        )

    def training_loss(self, network: EventTransformer, windows: Windows, *, rng: np.random.Generator) -> Tensor:
        """Loss of a batch of windows of events before `train_end`."""
        read = batch(self.histories, windows)
        hidden = network(_forget_some(read))  # (B, T, C)
        loss, _ = self._item_loss(network, hidden, read, windows, (0, self.train_end), rng=rng)
        if len(self.histories.order_at):
            row, snapshots, weight = self.cut(windows, rng=rng)
            position = count_before(self.histories.at, windows.start[row], windows.stop[row], snapshots.at)
            state = hidden[torch.from_numpy(row), torch.from_numpy(position - windows.start[row])]
            intent = self._intent_loss(network, state, snapshots, weight, self.train_end)
            loss = loss + self.config.intent_weight * intent
        return loss

    def fit_usual_hazards(self, network: EventTransformer, *, rng: np.random.Generator) -> None:
        """Fit the linear part of the hazards to convergence: a convex problem that gradient steps would solve slowly.

        What the history adds is then learned on top of a good proportional answer, not instead of it.
        """
        start = int(self.histories.at.min())
        snapshots = spread_snapshots(self.histories, start, self.train_end, n=USUAL_SNAPSHOTS, rng=rng)
        hours, seen = hours_to_purchase(self.histories, snapshots, until=self.train_end)
        waited, bought, weight = torch.from_numpy(hours).float(), torch.from_numpy(seen), torch.ones(len(hours))
        now = present(self.histories, snapshots)
        network.facts_mean.copy_(now.facts.mean(dim=0))
        network.facts_scale.copy_(now.facts.std(dim=0).clamp(min=0.1))
        optimizer = torch.optim.LBFGS(network.usual.parameters(), max_iter=40, line_search_fn="strong_wolfe")

        def closure() -> Tensor:
            optimizer.zero_grad()
            loss = hazard_loss(network.usual_hazards(now), waited, bought, weight)
            loss = loss + USUAL_PENALTY * network.usual.weight.square().sum()
            loss.backward()  # type: ignore[no-untyped-call]
            return loss

        optimizer.step(closure)  # type: ignore[no-untyped-call]

    def validation_loss(self, network: EventTransformer) -> float:
        """The same loss on what happened between `train_end` and `middle`, with the same draws at every call."""
        rng = np.random.default_rng(0)
        network.eval()
        total, asked_all = 0.0, 0
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            torch.manual_seed(0)
            for rows in by_length(self.items, self.config.tokens_per_batch):
                windows = self.items.take(rows)
                read = batch(self.histories, windows)
                loss, asked = self._item_loss(
                    network, network(read), read, windows, (self.train_end, self.middle), rng=rng
                )
                total, asked_all = total + float(loss) * asked, asked_all + asked
            items = total / max(asked_all, 1)
            if not len(self.histories.order_at):
                return items
            state = self._states(network)
            weight = np.ones(len(self.moments.at))
            intent = self._intent_loss(network, state, self.moments, weight, self.middle)
            return items + self.config.intent_weight * float(intent)

    def questions(
        self, windows: Windows, begin: int, end: int, *, rng: np.random.Generator
    ) -> tuple[IntArray, IntArray, IntArray]:
        """Every wanted event of the windows in [begin, end) (microseconds) with a vector, at most ASKED at random.

        Returns:
            row of its window, events of the window before its instant, its index; (n,) each.
        """
        length = windows.length
        row = np.repeat(np.arange(len(windows)), length)
        index = np.arange(len(row)) + np.repeat(windows.start - np.cumsum(length) + length, length)
        at = self.histories.at[index]
        wanted = np.array(WANTED)[self.histories.kind[index]] & (self.histories.item[index] > 0)
        places = np.flatnonzero(wanted & (at >= begin) & (at < end))
        if len(places) > ASKED:
            places = np.sort(rng.choice(places, ASKED, replace=False))
        row, index = row[places], index[places]
        return row, np.maximum(self.opening[index] - windows.start[row], 0), index

    def cut(self, windows: Windows, *, rng: np.random.Generator) -> tuple[IntArray, Snapshots, FloatArray]:
        """`cuts` random moments in each window's stretch of time: its row, the snapshot, and the time it stands for.

        Weighted by time, they are a cross-section of all customers since their first event.
        """
        full = np.repeat(np.flatnonzero(windows.length > 0), self.config.cuts)
        begin = self.histories.at[windows.start[full]] + 1
        stop = windows.stop[full]
        more = stop < self.histories.offsets[windows.customer[full] + 1]
        end = np.where(more, self.histories.at[np.minimum(stop, len(self.histories.at) - 1)] + 1, self.train_end)
        end = np.maximum(np.minimum(end, self.train_end), begin)
        moment = begin + (rng.random(len(full)) * (end - begin)).astype(np.int64)
        return full, Snapshots(customer=windows.customer[full], at=moment), (end - begin + 1).astype(np.float64)

    def _item_loss(
        self,
        network: EventTransformer,
        hidden: Tensor,
        read: Batch,
        windows: Windows,
        span: tuple[int, int],
        *,
        rng: np.random.Generator,
    ) -> tuple[Tensor, int]:
        """Loss of the next items in the span, and how many were asked for."""
        row, position, index = self.questions(windows, *span, rng=rng)
        if not len(row):
            return hidden.sum() * 0.0, 0
        asked = Asked(
            row=torch.from_numpy(row),
            position=torch.from_numpy(position),
            code=torch.from_numpy(self.histories.item[index]),
            trend=torch.from_numpy(self.trend.row(self.histories.at[index])),
        )
        logs = torch.from_numpy(self.trend.logs)
        return next_item_loss(network, hidden, read.item, asked, logs, negatives=self.config.negatives), len(row)

    def _states(self, network: EventTransformer) -> Tensor:
        windows = last_windows(self.histories, self.moments, self.config.max_length)
        state = torch.empty(len(windows), self.config.width)
        for rows in by_length(windows, self.config.tokens_per_batch):
            part = windows.take(rows)
            hidden = network(batch(self.histories, part))
            state[torch.from_numpy(rows)] = hidden[torch.arange(len(rows)), torch.from_numpy(part.length)]
        return state

    def _intent_loss(
        self,
        network: EventTransformer,
        state: Tensor,
        snapshots: Snapshots,
        weight: FloatArray,
        until: int,
    ) -> Tensor:
        hours, seen = hours_to_purchase(self.histories, snapshots, until=until)
        now = present(self.histories, snapshots)
        logits = network.hazards(network.answer(state, now), now)
        relative = torch.from_numpy((weight / weight.mean()).astype(np.float32))
        return hazard_loss(logits, torch.from_numpy(hours).float(), torch.from_numpy(seen), relative)


def _forget_some(read: Batch) -> Batch:
    """Now and then an item is unknown, so that the network knows what to make of unknown ones."""
    return replace(read, item=torch.where(torch.rand(read.item.shape) < FORGOTTEN, 0, read.item))


def first_of_instant(histories: Histories) -> IntArray:
    """Index of the first event of the same customer at the same instant, (n_events,)."""
    start = np.repeat(histories.offsets[:-1], np.diff(histories.offsets))
    return count_before(histories.at, start, np.arange(len(start)), histories.at)
