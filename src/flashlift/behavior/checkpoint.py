"""Where a training stands, on disk: killed at any step and started again, it ends with the same bits (on the CPU).

A checkpoint is a folder with one artifact, `step-00000120`. The next one is complete before the last one goes, so a
process may die at any moment. What it belongs to (data, settings, seed, first weights, versions) is kept as digests, so
that another training does not mistake it for its own.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import torch
from torch import Tensor

from flashlift import artifacts
from flashlift.artifacts import Artifact
from flashlift.behavior.config import LAYOUT, BehaviorConfig
from flashlift.behavior.histories import Histories
from flashlift.behavior.model import EventTransformer
from flashlift.errors import ArtifactError

__all__ = ["CURVES", "KIND", "Checkpoint", "Run", "Standing", "remove"]

log = logging.getLogger(__name__)

KIND = "behavior checkpoint"
CURVES = {"step": pl.Int64, "metric": pl.String, "part": pl.String, "value": pl.Float64}
"""Columns of the learning curves; `part` is train or valid."""
FREE = ("max_minutes",)  # settings that change no step


@dataclass(slots=True, kw_only=True)
class Standing:
    """How far a training has come.

    Args:
        step: steps done.
        seconds: time they took, over all processes.
        best: criterion -> (loss, step) of the best look so far.
        waited: looks since any criterion improved.
        loss_sum, loss_steps: of the training batches since the last look.
        pass_began: state of the random generator when this pass over the data was cut into batches.
        pass_done: batches of it that are done.
    """

    step: int = 0
    seconds: float = 0.0
    best: dict[str, tuple[float, int]] = field(default_factory=dict)
    waited: int = 0
    loss_sum: float = 0.0
    loss_steps: int = 0
    pass_began: dict[str, Any] = field(default_factory=dict)
    pass_done: int = 0


@dataclass(slots=True, kw_only=True)
class Run:
    """All that changes while a network is trained, and so all that a checkpoint keeps."""

    network: EventTransformer
    optimizer: torch.optim.Optimizer
    rng: np.random.Generator
    standing: Standing = field(default_factory=Standing)
    best: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    curves: list[tuple[int, str, str, float]] = field(default_factory=list)

    def curves_frame(self) -> pl.DataFrame:
        """The learning curves so far, see `CURVES`."""
        return pl.DataFrame(self.curves, schema=CURVES, orient="row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """The checkpoint of one training.

    Args:
        folder: where it is kept.
        belongs: what it belongs to, name -> digest.
    """

    folder: Path
    belongs: Mapping[str, str]

    @classmethod
    def of(cls, folder: Path, run: Run, config: BehaviorConfig, histories: Histories, *until: int) -> Checkpoint:
        """The checkpoint of a training that has not begun: `run` as it starts, on the data of `histories`."""
        settings = {name: value for name, value in asdict(config).items() if name not in FREE}
        flat = {part.name: getattr(histories, part.name) for part in fields(histories)}
        arrays = {name: value for name, value in flat.items() if isinstance(value, np.ndarray)}
        weights = {name: value.detach().cpu().numpy() for name, value in run.network.state_dict().items()}
        device = next(run.network.parameters()).device.type
        belongs = {
            "version": artifacts.digest(version("flashlift"), LAYOUT, torch.__version__),
            "settings": artifacts.digest(settings, device),
            "data": artifacts.digest(_digest(arrays), until),
            "seed or first weights": artifacts.digest(
                _digest(weights), run.rng.bit_generator.state, _digest(_generators(device))
            ),
        }
        return cls(folder=folder, belongs=belongs)

    def save(self, run: Run) -> None:
        """Write where the run stands.

        Raises:
            OutputError: the place cannot be written.
        """
        arrays = {f"network.{name}": value.detach().cpu().numpy() for name, value in run.network.state_dict().items()}
        for criterion, weights in run.best.items():
            arrays |= {f"best {criterion} {name}": value.cpu().numpy() for name, value in weights.items()}
        for place, values in run.optimizer.state_dict()["state"].items():
            arrays |= {f"optimizer.{place}.{name}": value.cpu().numpy() for name, value in values.items()}
        arrays |= _generators(next(run.network.parameters()).device.type)
        manifest = {
            "belongs": dict(self.belongs),
            "standing": asdict(run.standing),
            "numpy": run.rng.bit_generator.state,
        }
        saved = Artifact(kind=KIND, manifest=manifest, arrays=arrays, frames={"curves": run.curves_frame()})
        place = self.folder / f"step-{run.standing.step:08d}"
        artifacts.save(saved, place)
        for old in _pieces(self.folder):
            if old != place:
                shutil.rmtree(old, ignore_errors=True)

    def restore(self, run: Run) -> bool:
        """Set `run` to where the checkpoint stands; False where there is none, or one of another training.

        Raises:
            ArtifactError: the checkpoint is damaged.
        """
        places = _steps(self.folder)
        if not places:
            return False
        try:
            saved = artifacts.load(places[-1], KIND)
            other = [name for name, told in self.belongs.items() if saved.manifest["belongs"].get(name) != told]
            if other:
                log.warning("The checkpoint in %s is of another %s: training begins anew and replaces it.",
                            self.folder, ", ".join(other))  # fmt: skip
                return False
            _restore(run, saved)
        except (ArtifactError, KeyError, TypeError, ValueError, RuntimeError) as error:
            reason = str(error).rstrip(".")
            raise ArtifactError(
                f"The training cannot be resumed from {places[-1]} ({reason}). Delete {self.folder} to train from the "
                "beginning."
            ) from error
        log.info("Training resumes after step %d, from %s.", run.standing.step, self.folder)
        return True


def remove(folder: Path) -> None:
    """Delete the checkpoint in `folder`, and the folder if nothing else is in it."""
    for place in _pieces(folder):
        shutil.rmtree(place, ignore_errors=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _steps(folder: Path) -> list[Path]:
    """Artifacts in the folder, the latest last."""
    return sorted(folder.glob("step-[0-9]*"))


def _pieces(folder: Path) -> list[Path]:
    """The same with what was left half-written."""
    return [*_steps(folder), *folder.glob(".step-[0-9]*")]


def _restore(run: Run, saved: Artifact) -> None:
    arrays = {name: torch.from_numpy(value) for name, value in saved.arrays.items()}
    now = run.network.state_dict()
    run.network.load_state_dict({name: arrays[f"network.{name}"].reshape(value.shape) for name, value in now.items()})
    device = next(run.network.parameters()).device
    run.best = {
        criterion: {
            name: arrays[f"best {criterion} {name}"].reshape(value.shape).to(device) for name, value in now.items()
        }
        for criterion in saved.manifest["standing"]["best"]
    }
    weights = [weight for group in run.optimizer.param_groups for weight in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in arrays.items():
        if key.startswith("optimizer."):
            _, place, name = key.split(".")
            shape = () if name == "step" else weights[int(place)].shape
            state.setdefault(int(place), {})[name] = value.reshape(shape)
    run.optimizer.load_state_dict({"state": state, "param_groups": run.optimizer.state_dict()["param_groups"]})
    run.standing = Standing(**saved.manifest["standing"])
    run.standing.best = {name: (loss, step) for name, (loss, step) in run.standing.best.items()}
    run.curves = list(saved.frames["curves"].select(list(CURVES)).rows())
    run.rng.bit_generator.state = saved.manifest["numpy"]
    torch.set_rng_state(arrays["torch"])
    if device.type == "cuda":
        torch.cuda.set_rng_state(arrays["cuda"])


def _generators(device: str) -> dict[str, np.ndarray]:
    """States of torch's generators."""
    states = {"torch": torch.get_rng_state().numpy()}
    return states | ({"cuda": torch.cuda.get_rng_state().numpy()} if device == "cuda" else {})


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    total = hashlib.blake2b(digest_size=16)
    for name, value in sorted(arrays.items()):
        total.update(f"{name} {value.dtype} {value.shape}".encode())
        total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()
