"""Run the peer in its own interpreter, one thread, and judge its answers on the same split."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.next_item.judge import judge
from benchmarks.next_item.sequences import LeaveOneOut, Sequences
from flashlift.errors import FlashliftError
from flashlift.protocols import FloatArray, IntArray

__all__ = ["train_and_judge"]

SCRIPT = Path(__file__).with_name("rectools_script.py")


def train_and_judge(
    split: LeaveOneOut, python: Path, *, epochs: int, seed: int
) -> tuple[pl.DataFrame, dict[str, float]]:
    """Table of `judge` (without reciprocal rank: the peer answers with ten items) and CPU seconds of an epoch.

    Raises:
        FlashliftError: the interpreter ends with an error, which is told.
    """
    with tempfile.TemporaryDirectory() as name:
        known, train, answer = (Path(name) / file for file in ("known.csv", "train.csv", "answer.json"))
        _rows(split.known).write_csv(known)
        _rows(split.train).write_csv(train)
        command = [python, SCRIPT, known, train, answer, "--epochs", str(epochs), "--seed", str(seed)]
        # Its own folder, so that the peer's logs and checkpoints do not land in the repository.
        ended = subprocess.run(command, cwd=name, env=_environment(), capture_output=True, text=True, check=False)
        if ended.returncode:
            raise FlashliftError(f"{python} failed: {ended.stderr.strip()[-500:]} Install rectools[torch]==0.19 there.")
        told = json.loads(answer.read_text())
    first = {int(user): items for user, items in told["first"].items()}

    def score(users: IntArray) -> FloatArray:
        scores = np.full((len(users), split.known.n_items), -np.inf)
        for row, user in enumerate(users):
            items = first.get(int(user), [])
            scores[row, items] = -np.arange(len(items), dtype=np.float64)
        return scores

    judged = judge(split, score).with_columns(mrr=pl.lit(None, pl.Float64))
    facts = {"cpu_seconds_per_epoch": told["cpu_seconds_per_epoch"], "epochs": float(epochs)}
    return judged, facts


def _rows(sequences: Sequences) -> pl.DataFrame:
    return pl.DataFrame({"user": sequences.user, "position": sequences.position, "item": sequences.items})


def _environment() -> dict[str, str]:
    return {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
