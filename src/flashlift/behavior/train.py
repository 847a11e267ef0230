"""Fit the behavior model: read a log, train the network, calibrate it on a later window."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from flashlift.behavior.checkpoint import remove
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.content import Content
from flashlift.behavior.contrast import NextWindow
from flashlift.behavior.histories import Histories, instant
from flashlift.behavior.looks import look_at
from flashlift.behavior.loop import train
from flashlift.behavior.model import HAZARD_HOURS, EventTransformer
from flashlift.behavior.objective import Objective
from flashlift.behavior.orders import calibrate_categories
from flashlift.behavior.predict import BehaviorModel
from flashlift.behavior.purchase import PurchaseIntent
from flashlift.behavior.ranking import refit_ranking
from flashlift.behavior.reading import inference, read
from flashlift.behavior.sample import read_sample
from flashlift.behavior.snapshots import Snapshots
from flashlift.behavior.vocabulary import Vocabulary
from flashlift.domain import Split
from flashlift.protocols import FloatArray, Progress, Tracker, silent
from flashlift.schema import Events, Promotions, Tables

__all__ = ["fit"]

DEFAULTS = BehaviorConfig()
PRETRAINING = "pretraining"  # folder within that of the checkpoint


def fit(
    tables: Tables,
    *,
    split: Split,
    config: BehaviorConfig = DEFAULTS,
    texts: tuple[Sequence[str], npt.NDArray[Any]] | None = None,
    seed: int,
    progress: Progress = silent,
    tracker: Tracker | None = None,
    checkpoint: Path | None = None,
) -> BehaviorModel:
    """Train on events before `split.train_end`, stop and calibrate on those before `split.valid_end`.

    The first half of the validation window says when to stop. The purchase intent is stacked and calibrated on the
    whole of it, which no weight of the network was fitted on. Nothing at or after `valid_end` is read. Events without
    a customer are left out. Without purchases the model ranks items and has no purchase intent.

    Args:
        tables: the shop's tables.
        split: train, validation and test by time.
        config: sizes and budgets.
        texts: item ids and the language model's vectors of their texts (n, d), a zero row for no text; None trains on
            ids alone.
        seed: of everything random.
        progress: told the steps.
        tracker: told the metrics of every look at the validation window; the caller closes it.
        checkpoint: folder that keeps where the training stands. A training that was killed or interrupted resumes from
            it when the same data, settings and seed come again, and ends with the same bits on the CPU. It is
            deleted when the model is done.

    Raises:
        ArtifactError: the checkpoint is damaged.
        InsufficientDataError: no customer has two events at different times before `train_end`, or there are no
            events in the first half of the validation window.
    """
    rng = np.random.default_rng(seed)
    events = read_sample(tables.events, split.valid_end, config.max_events, rng=rng)
    past = events.filter(Events.at.col < split.train_end)
    vocabulary = Vocabulary.fit(past, max_items=config.max_items, items=tables.items)
    content = None if texts is None else Content.fit(*texts, vocabulary, config.width)
    histories = Histories.build(events, vocabulary, before=split.valid_end, promotions=tables.promotions)
    train_end, stop = instant(split.train_end), instant(split.valid_end)
    middle = (train_end + stop) // 2
    with _torch(config.threads, seed):
        objective = Objective.build(histories, vocabulary.n_trained, config, train_end, middle, rng=rng)
        network = EventTransformer(config, vocabulary, None if content is None else torch.from_numpy(content.vectors))
        objective.prepare(network, rng=rng)
        if config.pretrain_steps:
            first = NextWindow(histories=histories, config=config, train_end=train_end, middle=middle)
            steps = replace(config, max_steps=config.pretrain_steps, patience=config.pretrain_steps)
            kept = None if checkpoint is None else checkpoint / PRETRAINING
            train(network, first, steps, rng=rng, progress=progress, tracker=tracker, checkpoint=kept)
        training = train(network, objective, config, rng=rng, progress=progress, tracker=tracker, checkpoint=checkpoint)
        timing = deepcopy(network)
        timing.load_state_dict(training.weights[objective.criteria[-1]])
        refit_ranking(objective.losses, network, objective.probes["valid"])
        ranked = look_at(objective.losses, network, objective.probes["valid"]).get("ndcg@10")
        network.eval()
        timing.eval()

    def says(snapshots: Snapshots) -> FloatArray:
        with inference(config.threads):
            return read(timing, histories, snapshots, config).log_survival

    edges = np.array(HAZARD_HOURS, dtype=np.float64)
    intent = PurchaseIntent.fit(histories, edges, says, borders=(train_end, stop), rng=rng)
    calibrate_categories(network, histories, middle, stop, config, rng=rng)
    spent = histories.order_value[np.isfinite(histories.order_value)]
    facts = training.facts() | {
        "events": len(histories.at),
        "customers": histories.n_customers,
        "items": vocabulary.n_trained,
        "first_event": str(events[Events.at.name].min()),
        "train_end": split.train_end.isoformat(),
        "valid_end": split.valid_end.isoformat(),
        "largest_order": float(spent.max(initial=0.0)),
        "ndcg@10_after_refit": ranked,
    }
    if checkpoint is not None:
        remove(checkpoint / PRETRAINING)
        remove(checkpoint)
    return BehaviorModel(
        config=config,
        vocabulary=vocabulary,
        network=network,
        timing=timing,
        content=content,
        promotions=Promotions.create_empty() if tables.promotions is None else tables.promotions,
        intent=intent,
        facts=facts,
    )


@contextmanager
def _torch(threads: int, seed: int) -> Iterator[None]:
    """PyTorch with `threads` threads and its generator at `seed`; both as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.set_num_threads(before)
