"""Shops in parallel processes, one process and one thread each."""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from benchmarks.profit_captured.play import Task, play_shop
from benchmarks.profit_captured.result import Result, load, save
from benchmarks.profit_captured.settings import Settings

__all__ = ["missing", "run"]

ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS", "RAYON_NUM_THREADS"), "1"
)
Worker = Callable[[Task, Settings, Path, Callable[[str, str], None]], None]


def missing(worlds: Iterable[str], seeds: Iterable[int], rows: Iterable[str], folder: Path) -> list[Task]:
    """What has no result yet or failed, seed by seed, so that a board broken off is complete for its first seeds."""

    def open_rows(world: str, seed: int) -> tuple[str, ...]:
        kept = {row: load(folder, world, seed, row) for row in rows}
        return tuple(row for row, result in kept.items() if result is None or result.error is not None)

    rows, worlds = list(rows), list(worlds)
    tasks = (Task(world=world, seed=seed, rows=open_rows(world, seed)) for seed in seeds for world in worlds)
    return [task for task in tasks if task.rows]


@dataclass(slots=True)
class _Shop:
    """A process at work."""

    task: Task
    process: BaseProcess
    ended: set[str] = field(default_factory=set)
    now: str | None = None


def run(
    tasks: Iterable[Task],
    settings: Settings,
    folder: Path,
    *,
    workers: int,
    told: Callable[[int, list[str]], None],
    worker: Worker = play_shop,
) -> None:
    """Play all tasks; Ctrl-C ends the processes and is raised again.

    A process that dies takes down only the row it was at, which is saved as failed; the others are played anew.

    Args:
        tasks: shops and their rows.
        settings: sizes.
        folder: where results are kept.
        workers: processes at a time.
        told: called with the rows that ended since the last call, and what is at work.
        worker: plays one task in its process.
    """
    os.environ.update(ONE_THREAD)  # read by the libraries when a process loads them
    waiting, running = deque(tasks), dict[Connection, _Shop]()
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                heard, shop = _start(waiting.popleft(), settings, folder, worker)
                running[heard] = shop
            ended = 0
            ready = wait(list(running), timeout=1.0)
            for heard in [one for one in running if one in ready]:
                shop = running[heard]
                try:
                    what, row = heard.recv()
                except EOFError:
                    del running[heard]
                    rest = _close(shop, folder)
                    ended += len(shop.task.rows) - len(shop.ended) - len(rest)
                    if rest:
                        waiting.append(replace(shop.task, rows=rest))
                    continue
                shop.now = row if what == "begin" else None
                if what == "end":
                    shop.ended.add(row)
                    ended += 1
            told(ended, [f"{s.task.world} {s.task.seed}: {s.now or 'shop'}" for s in running.values()])
    finally:
        for shop in running.values():
            shop.process.terminate()
        for shop in running.values():
            shop.process.join()


def _start(task: Task, settings: Settings, folder: Path, worker: Worker) -> tuple[Connection, _Shop]:
    context = multiprocessing.get_context("spawn")
    heard, said = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(worker, task, settings, folder, said), daemon=True)
    process.start()
    said.close()  # so that the end of the process is the end of the pipe
    return heard, _Shop(task=task, process=process)


def _work(worker: Worker, task: Task, settings: Settings, folder: Path, said: Connection) -> None:
    logging.getLogger("flashlift").setLevel(logging.ERROR)  # warnings would tear the progress bar
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    worker(task, settings, folder, lambda what, row: said.send((what, row)))


def _close(shop: _Shop, folder: Path) -> tuple[str, ...]:
    """Rows to play anew after the process has ended."""
    shop.process.join()
    left = tuple(row for row in shop.task.rows if row not in shop.ended)
    lost = left if shop.now is None else (shop.now,)
    for row in lost:
        error = f"the process ended with exit code {shop.process.exitcode}; -9 often means too little memory"
        save(Result(world=shop.task.world, seed=shop.task.seed, row=row, error=error), folder)
    return tuple(row for row in left if row not in lost)
