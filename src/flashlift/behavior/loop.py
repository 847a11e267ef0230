"""The one training loop: batches of histories in; the weights of the best look and a curve of all looks out."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn

from flashlift.behavior.batches import Windows, by_length, training_windows
from flashlift.behavior.checkpoint import Checkpoint, Run
from flashlift.behavior.config import BehaviorConfig
from flashlift.behavior.histories import Histories
from flashlift.behavior.model import EventTransformer
from flashlift.behavior.watch import Watch, interrupts_held
from flashlift.errors import InsufficientDataError, SettingsError
from flashlift.protocols import Progress, Tracker, silent

__all__ = ["Objective", "Training", "pick_device", "train"]

log = logging.getLogger(__name__)

TASK = "train behavior"
BETAS = (0.9, 0.98)
CLIP = 1.0  # norm of the gradient at most
WARM = 20  # one step in so many warms up
FLOOR = 0.05  # of the learning rate, at the end of the cosine
SCALAR_PACE = 10.0  # single numbers, such as the weight of the popularity, have far to go
PROGRESS_EVERY = 5  # steps


class Objective(Protocol):
    """What a network is trained for. `look` must draw nothing from a generator that training uses."""

    @property
    def histories(self) -> Histories:
        """The data."""
        ...

    @property
    def train_end(self) -> int:
        """Weights see nothing at or after it, microseconds."""
        ...

    def training_loss(self, network: EventTransformer, windows: Windows, *, rng: np.random.Generator) -> Tensor:
        """Loss of a batch of windows, on the device of the network."""
        ...

    @property
    def criteria(self) -> tuple[str, ...]:
        """Metrics whose best weights are kept, the smallest wins; training ends when none of them improves."""
        ...

    def look(self, network: EventTransformer) -> dict[str, float]:
        """Metrics named `train/...` and `valid/...`, the criteria among them."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How a training went.

    Args:
        steps: done, over all processes that worked on it.
        best: criterion -> step whose weights were kept.
        weights: criterion -> those weights; `network` carries those of the first criterion.
        loss: first criterion of them.
        minutes: of wall clock, over all processes.
        device: cpu or cuda.
        curves: step, metric, part (train or valid), value.
    """

    steps: int
    best: dict[str, int]
    weights: dict[str, dict[str, Tensor]]
    loss: float
    minutes: float
    device: str
    curves: pl.DataFrame

    def facts(self) -> dict[str, Any]:
        """The same for a manifest; `polars.DataFrame(facts["curves"])` is the frame again."""
        names = ("steps", "best", "loss", "minutes", "device")
        return {name: getattr(self, name) for name in names} | {"curves": self.curves.to_dict(as_series=False)}


def train(
    network: EventTransformer,
    objective: Objective,
    config: BehaviorConfig,
    *,
    rng: np.random.Generator,
    progress: Progress = silent,
    tracker: Tracker | None = None,
    checkpoint: Path | None = None,
) -> Training:
    """Train `network` in place until the steps are done or the later window stops improving, and keep the best weights.

    AdamW with decoupled decay (Loshchilov and Hutter 2019), linear warm-up, then a cosine; clipped gradients; bf16
    autocast on CUDA, where it is faster. The network comes back on the CPU.

    Args:
        network: with its first weights.
        objective: losses and looks.
        config: budgets.
        rng: of batches and negatives; dropout uses torch's own generator.
        progress: told the steps.
        tracker: told the metrics of every look; the caller closes it.
        checkpoint: folder in which the state is kept at every look and on Ctrl-C, and from which a training of the same
            data, settings and seed resumes. It stays when the training ends: `checkpoint.remove` it when the result
            is safe.

    Raises:
        InsufficientDataError: there is nothing to train on.
        SettingsError: a loss is not finite, or the device is not there.
        ArtifactError: the checkpoint is damaged.
        KeyboardInterrupt: Ctrl-C, after the step at hand and its checkpoint.
    """
    device = pick_device(config.device)
    network.to(device)
    optimizer = torch.optim.AdamW(_groups(network, config.weight_decay), lr=config.learning_rate, betas=BETAS)
    run = Run(network=network, optimizer=optimizer, rng=rng)
    kept = None
    if checkpoint is not None:
        kept = Checkpoint.of(checkpoint, run, config, objective.histories, objective.train_end)
        kept.restore(run)
    now, watch = run.standing, Watch(seconds=run.standing.seconds)
    first = objective.criteria[0]
    if not now.step:
        metrics = _look(run, objective, config)
        if tracker is not None:
            tracker.log(0, metrics)
    batches = _batches(objective, config, run)
    with interrupts_held(held=kept is not None) as interrupts:
        while now.step < config.max_steps and now.waited < config.patience:
            windows = next(batches)
            loss = _step(run, objective, windows, config)
            now.step, now.seconds = now.step + 1, watch.tick(windows)
            now.loss_sum, now.loss_steps = now.loss_sum + loss, now.loss_steps + 1
            out_of_time = now.seconds > 60 * config.max_minutes
            due = now.step % config.eval_every == 0 or now.step == config.max_steps or out_of_time
            if due:
                metrics = _look(run, objective, config)
                if tracker is not None:
                    tracker.log(now.step, metrics | {"train/events_per_second": watch.pace})
            if kept is not None and (due or interrupts):
                kept.save(run)
            if interrupts:
                log.warning("Interrupted after step %d; the same training resumes from %s.", now.step, checkpoint)
                raise KeyboardInterrupt
            if now.step < config.max_steps and now.step % PROGRESS_EVERY == 0:
                progress(TASK, now.step, config.max_steps, watch.note(now.best[first][0], config.max_steps - now.step))
            if out_of_time:
                log.warning("Training ran out of its %g minutes at step %d: a rerun may differ.",
                            config.max_minutes, now.step)  # fmt: skip
                break
    progress(TASK, config.max_steps, config.max_steps, f"best at step {now.best[first][1]}")
    network.load_state_dict(run.best[first])
    network.to("cpu")
    return Training(
        steps=now.step,
        best={criterion: step for criterion, (_, step) in now.best.items()},
        weights={name: {key: value.cpu() for key, value in kept.items()} for name, kept in run.best.items()},
        loss=now.best[first][0],
        minutes=now.seconds / 60,
        device=device.type,
        curves=run.curves_frame(),
    )


def pick_device(name: str) -> torch.device:
    """The device of that name; "auto" is CUDA where there is one, else the CPU.

    Raises:
        SettingsError: "cuda" where there is none.
    """
    there = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if there else "cpu")
    if name == "cuda" and not there:
        raise SettingsError("The device is cuda, but torch sees no CUDA device here. Set it to auto or cpu.")
    return torch.device(name)


def _step(run: Run, objective: Objective, windows: Windows, config: BehaviorConfig) -> float:
    """One gradient step; returns the loss of the batch before it."""
    pace = config.learning_rate * _warm_then_cosine(run.standing.step + 1, config.max_steps)
    for group in run.optimizer.param_groups:
        group["lr"] = group["pace"] * pace
    run.network.train()
    run.optimizer.zero_grad(set_to_none=True)
    device = next(run.network.parameters()).device.type
    with torch.autocast(device, dtype=torch.bfloat16, enabled=device == "cuda"):
        loss = objective.training_loss(run.network, windows, rng=run.rng)
    value = float(loss.detach())
    if not math.isfinite(value):
        raise SettingsError(
            f"Training diverged: the loss of step {run.standing.step + 1} is {value}. "
            f"Lower the learning rate, now {config.learning_rate:g}."
        )
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(run.network.parameters(), CLIP)
    run.optimizer.step()
    return value


def _look(run: Run, objective: Objective, config: BehaviorConfig) -> dict[str, float]:
    """Judge the weights, note the curves, and keep the weights if they are the best so far by a criterion."""
    now = run.standing
    metrics = objective.look(run.network)
    if now.loss_steps:
        metrics = {"train/batch_loss": now.loss_sum / now.loss_steps} | metrics
    for criterion in objective.criteria:
        if not math.isfinite(metrics[criterion]):
            raise SettingsError(
                f"Training diverged: {criterion} at step {now.step} is {metrics[criterion]}. "
                f"Lower the learning rate, now {config.learning_rate:g}."
            )
    for name, value in metrics.items():
        part, _, metric = name.partition("/")
        run.curves.append((now.step, metric, part, float(value)))
    now.loss_sum, now.loss_steps = 0.0, 0
    better = [name for name in objective.criteria if name not in now.best or metrics[name] < now.best[name][0]]
    now.waited = 0 if better else now.waited + 1
    for criterion in better:
        now.best[criterion] = metrics[criterion], now.step
        run.best[criterion] = {name: value.detach().clone() for name, value in run.network.state_dict().items()}
    return metrics


def _groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Matrices and tables decay, vectors do not; single numbers have their own pace."""
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [w for w in weights if w.ndim > 1], "pace": 1.0, "weight_decay": weight_decay},
        {"params": [w for w in weights if w.ndim == 1], "pace": 1.0, "weight_decay": 0.0},
        {"params": [w for w in weights if w.ndim == 0], "pace": SCALAR_PACE, "weight_decay": 0.0},
    ]
    return [group for group in groups if group["params"]]


def _batches(objective: Objective, config: BehaviorConfig, run: Run) -> Iterator[Windows]:
    """Batches without end, from where the run stands: each pass over the data cuts the histories anew.

    A pass that was broken off is cut again from the state its cutting began with, and what was done of it is skipped.
    """
    now, rng = run.standing, run.rng
    while True:
        later = rng.bit_generator.state if now.pass_began else None
        if later is None:
            now.pass_began = dict(rng.bit_generator.state)
        else:
            rng.bit_generator.state = now.pass_began
        windows = training_windows(objective.histories, objective.train_end, config.max_length, rng=rng)
        groups = by_length(windows, config.tokens_per_batch, rng=rng)
        if not groups:
            raise InsufficientDataError("There are no events to train on before the end of training. Move the split.")
        if later is not None:
            rng.bit_generator.state = later
        for rows in groups[now.pass_done :]:
            now.pass_done += 1
            yield windows.take(rows)
        now.pass_began, now.pass_done = {}, 0


def _warm_then_cosine(step: int, total: int) -> float:
    """Share of the peak learning rate at a step of 1..total."""
    warm = max(total // WARM, 1)
    if step <= warm:
        return step / warm
    return FLOOR + (1 - FLOOR) * 0.5 * (1 + math.cos(math.pi * (step - warm) / (total - warm)))
