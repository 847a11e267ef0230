from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from benchmarks.profit_captured.play import Task
from benchmarks.profit_captured.result import Result, load, place, save
from benchmarks.profit_captured.run import missing, run
from benchmarks.profit_captured.settings import REDUCED, Settings

WORLDS, SEEDS, ROWS = ("calm", "wild"), range(3), ("a", "b", "c")


def play(task: Task, settings: Settings, folder: Path, tell: Callable[[str, str], None]) -> None:
    """Plays like a shop, in a process of its own, and dies in row `b` of the wild shop 1."""
    assert os.environ["OMP_NUM_THREADS"] == "1"
    for row in task.rows:
        tell("begin", row)
        if (task.world, task.seed, row) == ("wild", 1, "b"):
            os.kill(os.getpid(), signal.SIGKILL)
        save(Result(world=task.world, seed=task.seed, row=row, value=float(task.seed)), folder)
        tell("end", row)


def interrupted(ended: int, now: list[str]) -> None:
    raise KeyboardInterrupt


def test_what_is_missing_goes_seed_by_seed_and_failures_are_played_again(tmp_path: Path) -> None:
    everything = missing(WORLDS, SEEDS, ROWS, tmp_path)
    assert [(task.seed, task.world) for task in everything] == [(s, w) for s in SEEDS for w in WORLDS]
    for task in everything:
        for row in task.rows:
            save(Result(world=task.world, seed=task.seed, row=row, value=1.0), tmp_path)
    assert missing(WORLDS, SEEDS, ROWS, tmp_path) == []
    place(tmp_path, "wild", 1, "b").unlink()
    save(Result(world="calm", seed=2, row="c", error="broken"), tmp_path)
    assert missing(WORLDS, SEEDS, ROWS, tmp_path) == [
        Task(world="wild", seed=1, rows=("b",)),
        Task(world="calm", seed=2, rows=("c",)),
    ]
    assert missing(WORLDS, SEEDS, (*ROWS, "new"), tmp_path)[0] == Task(world="calm", seed=0, rows=("new",))


def test_a_process_that_dies_takes_down_one_row_only(tmp_path: Path) -> None:
    told: list[int] = []
    tasks = missing(("wild",), (1,), ROWS, tmp_path)
    run(tasks, REDUCED, tmp_path, workers=2, told=lambda ended, now: told.append(ended), worker=play)
    assert sum(told) == 3
    for row in ROWS:
        result = load(tmp_path, "wild", 1, row)
        assert result is not None
        assert (result.error is not None) == (row == "b")
    assert "exit code -9" in str(load(tmp_path, "wild", 1, "b"))


def test_ctrl_c_ends_the_processes_and_leaves_whole_files(tmp_path: Path) -> None:
    import multiprocessing

    tasks = missing(("calm",), SEEDS, ROWS, tmp_path)
    with pytest.raises(KeyboardInterrupt):
        run(tasks, REDUCED, tmp_path, workers=2, told=interrupted, worker=play)
    assert multiprocessing.active_children() == []
    for seed in SEEDS:
        for row in ROWS:
            load(tmp_path, "calm", seed, row)


def test_a_number_that_is_none_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        save(Result(world="calm", seed=0, row="a", value=float("nan")), tmp_path)
    assert load(tmp_path, "calm", 0, "a") is None
    assert list(tmp_path.rglob("*.tmp")) == []


def test_other_settings_are_kept_apart(tmp_path: Path) -> None:
    other = Settings(n_events=REDUCED.n_events, n_draws=REDUCED.n_draws, n_futures=REDUCED.n_futures + 1)
    assert REDUCED.folder(tmp_path) != other.folder(tmp_path)
    assert REDUCED.folder(tmp_path) == REDUCED.folder(tmp_path)
