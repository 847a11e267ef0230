"""The fitted model: states, calibrated intent and item scores of customers as of a moment; save and load."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch

from flashlift import artifacts
from flashlift.artifacts import Artifact
from flashlift.behavior.batches import Windows, batch, by_length, last_windows, present
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories, Vocabulary, instant
from flashlift.behavior.intent import Intent
from flashlift.behavior.model import HAZARD_HOURS, EventTransformer, log_survival
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.trend import trend_now
from flashlift.errors import ArtifactError, InsufficientDataError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["KIND", "BehaviorModel", "inference", "item_scores", "read"]

KIND = "behavior"


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviorModel:
    """A trained network with its calibration; keeps the promises of CustomerEncoder, IntentModel and Recommender.

    Args:
        config: sizes it was built with.
        vocabulary: the items that it knows.
        network: the weights, ready for inference.
        intent: calibration and base rates; None where the log had too few purchases to calibrate on.
        facts: what happened in training: steps, minutes, losses, events.
    """

    config: BehaviorConfig
    vocabulary: Vocabulary
    network: EventTransformer
    intent: Intent | None
    facts: dict[str, Any]

    def encode(self, events: pl.DataFrame, customers: Sequence[str], at: datetime) -> FloatArray:
        """State of each customer as of `at`, history and present fused, (n_customers, width)."""
        histories, rows = self._histories(events, customers, at)
        with inference(self.config.threads):
            answer = read(self.network, histories, _snapshots(histories, at), self.config).answer
        return answer.numpy().astype(np.float64)[rows]

    def purchase_probability(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, horizons_hours: Sequence[float]
    ) -> FloatArray:
        """Calibrated P(an order begins within h of `at`), (n_customers, n_horizons), rising with h.

        An order that began before `at` does not count, even where lines of it follow. Customers without
        events get the shop's base rate.

        Raises:
            InsufficientDataError: the log that the model was fitted on had too few purchases.
            InputError: a horizon is not in (0, 720] hours.
        """
        histories, rows = self._histories(events, customers, at)
        return self.intent_at(histories, _snapshots(histories, at), horizons_hours)[rows]

    def intent_at(self, histories: Histories, snapshots: Snapshots, horizons_hours: Sequence[float]) -> FloatArray:
        """The same for snapshots of histories coded by this model's vocabulary, (n, n_horizons)."""
        if self.intent is None:
            raise InsufficientDataError(
                "The behavior model has no purchase intent, because its log holds too few purchases around the end of "
                "training. Train it on a longer log; ranking works without."
            )
        with inference(self.config.threads):
            logs = read(self.network, histories, snapshots, self.config).log_survival
        known = histories.end(snapshots.customer, snapshots.at) > histories.offsets[snapshots.customer]
        return self.intent.probability(logs, known, horizons_hours)

    def score(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, item_ids: Sequence[str]
    ) -> FloatArray:
        """Log P(next item) up to a constant of the customer, (n_customers, n_items).

        `events` is the log of the whole shop: what is popular lately is read from it. Items that were unknown
        in training are ranked by their popularity and by the customer's own history with them.
        """
        vocabulary = self.vocabulary.extended(item_ids)
        histories, rows = self._histories(events, customers, at, vocabulary)
        trend = trend_now(events, at, item_ids, self.config.trend_days)
        snapshots = _snapshots(histories, at)
        with inference(self.config.threads):
            state = read(self.network, histories, snapshots, self.config).state
            codes = vocabulary.codes(item_ids)
            seen = _times_seen(histories, last_windows(histories, snapshots, self.config.max_length), codes)
            return item_scores(self.network, state, codes, trend, seen)[rows]

    def save(self, folder: Path, *, inputs: str = "") -> None:
        """Write the model as an artifact; `inputs` is the digest of what it was made from.

        Raises:
            OutputError: the place cannot be written.
        """
        arrays = {f"network.{name}": value.numpy() for name, value in self.network.state_dict().items()}
        manifest = {"config": asdict(self.config), "facts": self.facts}
        if self.intent is not None:
            arrays |= self.intent.arrays()
        frames = {"items": self.vocabulary.items}
        artifacts.save(Artifact(kind=KIND, manifest=manifest, inputs=inputs, arrays=arrays, frames=frames), folder)

    @classmethod
    def load(cls, folder: Path) -> BehaviorModel:
        """Read a saved model back; it answers exactly as before.

        Raises:
            ArtifactError: missing, damaged or of another version.
        """
        saved = artifacts.load(folder, KIND)
        try:
            config = BehaviorConfig(**saved.manifest["config"])
            vocabulary = Vocabulary(items=saved.frames["items"])
            weights = {
                name.removeprefix("network."): torch.from_numpy(value)
                for name, value in saved.arrays.items()
                if name.startswith("network.")
            }
            with torch.random.fork_rng(devices=[]):
                network = EventTransformer(config, vocabulary.size)
            network.load_state_dict(weights)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ArtifactError(f"{folder} is of another version ({error}). Delete it and train again.") from error
        network.eval()
        facts = dict(saved.manifest["facts"])
        intent = Intent.from_arrays(saved.arrays)
        return cls(config=config, vocabulary=vocabulary, network=network, intent=intent, facts=facts)

    def _histories(
        self, events: pl.DataFrame, customers: Sequence[str], at: datetime, vocabulary: Vocabulary | None = None
    ) -> tuple[Histories, IntArray]:
        """Histories before `at`, and for each customer asked for the row of its history."""
        histories = Histories.build(events, vocabulary or self.vocabulary, before=at, customers=customers)
        place = {name: row for row, name in enumerate(histories.customers)}
        return histories, np.array([place[name] for name in customers], dtype=np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the network says of n snapshots.

    Args:
        state: history alone, (n, width).
        answer: history and present fused, (n, width).
        log_survival: ln P(no order until the end of each hazard bin), (n, n_bins), not calibrated.
    """

    state: torch.Tensor
    answer: torch.Tensor
    log_survival: FloatArray


def read(network: EventTransformer, histories: Histories, snapshots: Snapshots, config: BehaviorConfig) -> Reading:
    """Read the histories of snapshots."""
    windows = last_windows(histories, snapshots, config.max_length)
    n = len(windows)
    state, answer, logs = (torch.empty(n, size) for size in (config.width, config.width, len(HAZARD_HOURS)))
    for rows in by_length(windows, config.tokens_per_batch):
        part, index = windows.take(rows), torch.from_numpy(rows)
        last = network(batch(histories, part))[torch.arange(len(rows)), torch.from_numpy(part.length)]
        now = present(histories, snapshots.take(rows))
        state[index] = last
        answer[index] = network.answer(last, now)
        logs[index] = log_survival(network.hazards(answer[index], now))
    return Reading(state=state, answer=answer, log_survival=logs.numpy().astype(np.float64))


def item_scores(
    network: EventTransformer, state: torch.Tensor, codes: IntArray, trend: FloatArray, seen: FloatArray
) -> FloatArray:
    """Logits of items, (n, n_items), from states (n, width), log popularity (n_items,) and times seen (n, n_items).

    Items without a vector get the mean taste for those that have one.
    """
    known = codes < network.item.num_embeddings
    chosen = torch.from_numpy(np.where(known, codes, 0))
    query = network.item_query(state)
    taste = query @ network.item(chosen).T
    if not known.all():
        usual = query @ network.item.weight[1:].mean(dim=0)
        taste = torch.where(torch.from_numpy(known), taste, usual[:, None])
    rest = network.trend_weight * torch.from_numpy(trend) + network.seen_weight * torch.from_numpy(np.log1p(seen))
    scores: FloatArray = (taste + rest).numpy().astype(np.float64)
    return scores


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


def _snapshots(histories: Histories, at: datetime) -> Snapshots:
    everybody = np.arange(histories.n_customers)
    return Snapshots(customer=everybody, at=np.full(len(everybody), instant(at)))


def _times_seen(histories: Histories, windows: Windows, codes: IntArray) -> FloatArray:
    """How often each of `codes` stands in each window, (n_windows, n_codes)."""
    owner = np.repeat(np.arange(len(windows)), windows.length)
    index = np.arange(len(owner)) + np.repeat(
        windows.start - np.cumsum(windows.length) + windows.length, windows.length
    )
    distinct, column = np.unique(codes, return_inverse=True)
    place = np.searchsorted(distinct, histories.item[index])
    found = distinct[np.minimum(place, len(distinct) - 1)] == histories.item[index]
    flat = owner[found] * len(distinct) + place[found]
    table = np.bincount(flat, minlength=len(windows) * len(distinct)).reshape(len(windows), len(distinct))
    return table[:, column].astype(np.float64)
