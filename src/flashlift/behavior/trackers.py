"""Trackers: the metrics of a training in TensorBoard or in Weights & Biases. Numbers only, no data and no settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from flashlift.errors import SettingsError
from flashlift.protocols import Tracker

__all__ = ["TensorBoard", "WeightsAndBiases", "open_tracker"]


def open_tracker(kind: Literal["none", "tensorboard", "wandb"], folder: Path, *, name: str) -> Tracker | None:
    """The tracker of that kind, which writes below `folder`; None for "none".

    Args:
        kind: which one.
        folder: for its files.
        name: of the project in Weights & Biases.

    Raises:
        SettingsError: its package is not installed.
    """
    if kind == "tensorboard":
        return TensorBoard(folder / "tensorboard")
    if kind == "wandb":
        return WeightsAndBiases(folder, project=name)
    return None


class TensorBoard:
    """Event files for `tensorboard --logdir FOLDER`."""

    def __init__(self, folder: Path) -> None:
        _package("tensorboard", "tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder))

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One scalar per metric."""
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)
        self._writer.flush()

    def close(self) -> None:
        """End the file."""
        self._writer.close()


class WeightsAndBiases:
    """A run in Weights & Biases: sent where WANDB_API_KEY is set, else kept in `folder` for `wandb sync`.

    Nothing of the machine goes with it: no code, no console output, no git state, no packages, no
    system metrics.
    """

    def __init__(self, folder: Path, *, project: str) -> None:
        wandb = _package("wandb", "wandb")
        folder.mkdir(parents=True, exist_ok=True)
        self._run = wandb.init(
            project=project,
            dir=folder,
            mode=os.environ.get("WANDB_MODE") or ("online" if os.environ.get("WANDB_API_KEY") else "offline"),
            settings=wandb.Settings(
                console="off",
                disable_code=True,
                disable_git=True,
                save_code=False,
                silent=True,
                x_disable_machine_info=True,
                x_disable_meta=True,
                x_disable_stats=True,
                x_save_requirements=False,
            ),
        )

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        """One row of metrics."""
        self._run.log(dict(metrics), step=step)

    def close(self) -> None:
        """End the run."""
        self._run.finish()


def _package(module: str, kind: str) -> Any:
    try:
        return import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"behavior.tracker = '{kind}' needs the package {module}, which is not installed. "
            "Install flashlift[track], or set behavior.tracker to 'none'."
        ) from error
