"""The losses of one log: the next item after an event; time, category and value of the next purchase."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F  # noqa: N812

from flashlift.behavior.batches import Windows, present
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import WANTED, Histories
from flashlift.behavior.model import EventTransformer, hazard_loss, value_loss
from flashlift.behavior.next_item import draw_negatives, next_item_loss
from flashlift.behavior.own_categories import own_categories
from flashlift.behavior.seen import Seen
from flashlift.behavior.snapshots import Snapshots, hours_to_purchase, next_order, spent
from flashlift.behavior.trend import Trend
from flashlift.protocols import FloatArray, IntArray

__all__ = ["Losses", "Questions", "at_position"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """Next items asked for: which item came at snapshots[k], after `position` events of window `row`?"""

    row: IntArray
    position: IntArray
    code: IntArray
    snapshots: Snapshots

    def __len__(self) -> int:
        return len(self.row)

    def take(self, rows: IntArray) -> Self:
        """The questions of these rows."""
        return type(self)(
            row=self.row[rows], position=self.position[rows], code=self.code[rows], snapshots=self.snapshots.take(rows)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """What an answer costs.

    The next item is asked for from what was before its *instant*: the lines of one order are a basket, and a basket
    is asked for as a whole, never completed from its own first lines.

    Args:
        histories: all that may be read.
        n_items: codes 1..n_items have events in the training window; they are what may come next.
        config: budgets and weights.
        opening: index of the first event at each event's instant, (n_events,).
        trend: popularity of items at instants.
        seen: the customers' own items.
    """

    histories: Histories
    n_items: int
    config: BehaviorConfig
    opening: IntArray
    trend: Trend
    seen: Seen

    @classmethod
    def build(cls, histories: Histories, n_items: int, config: BehaviorConfig, until: int) -> Self:
        """Index a log; popularity is counted before `until` (microseconds)."""
        return cls(
            histories=histories,
            n_items=n_items,
            config=config,
            opening=first_of_instant(histories),
            trend=Trend.build(histories, n_items + 1, until, config.trend_days),
            seen=Seen.build(histories, n_items + 1),
        )

    def questions(
        self,
        windows: Windows,
        begin: int,
        end: int,
        *,
        rng: np.random.Generator,
    ) -> Questions:
        """Every event of the windows in [begin, end) (microseconds) with a vector, some at random if many."""
        length = windows.length
        row = np.repeat(np.arange(len(windows)), length)
        index = np.arange(len(row)) + np.repeat(windows.start - np.cumsum(length) + length, length)
        at, code = self.histories.at[index], self.histories.item[index]
        kind = self.histories.kind[index]
        wanted = np.array(WANTED)[kind] & (code > 0) & (code <= self.n_items)
        places = np.flatnonzero(wanted & (at >= begin) & (at < end))
        if len(places) > self.config.questions:
            places = np.sort(rng.choice(places, self.config.questions, replace=False))
        row, index = row[places], index[places]
        return Questions(
            row=row,
            position=np.maximum(self.opening[index] - windows.start[row], 0),
            code=self.histories.item[index],
            snapshots=Snapshots(customer=windows.customer[row], at=self.histories.at[index]),
        )

    def item_query(self, network: EventTransformer, states: Tensor, asked: Questions) -> Tensor:
        """Item queries at the questions, (N, C)."""
        now = present(self.histories, asked.snapshots).to(network.device)
        return network.item_query(network.answer(states[at_position(network, asked.row, asked.position)], now))

    def item_loss(
        self, network: EventTransformer, states: Tensor, asked: Questions, *, rng: np.random.Generator
    ) -> Tensor:
        """Mean loss of the next items."""
        if not len(asked):
            return states.sum() * 0.0
        drawn = draw_negatives(asked.code, self.n_items, self.config.negatives, self.config.uniform_frac, rng=rng)
        trend = self.trend.row(asked.snapshots.at)
        send = _sender(network)
        return next_item_loss(
            network,
            self.item_query(network, states, asked),
            send(asked.code),
            (send(drawn[0]), send(drawn[1].astype(np.float32))),
            (send(self.trend.logs[trend, asked.code]), send(self.trend.logs[:, drawn[0]][trend])),
            self._own(network, asked, drawn[0]),
        )

    def _own(
        self, network: EventTransformer, asked: Questions, sampled: IntArray
    ) -> tuple[Tensor | None, Tensor | None]:
        if not self.seen.repeats:
            return None, None
        targets = self.seen.features(asked.snapshots, asked.code[:, None])[:, 0]
        send = _sender(network)
        return send(targets), send(self.seen.features(asked.snapshots, sampled))

    def purchase_losses(
        self, network: EventTransformer, state: Tensor, snapshots: Snapshots, weight: FloatArray, until: int
    ) -> dict[str, Tensor]:
        """Weighted losses of time, category and value of the next purchase, from states (N, 2 C) at snapshots."""
        config, histories, send = self.config, self.histories, _sender(network)
        hours, seen = hours_to_purchase(histories, snapshots, until=until)
        now = present(histories, snapshots).to(network.device)
        answer = network.answer(state, now)
        relative = (weight / weight.mean()).astype(np.float32)
        wait, bought = send(hours.astype(np.float32)), send(seen)
        hazards = network.hazards(answer, now)
        losses = {"hazard_loss": config.intent_weight * hazard_loss(hazards, wait, bought, send(relative))}
        index, seen = next_order(histories, snapshots, until=until)
        index = np.minimum(index, len(histories.order_at) - 1)
        category, value = histories.order_category[index], np.log(histories.order_value[index])
        rows = np.flatnonzero(seen & (category > 0))
        if len(rows):
            own = own_categories(histories, snapshots.take(rows))
            logits = network.category_logits(answer[send(rows)], own)
            each = F.cross_entropy(logits, send(category[rows] - 1), reduction="none")
            losses["category_loss"] = config.category_weight * _mean(each, send(relative[rows]))
        rows = np.flatnonzero(seen & np.isfinite(value))
        if len(rows):
            told = network.order_value(answer[send(rows)], send(spent(histories, snapshots.take(rows))))
            each = value_loss(*told, send(value[rows]))
            losses["value_loss"] = config.value_weight * _mean(each, send(relative[rows]))
        return losses


def first_of_instant(histories: Histories) -> IntArray:
    """Index of the first event of the same customer at the same instant, (n_events,)."""
    n = len(histories.at)
    opens = np.ones(n, dtype=np.bool_)
    opens[1:] = histories.at[1:] != histories.at[:-1]
    opens[histories.offsets[:-1][histories.offsets[:-1] < n]] = True
    return np.maximum.accumulate(np.where(opens, np.arange(n), 0))


def at_position(network: EventTransformer, row: IntArray, position: IntArray) -> tuple[Tensor, Tensor]:
    """Index of the states after `position` events of each row."""
    return torch.from_numpy(row).to(network.device), torch.from_numpy(position).to(network.device)


def _sender(network: EventTransformer) -> Callable[[npt.NDArray[Any]], Tensor]:
    """To the network's device."""
    return lambda array: torch.from_numpy(np.ascontiguousarray(array)).to(network.device)


def _mean(each: Tensor, weight: Tensor) -> Tensor:
    return (each * weight).sum() / weight.sum().clamp(min=1e-6)
