"""Fit the behavior model: read a log, train the network in one loop, calibrate it on a later window."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from flashlift.behavior.batches import Windows, by_length, training_windows
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories, Vocabulary, instant
from flashlift.behavior.intent import calibration_snapshots, fit_calibrators, outcomes
from flashlift.behavior.model import HAZARD_HOURS, EventTransformer
from flashlift.behavior.objective import Objective
from flashlift.behavior.predict import BehaviorModel, inference, read
from flashlift.behavior.sample import read_sample
from flashlift.domain import Split
from flashlift.protocols import Progress, silent
from flashlift.schema import Events, Tables

__all__ = ["fit"]

log = logging.getLogger(__name__)

DEFAULTS = BehaviorConfig()
TASK = "train behavior"
PROGRESS_EVERY = 5  # steps


def fit(
    tables: Tables, *, split: Split, config: BehaviorConfig = DEFAULTS, seed: int, progress: Progress = silent
) -> BehaviorModel:
    """Train on events before `split.train_end`, stop and calibrate on those before `split.valid_end`.

    The first half of the validation window says when to stop, the second half calibrates, so probabilities are
    made true on a later window than any weight was fitted on. Nothing at or after `valid_end` is read. Events
    without a customer are left out. Without purchases the model ranks items and has no purchase intent.

    Raises:
        InsufficientDataError: no customer has two events at different times before `train_end`, or there are no
            events in the first half of the validation window.
    """
    rng = np.random.default_rng(seed)
    events = read_sample(tables.events, split.valid_end, config.max_events, rng=rng)
    vocabulary = Vocabulary.fit(events.filter(Events.at.col < split.train_end), max_items=config.max_items)
    histories = Histories.build(events, vocabulary, before=split.valid_end)
    train_end, stop = instant(split.train_end), instant(split.valid_end)
    middle = (train_end + stop) // 2
    with _torch(config.threads, seed):
        objective = Objective.build(histories, vocabulary.size, config, train_end, middle, rng=rng)
        network, facts = _train(objective, vocabulary, rng=rng, progress=progress)
        network.eval()
    intent = None
    if len(histories.order_at):
        snapshots = calibration_snapshots(histories, middle, stop, rng=rng)
        with inference(config.threads):
            logs = read(network, histories, snapshots, config).log_survival
        intent = fit_calibrators(np.array(HAZARD_HOURS), logs, *outcomes(histories, snapshots, until=stop))
    facts |= {"events": len(histories.at), "customers": histories.n_customers, "items": vocabulary.items.height}
    return BehaviorModel(config=config, vocabulary=vocabulary, network=network, intent=intent, facts=facts)


@dataclass(slots=True, kw_only=True)
class Best:
    """The best weights so far, and for how many looks nothing was better."""

    loss: float = math.inf
    step: int = 0
    waited: int = 0
    weights: dict[str, Tensor] = field(default_factory=dict)

    def look(self, network: EventTransformer, loss: float, step: int) -> None:
        """Keep the weights if they are better."""
        if loss < self.loss:
            self.loss, self.step, self.waited = loss, step, 0
            self.weights = deepcopy(network.state_dict())
        else:
            self.waited += 1


def _train(
    objective: Objective, vocabulary: Vocabulary, *, rng: np.random.Generator, progress: Progress
) -> tuple[EventTransformer, dict[str, float]]:
    config = objective.config
    network = EventTransformer(config, vocabulary.size)
    if len(objective.histories.order_at):
        objective.fit_usual_hazards(network, rng=rng)
    optimizer = torch.optim.AdamW(_groups(network), weight_decay=config.weight_decay)
    best, begin, read_events = Best(), time.monotonic(), 0
    batches = _batches(objective, rng=rng)
    for step in range(1, config.max_steps + 1):
        windows = next(batches)
        for group in optimizer.param_groups:
            group["lr"] = group["pace"] * config.learning_rate * _warm_then_cosine(step, config.max_steps)
        network.train()
        optimizer.zero_grad(set_to_none=True)
        objective.training_loss(network, windows, rng=rng).backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        read_events += int(windows.length.sum())
        minutes = (time.monotonic() - begin) / 60
        out_of_time = minutes > config.max_minutes
        if step % config.eval_every == 0 or step == config.max_steps or out_of_time:
            best.look(network, objective.validation_loss(network), step)
        if step < config.max_steps and step % PROGRESS_EVERY == 0:
            note = f"loss {best.loss:.3f}, {read_events / max(60 * minutes, 1e-9):,.0f} events/s"
            progress(TASK, step, config.max_steps, note)
        if out_of_time:
            log.warning("Training ran out of its %g minutes at step %d: a rerun may differ.", config.max_minutes, step)
        if out_of_time or best.waited >= config.patience:
            break
    progress(TASK, config.max_steps, config.max_steps, f"best at step {best.step}")
    network.load_state_dict(best.weights)
    return network, {"steps": step, "best_step": best.step, "loss": best.loss, "minutes": minutes}


def _groups(network: EventTransformer) -> list[dict[str, object]]:
    """All weights at the same pace, but for the two scalars of the ranking, which have far to go."""
    scalars = [network.trend_weight, network.seen_weight]
    others = [weight for weight in network.parameters() if not any(weight is scalar for scalar in scalars)]
    return [{"params": others, "pace": 1.0}, {"params": scalars, "pace": 10.0}]


def _batches(objective: Objective, *, rng: np.random.Generator) -> Iterator[Windows]:
    """Batches without end: each pass over the data cuts the histories anew."""
    config, histories = objective.config, objective.histories
    while True:
        windows = training_windows(histories, objective.train_end, config.max_length, rng=rng)
        for rows in by_length(windows, config.tokens_per_batch, rng=rng):
            yield windows.take(rows)


def _warm_then_cosine(step: int, total: int) -> float:
    warm = max(total // 20, 1)
    return step / warm if step < warm else 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * (step - warm) / total))


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
